"""The site, from the notebooks: python docs/build.py [folder]   (make docs; the folder is _docs)

Nothing is run but two small fits for the browsers' page, nothing is fetched, and a warning is an error.
Open _docs/html/index.html: formulas, browsers and the search work from the disk, without a network.
Pages are first staged in _docs/source: notebooks without nbdev's directives, and the pages of reference.py.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
sys.path[:0] = [str(ROOT), str(ROOT / 'tools'), str(DOCS)]
import course
import reference
from reference import directives, is_exported
from repository import repository

PAGES = 'browsers.md', 'notation.md', 'glossary.md', 'bibliography.md', 'instructors.md', 'howto', 'images'
ASSETS = 'site.css', 'site.js', 'vendor/mathjax-tex-svg.js'


# --- Markdown ---


def outside_code(change, text):
    "A text changed everywhere but in its code."
    parts = re.split(r'(```.*?```|`[^`]*`)', text, flags=re.S)
    parts[::2] = [change(part) for part in parts[::2]]
    return ''.join(parts)


def displayed(text):
    "Displayed formulas as paragraphs of their own, as MyST wants them; in lists they stay indented."

    def apart(m):
        start = m.string.rfind('\n', 0, m.start()) + 1
        indent = re.match(r'[ \t]*', m.string[start : m.start()])[0]
        return f'\n\n{indent}$$\n{indent}{m[1].strip()}\n{indent}$$\n\n{indent}'

    return outside_code(lambda part: re.sub(r'\$\$(.+?)\$\$[ \t]*\n?[ \t]*', apart, part, flags=re.S), text)


def norms_in_tables(text):
    r"Formulas in tables with \Vert for \|, which in a row of a table is an escaped bar."
    formula = re.compile(r'(?<![\\$])\$(?!\$)(?:\\.|[^$\\])+\$')
    mended = lambda m: m[0].replace(r'\|', r'\Vert ')
    row = lambda m: outside_code(lambda part: formula.sub(mended, part), m[0])
    return re.sub(r'^[ \t]*\|.*$', row, text, flags=re.M)


def staged_links(text):
    "Links to notebooks as in the site: ../nbs/ becomes explanations/, ../nbs/course/ becomes course/."
    inside = lambda m: f']({m[1]}{m[2] or "explanations/"}'
    return re.sub(r'\]\(((?:\.\./)*)\.\./nbs/(course/)?', inside, text)


# --- Notebooks ---


def is_hidden(flags, source):
    kept_out = {'hide', 'default_exp'} & flags.keys() or flags.get('include') == 'false'
    return bool(kept_out) or 'nbdev_export()' in source


def folded_under(source):
    "What stands on the lid of a folded cell of a lesson; None for others."
    if course.SOLUTION.search(source):
        return 'A solution'
    return 'The check of the exercise' if course.CHECK.search(source) else None


def tags(flags, source):
    "What myst-nb is to do with a cell, from nbdev's directives."
    if is_hidden(flags, source):
        yield 'remove-cell'
    if is_exported(source):
        yield 'exported'
    if folded_under(source):
        yield 'hide-input'
    if 'hide_input' in flags or flags.get('echo') == 'false':
        yield 'remove-input'
    if flags.get('output') == 'false':
        yield 'remove-output'


def further_checks(cells):
    "Indices of the cells to fold: of those that follow an exported cell, up to a heading, all but the first."
    shown = None  # How many since the exported cell; None where there was none
    for i, cell in enumerate(cells):
        if cell.cell_type == 'markdown' and re.search(r'^#+ ', cell.source, re.M):
            shown = None
        elif cell.cell_type == 'code' and is_exported(cell.source):
            shown = 0
        elif cell.cell_type == 'code' and shown is not None:
            if not is_hidden(directives(cell.source), cell.source):
                shown += 1
                if shown > 1:
                    yield i


def heading_above(cells, i):
    "The nearest heading above a cell, as plain words."
    for cell in reversed(cells[:i]):
        if cell.cell_type == 'markdown' and (found := re.findall(r'^#+ (.+)', cell.source, re.M)):
            return re.sub(r'[`$*\\{}]', '', found[-1])
    return 'Figure'


def alt(cells, i):
    "What is read out for a cell's figure: its `#| fig-alt`, or the heading above it."
    said = directives(cells[i].source).get('fig-alt', '').strip().strip('"\'')
    return said or f'Figure: {heading_above(cells, i)}'


def with_anchors(cells):
    "The cells, those that make something preceded by an anchor for each name that they make."
    for cell in cells:
        if cell.cell_type == 'code' and is_exported(cell.source):
            names = [*reference.definitions(cell.source)]
            marks = ''.join(f'<div id="{reference.anchor(name)}"></div>' for name in dict.fromkeys(names))
            if marks:
                yield new_markdown_cell(marks)
        yield cell


def staged(nb, number='', note=''):
    "A notebook as myst-nb shows it."
    alts = [alt(nb.cells, i) if c.cell_type == 'code' else '' for i, c in enumerate(nb.cells)]
    folded = {*further_checks(nb.cells)}
    nb.cells[0].source += f'\n\n{note}' if note else ''
    if number:
        nb.cells[0].source = re.sub(r'^# ', f'# {number} · ', nb.cells[0].source, count=1, flags=re.M)
    cells = [*with_anchors(nb.cells)]
    for i, cell in enumerate(nb.cells):
        cell.metadata = {}
        if cell.cell_type == 'markdown':
            cell.source = displayed(norms_in_tables(cell.source))
        if cell.cell_type != 'code':
            continue
        marks = [*tags(directives(cell.source), cell.source)]
        lid = folded_under(cell.source) or 'Another check'
        cell.metadata = {
            'tags': marks + ['hide-input'] * (i in folded and 'hide-input' not in marks),
            'mystnb': {'image': {'alt': alts[i]}, 'code_prompt_show': lid, 'code_prompt_hide': lid},
        }
        cell.source = re.sub(r'^[ \t]*(#\|.*|### (BEGIN|END) SOLUTION)\n?', '', cell.source, flags=re.M)
        cell.outputs = [o for o in cell.outputs if o.output_type != 'stream' or o.name == 'stdout']
    nb.cells = cells
    return nb


def stage(path, dst, number='', note=''):
    dst.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(staged(nbformat.read(path, 4), number, note), dst)


# --- Browsers inside a page ---


def browsers(static):
    "Two browsers as files of their own, from fits that take seconds."
    from ntf_lit import HNCPD, StratifiedNTF

    data = reference.home('sotu_tensor')(since=1961, max_features=600)
    model = StratifiedNTF(rank=8, strata_rank=2, max_iter=100, random_state=0)
    model.fit(dict(zip(data.strata, data.tensors)))
    title = 'State of the Union since 1961'
    reference.home('TopicBrowser')(model, data, title=title).to_html(static / 'topics.html')
    made = reference.home('hierarchical_tensor')()
    model = HNCPD(ranks=(7, 4, 2), random_state=0).fit(made.tensors[0])
    title = 'Seven topics, four, two'
    reference.home('HierarchyBrowser')(model, made, title=title).to_html(static / 'hierarchy.html')


# --- The front page, and what is where ---


def toctree(caption, entries):
    lines = ['```{toctree}', f':caption: {caption}', ':maxdepth: 1', ':hidden:', '', *entries, '```', '']
    return '\n'.join(lines)


FRONT = """# ntf_lit

