"""The site, from the notebooks: python docs/build.py [folder]   (make docs; the folder is _docs)

Nothing is run but two small fits for the browsers' page, nothing is fetched, and a warning is an error.
Open _docs/html/index.html: formulas, browsers and the search work from the disk, without a network.
Pages are first staged in _docs/source: notebooks cleaned of nbdev's directives, one reference page a module.
"""

import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]
import course

PAGES = 'notation.md', 'glossary.md', 'bibliography.md', 'instructors.md', 'howto', 'images'


# --- Notebooks ---


def directives(source):
    return dict(m.groups() for m in re.finditer(r'^#\|\s*([\w-]+):?[ \t]*(.*)$', source, re.M))


def tags(flags, source):
    "What myst-nb is to do with a cell, from nbdev's directives."
    if (
        {'hide', 'default_exp'} & flags.keys()
        or flags.get('include') == 'false'
        or 'nbdev_export()' in source
    ):
        yield 'remove-cell'
    if {'export', 'exports', 'exporti'} & flags.keys() or course.SOLUTION.search(source):
        yield 'hide-input'
    if 'hide_input' in flags or flags.get('echo') == 'false':
        yield 'remove-input'
    if flags.get('output') == 'false':
        yield 'remove-output'


def displayed(text):
    "Displayed formulas as paragraphs of their own, as MyST wants them; those in lists keep their indentation, code is left alone."
    parts = re.split(r'(```.*?```|`[^`]*`)', text, flags=re.S)

    def apart(m):
        start = m.string.rfind('\n', 0, m.start()) + 1
        indent = re.match(r'[ \t]*', m.string[start : m.start()])[0]
        return f'\n\n{indent}$$\n{indent}{m[1].strip()}\n{indent}$$\n\n{indent}'

    parts[::2] = [re.sub(r'\$\$(.+?)\$\$[ \t]*\n?[ \t]*', apart, part, flags=re.S) for part in parts[::2]]
    return ''.join(parts)


def page(nb, note=''):
    "A notebook as myst-nb shows it."
    for cell in nb.cells:
        if cell.cell_type == 'markdown':
            cell.source = displayed(cell.source)
        flags = directives(cell.source) if cell.cell_type == 'code' else {}
        cell.metadata = {'tags': list(tags(flags, cell.source))} if flags or 'SOLUTION' in cell.source else {}
        if alt := flags.get('fig-alt'):
            cell.metadata['mystnb'] = {'image': {'alt': alt}}
        if cell.cell_type == 'code':
            cell.source = re.sub(r'^[ \t]*(#\|.*|### (BEGIN|END) SOLUTION)\n?', '', cell.source, flags=re.M)
            cell.outputs = [o for o in cell.outputs if o.output_type != 'stream' or o.name == 'stdout']
    if note:
        nb.cells[0].source += '\n\n' + note
    return nb


def stage(path, dst, note=''):
    dst.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(page(nbformat.read(path, 4), note), dst)


def title(path):
    "The first heading of a notebook."
    found = re.search(r'^# (.+)', nbformat.read(path, 4).cells[0].source, re.M)
    return found[1] if found else path.stem


def staged_links(text):
    "Links of a page in docs to notebooks, as they are in the site: ../nbs/ becomes explanations/, ../nbs/course/ becomes course/."
    return re.sub(
        r'\]\(((?:\.\./)*)\.\./nbs/(course/)?', lambda m: f']({m[1]}{m[2] or "explanations/"}', text
    )


# --- Reference ---


def plain(text):
    "Text in which only code spans mean something to Markdown."
    parts = re.split(r'(`[^`]*`)', str(text))
    parts[::2] = [re.sub(r'([\\*_\[\]<>$|{}#~^])', r'\\\1', p) for p in parts[::2]]
    return (
        ''.join(parts).replace('\n', ' ').replace('|', '\\|')
        if '`' in str(text)
        else ''.join(parts).replace('\n', ' ')
    )


def parameters(f):
    "Rows of a table: name, default, what the comment beside it says."
    from fastcore.docments import docments

    try:
        found, signature = docments(f, full=True), inspect.signature(f)
    except Exception:
        return
    for name, p in signature.parameters.items():
        said = getattr(found.get(name), 'docment', None) or ''
        if name == 'self':
            continue
        default = '' if p.default is p.empty else f'`{str(p.default)[:60]}`'
        yield f'| `{name}` | {default} | {plain(said)} |'
    if said := getattr(found.get('return'), 'docment', None):
        yield f'| *gives* | | {plain(said)} |'


def methods(cls):
    for name, f in vars(cls).items():
        f = f.fget if isinstance(f, property) else getattr(f, '__func__', f)
        if name[0] != '_' and callable(f) and f.__doc__:
            yield f'| `{name}` | {plain(f.__doc__.splitlines()[0])} |'


def entry(name, thing):
    "The reference of one exported name."
    rows = list(parameters(thing))
    lines = [f'## `{name}`', '', plain((thing.__doc__ or '').split('\n')[0]), '']
    if rows:
        lines += ['| parameter | default | |', '|---|---|---|', *rows, '']
    if inspect.isclass(thing) and (found := list(methods(thing))):
        lines += ['| method or property | |', '|---|---|', *found, '']
    return '\n'.join(lines)


def reference(path, module):
    "The page of one module."
    m = importlib.import_module(f'ntf_lit.{module}')
    names = [n for n in m.__all__ if callable(getattr(m, n))]
    head = f'# `{module}`\n\n{plain((m.__doc__ or "").splitlines()[0] if m.__doc__ else "")}. Derived in [{path.stem}](../explanations/{path.name}).\n\n'
    return head + '\n'.join(entry(n, getattr(m, n)) for n in names)


