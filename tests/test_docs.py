"""The site's pages: how-tos run, links lead somewhere, and in a browser nothing is asked of the network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import matplotlib
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'docs'))
HOWTOS = sorted(p for p in (ROOT / 'docs/howto').glob('*.md') if p.stem != 'index')
by_name = {'ids': lambda p: p.stem}


@pytest.mark.filterwarnings('default')
@pytest.mark.parametrize('path', HOWTOS, **by_name)
def test_howto_runs(path):
    pytest.importorskip('pandas' if path.stem == 'labels' else 'sklearn')
    matplotlib.use('Agg')
    blocks, space = re.findall(r'```python\n(.*?)```', path.read_text(encoding='utf-8'), re.S), {}
    assert blocks
    for block in blocks:
        exec(compile(block, path.name, 'exec'), space)


def test_howtos_are_listed():
    assert re.findall(r'^(\w+)$', (ROOT / 'docs/howto/index.md').read_text(), re.M) and {
        p.stem for p in HOWTOS
    } <= set((ROOT / 'docs/howto/index.md').read_text().split())


PAGES = sorted(p for p in (ROOT / 'docs').rglob('*.md') if 'vendor' not in p.parts)


@pytest.mark.parametrize('path', PAGES, **by_name)
def test_links_lead_somewhere_in_the_repository(path):
    text = re.sub(r'```.*?```|`[^`]*`|\$[^$]*\$', '', path.read_text(encoding='utf-8'), flags=re.S)
    links = [link for link in re.findall(r'\]\(([^)#\s]+)', text) if not urlsplit(link).scheme]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_links_of_the_repository_in_the_site():
    from build import staged_links

    assert (
        staged_links('[a](../nbs/01_tensor.ipynb), [b](../nbs/course/01_nmf.ipynb#x), [c](notation.md)')
        == '[a](explanations/01_tensor.ipynb), [b](course/01_nmf.ipynb#x), [c](notation.md)'
    )
    assert staged_links('[a](../../nbs/01_tensor.ipynb)') == '[a](../explanations/01_tensor.ipynb)'


CITED = re.compile(
    r'[A-Z]\w+(?:-\w+)?(?:, [A-Z]\w+(?:-\w+)?)*(?:,? (?:&|and) (?:ten )?[A-Z]\w+| et al\.),? \(?((?:19|20)\d\d)\b'
    r'|\(([A-Z][a-z]\w+) ((?:19|20)\d\d)\b'
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


def bare_formulas(html):
    "(page, text) of TeX that is not marked as a formula."
    for path in html.rglob('*.html'):
        if '_static' in path.relative_to(html).parts:
            continue
        text = re.sub(
            r'(?s)<(script|style|pre|code)\b.*?</\1>|<(span|div) class="math[^>]*>.*?</\2>|<title>.*?</title>',
            '',
            path.read_text(encoding='utf-8'),
        )
        for m in re.finditer(
            r'\$\$|\\(?:top|frac|tfrac|sum|mathbb|nabla|text|lVert|ast)\b', re.sub(r'<[^>]+>', '', text)
        ):
            yield path.name, m.string[m.start() - 40 : m.end() + 40]


def test_bare_formulas_are_found(tmp_path):
    (tmp_path / 'a.html').write_text(
        r'<p>so $$x</p><span class="math notranslate">\(\top\)</span><code>\sum</code><p>\frac</p>'
    )
    assert [name for name, _ in bare_formulas(tmp_path)] == ['a.html', 'a.html']


@pytest.mark.slow
def test_every_formula_is_one(site):
    assert list(bare_formulas(site)) == []


@pytest.fixture
def opened(site, chromium):
    "Open a page from the disk; at the end nothing may have been asked of the network, and no script have failed."
    asked, failed, page = [], [], chromium.new_page(viewport={'width': 1300, 'height': 900})
    page.on(
        'request',
        lambda r: (
            asked.append(r.url) if not r.url.startswith(('file:', 'data:', 'blob:', 'about:')) else None
        ),
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


@pytest.mark.slow
@pytest.mark.parametrize(
    'name', ['index.html', 'explanations/tour.html', 'howto/masks.html', 'reference/stratified.html']
)
def test_page_needs_no_network(opened, name):
    assert opened(name).locator('h1').count()


@pytest.mark.slow
def test_formulas_are_set(opened):
    opened('course/01_nmf.html').locator('mjx-container svg').first.wait_for(timeout=30_000, state='attached')


@pytest.mark.slow
def test_search_finds(opened):
    opened('search.html?q=khatri').locator('ul.search li a').first.wait_for(timeout=30_000)


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