Nonnegative tensor factorization with strata and hierarchies, written as notebooks.

```sh
{install}
```

```python
import numpy as np
from ntf_lit import StratifiedNTF

rng = np.random.default_rng(0)
A = {{'north': rng.random((20, 8, 30)), 'south': rng.random((15, 8, 30))}}   # samples first
model = StratifiedNTF(rank=4, strata_rank=2, random_state=0).fit(A)
model.topics_            # shared by all strata: (8, 4) and (30, 4)
model.strata_features_   # of each stratum by itself: (8, 2) and (30, 2)
```

- **[Tour](explanations/tour)**: one fit, one browser, the map of the notebooks.
- **[Tutorials](course/{stem})**: {n} lessons from NMF to the papers' models; exercises check themselves.
- **[How-tos](howto/index)**: your own data, going on with a fit, reading it, coming from elsewhere.
- **[Explanations](explanations/index)**: the notebooks that are the package; models derived, then written.
- **[Reference](reference/index)**: every exported name, with its parameters, attributes and methods.
- **[Browsers](browsers)**: two models to be read, here in the page, and pictures of all they show.

![The topic browser on the State of the Union, all topics at once: a tree of likeness, shares, courses, shares
of the parties.](images/topic_overview.png)

"""


def install(repo):
    "How to get the package, by where it is."
    if repo:
        return f'pip install git+https://github.com/{repo}'
    return "pip install .     # in a copy of the repository; '.[fast]' brings compiled kernels too"


def front(lessons, repo=None):
    "The first page; its trees are the sidebar."
    notebooks = [f'explanations/{nb.path.stem}' for nb in reference.notebooks()]
    modules = [f'reference/{m}' for m in reference.modules()]
    trees = [
        toctree('Tour', ['Tour <explanations/tour>', 'browsers']),
        toctree('Tutorials', [*(f'course/{p.stem}' for p in lessons), 'instructors']),
        toctree('How-tos', ['howto/index']),
        toctree('Explanations', ['explanations/index', *notebooks]),
        toctree(
            'Reference', ['All names <reference/index>', *modules, 'notation', 'glossary', 'bibliography']
        ),
    ]
    head = FRONT.format(n=len(lessons), stem=lessons[0].stem, install=install(repo))
    return head + '\n'.join(trees)


def explanations():
    "All notebooks, and how they are read."
    rows = [[f'[{nb.number}]({nb.path.name})', nb.title, nb.claim] for nb in reference.notebooks()]
    lines = [
        '# All notebooks',
        '',
        'They are the package. Each reads derivation, code, check, picture. Code with a strong edge goes',
        'into the package; what follows checks it or shows what it does. A notebook uses only those with',
        'smaller numbers.',
        *reference.table(['', 'notebook', ''], rows),
    ]
    return '\n'.join(lines)


# --- The site ---


def write_notebooks(src, repo):
    for nb in reference.notebooks():
        stage(nb.path, src / 'explanations' / nb.path.name, nb.number)
    tour = src / 'explanations/tour.ipynb'
    stage(ROOT / 'nbs/index.ipynb', tour)  # its links to the lessons are relative to nbs
    text = tour.read_text(encoding='utf-8').replace('](course/', '](../course/')
    tour.write_text(text.replace('](../docs/howto/', '](../howto/'), encoding='utf-8')
    for path in course.lessons():
        stage(path, src / 'course' / path.name, note=course.links(path.stem, repo, course.copies()))


def write_pages(src):
    "What stands in docs as it is, its links led to the site's places."
    for name in PAGES:
        (shutil.copytree if (DOCS / name).is_dir() else shutil.copy)(DOCS / name, src / name)
    for path in src.rglob('*.md'):
        path.write_text(staged_links(path.read_text(encoding='utf-8')), encoding='utf-8')
    shutil.copytree(DOCS / 'images', src / 'docs/images')  # where the front notebook looks for them


def write_source(src):
    "Everything that Sphinx reads."
    shutil.rmtree(src, ignore_errors=True)
    (src / '_static').mkdir(parents=True)
    repo = repository()
    shutil.copy(DOCS / 'conf.py', src)
    for name in ASSETS:
        shutil.copy(DOCS / name, src / '_static')
    write_pages(src)
    write_notebooks(src, repo)
    browsers(src / '_static')
    pages = {f'reference/{m}.md': reference.page(m) for m in reference.modules()} | {
        'reference/index.md': reference.contents(),
        'explanations/index.md': explanations(),
        'index.md': front(course.lessons(), repo),
    }
    for name, text in pages.items():
        (src / name).parent.mkdir(exist_ok=True)
        (src / name).write_text(text, encoding='utf-8')


def main(out=ROOT / '_docs'):
    out = Path(out)
    write_source(out / 'source')
    options = '-b', 'html', '-W', '--keep-going', '-q', '-d', out / 'doctrees'
    done = subprocess.run([sys.executable, '-m', 'sphinx', *options, out / 'source', out / 'html'])
    if not done.returncode:
        print(f'The site is {out / "html/index.html"}')
    return done.returncode


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