def modules():
    "(notebook, module) for every notebook that makes one."
    for path in sorted((ROOT / 'nbs').glob('[0-9]*.ipynb')):
        text = '\n'.join(c.source for c in nbformat.read(path, 4).cells if c.cell_type == 'code')
        found = re.search(r'^#\|\s*default_exp\s+(\w+)', text, re.M)
        if found and found[1] != '__init__':
            yield path, found[1]


# --- Browsers inside a page ---


def browsers(static):
    "Two browsers as files of their own, from fits that take seconds."
    from ntf_lit.data import hierarchical_tensor, sotu_tensor
    from ntf_lit.estimators import HNCPD, StratifiedNTF
    from ntf_lit.hierarchy_browser import HierarchyBrowser
    from ntf_lit.topic_browser import TopicBrowser

    data = sotu_tensor(since=1961, max_features=600)
    model = StratifiedNTF(rank=8, strata_rank=2, max_iter=100, random_state=0).fit(
        dict(zip(data.strata, data.tensors))
    )
    TopicBrowser(model, data, title='State of the Union since 1961').to_html(static / 'topics.html')
    made = hierarchical_tensor()
    HierarchyBrowser(
        HNCPD(ranks=(7, 4, 2), random_state=0).fit(made.tensors[0]), made, title='Seven topics, four, two'
    ).to_html(static / 'hierarchy.html')


BROWSERS = """# Browsers

Both browsers below are single files that `to_html` wrote. They react without a kernel and without a network.

## Topics

The State of the Union since 1961: eight topics that both parties share, and what each party has for itself.

<iframe src="_static/topics.html" title="Topic browser" style="width:100%;height:780px;border:1px solid #888"></iframe>

[Open it alone](_static/topics.html)

## Hierarchies

The tensor of Vendrow, Haddock and Needell with seven, four and two topics.

<iframe src="_static/hierarchy.html" title="Hierarchy browser" style="width:100%;height:780px;border:1px solid #888"></iframe>

[Open it alone](_static/hierarchy.html)
"""


# --- The site ---


def toctree(caption, entries):
    return '\n'.join(
        ['```{toctree}', f':caption: {caption}', ':maxdepth: 1', ':hidden:', '', *entries, '```', '']
    )


FRONT = """# ntf_lit

Nonnegative tensor factorization with strata and hierarchies, written as notebooks.

- **[Tour](explanations/tour)**: one fit, one browser, the map of the notebooks.
- **Tutorials**: {n} lessons from NMF to the papers' models, with exercises that check themselves. Begin with [{first}](course/{stem}).
- **[How-tos](howto/index)**: sparse text, images, labels, masks, own factors, GPU, saving a figure.
- **Explanations**: the notebooks that are the package, every model derived before it is written.
- **Reference**: every exported name, with its parameters.
- **[Browsers](browsers)**: two models to be read, here in the page.

![The topic browser on the State of the Union: topics, bars of words, course by year, typical addresses.](images/topic_browser.png)

"""


def front(lessons, notebooks, names):
    trees = [
        toctree('Tour', ['Tour <explanations/tour>', 'browsers']),
        toctree('Tutorials', [f'course/{p.stem}' for p in lessons] + ['instructors']),
        toctree('How-tos', ['howto/index']),
        toctree('Explanations', [f'explanations/{p.stem}' for p in notebooks]),
        toctree('Reference', [f'reference/{n}' for n in names] + ['notation', 'glossary', 'bibliography']),
    ]
    return FRONT.format(n=len(lessons), first=title(lessons[0]), stem=lessons[0].stem) + '\n'.join(trees)


def write_source(src):
    "Everything that Sphinx reads."
    shutil.rmtree(src, ignore_errors=True)
    (src / '_static').mkdir(parents=True)
    repo, place = course.repository(), course.copies()
    shutil.copy(DOCS / 'conf.py', src)
    shutil.copy(DOCS / 'vendor/mathjax-tex-svg.js', src / '_static/tex-svg.js')
    for name in PAGES:
        (shutil.copytree if (DOCS / name).is_dir() else shutil.copy)(DOCS / name, src / name)
    for page_ in (
        p for name in PAGES for p in ([src / name] if name.endswith('.md') else (src / name).rglob('*.md'))
    ):
        page_.write_text(staged_links(page_.read_text(encoding='utf-8')), encoding='utf-8')
    shutil.copytree(DOCS / 'images', src / 'docs/images')  # where the front notebook looks for them
    notebooks = sorted((ROOT / 'nbs').glob('[0-9]*.ipynb'))
    for path in notebooks:
        stage(path, src / 'explanations' / path.name)
    stage(ROOT / 'nbs/index.ipynb', src / 'explanations/tour.ipynb')
    tour = src / 'explanations/tour.ipynb'  # its links to the lessons are relative to nbs
    tour.write_text(tour.read_text(encoding='utf-8').replace('](course/', '](../course/'), encoding='utf-8')
    for path in course.lessons():
        stage(path, src / 'course' / path.name, course.links(path.stem, repo, place))
    (src / 'reference').mkdir()
    names = {m: reference(path, m) for path, m in modules()}
    for m, text in names.items():
        (src / f'reference/{m}.md').write_text(text, encoding='utf-8')
    browsers(src / '_static')
    (src / 'browsers.md').write_text(BROWSERS)
    (src / 'index.md').write_text(front(course.lessons(), notebooks, names), encoding='utf-8')


def main(out=ROOT / '_docs'):
    out = Path(out)
    write_source(out / 'source')
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'sphinx',
            '-b',
            'html',
            '-W',
            '--keep-going',
            '-q',
            out / 'source',
            out / 'html',
            '-d',
            out / 'doctrees',
        ]
    )
    if not done.returncode:
        print(f'The site is {out / "html/index.html"}')
    return done.returncode


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
