"""The browsers on a real page: the file from disk without a network, and the widgets in JupyterLab with their kernel."""
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from test_browsers import ODD, PAYLOADS, hierarchy, hostile

from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.result import Strata
from ntf_lit.topic_browser import TopicBrowser
from ntf_lit.topics import view

expect = pytest.importorskip('playwright.sync_api', reason='needs playwright: pip install playwright').expect
WORDS = ['tax', 'war', 'gold', 'peace', 'treaty', 'silver', 'farm', 'school', 'army', 'navy', 'union', 'budget']


def example(front='core', **kwargs):
    "Four topics of twelve words in six parts, two strata with a feature each."
    rng = np.random.default_rng(0); H = np.kron(np.eye(4), np.array([[5.], [3], [2]])) + .2*rng.random((12, 4))
    V = tuple(rng.random((2, d, 1))**4 for d in (6, 12)); W = rng.random((20, 4))**3*np.array([4, 3, 2, 1.])
    m = Strata(V, W, (rng.random((6, 4)), H), (0, 9, 20))
    texts = [f'In {1900 + i} the {WORDS[int(W[i].argmax())*3]} was much spoken of.' for i in range(20)]
    return TopicBrowser(m, labels=dict(part=[f'part {i+1}' for i in range(6)], term=WORDS), strata=['North', 'South'], samples=texts, times={'year': range(1900, 1920)}, title='Example', front=front, **kwargs)


def hierarchy_example(**kwargs): return HierarchyBrowser(hierarchy(WORDS[:6]), labels=dict(term=WORDS[:6]), title='Layers', front='core', **kwargs)


@pytest.fixture
def shown(chromium, tmp_path, request):
    "`shown(browser)` writes its file and opens it from disk; nothing may be asked for, go wrong, or pop up."
    faults, pages = [], []

    def opened(b, width=1280, scheme='light'):
        b.to_html(tmp_path/'page.html')
        page = chromium.new_page(viewport=dict(width=width, height=1000), color_scheme=scheme); pages.append(page)
        page.on('request', lambda r: None if r.url.startswith('file:') else faults.append(f'asked for {r.url[:80]}'))
        page.on('pageerror', lambda e: faults.append(str(e))); page.on('console', lambda m: faults.append(m.text) if m.type in ('error', 'warning') else None)
        page.on('dialog', lambda d: (faults.append(f'dialog {d.message}'), d.dismiss()))
        page.goto((tmp_path/'page.html').as_uri()); page.locator('.ntf').wait_for()
        return page

    yield opened
    for i, page in enumerate(pages):
        if folder := os.environ.get('SHOTS'): page.screenshot(path=Path(folder)/f'{request.node.name}-{i}.png', full_page=True)
        page.close()
    assert faults == []


@pytest.fixture(scope='session')
def axe(tmp_path_factory):
    "The text of axe-core: the file that AXE names, or from npm."
    if path := os.environ.get('AXE'): return Path(path).read_text()
    folder = tmp_path_factory.mktemp('axe'); npm = shutil.which('npm') or pytest.skip('no npm here to fetch axe-core with, and AXE names no file')
    try:
        name = subprocess.run([npm, 'pack', 'axe-core', '--silent'], cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout.split()[-1]
        shutil.unpack_archive(folder/name, folder, 'gztar')
    except (subprocess.SubprocessError, OSError, IndexError, shutil.ReadError): pytest.skip('axe-core could not be fetched from npm; AXE=path/to/axe.min.js names a copy')
    return (folder/'package/axe.min.js').read_text()


def violations(page, axe, within='document'):
    page.evaluate(axe)
    return [(v['id'], v['impact'], v['nodes'][0]['html'][:160]) for v in page.evaluate(f'() => axe.run({within})')['violations']]


# --- The file ---

def selected(page): return page.locator('.ntf-list [aria-selected=true] .ntf-number').inner_text()


def test_keyboard_in_the_list(shown):
    page = shown(example()); box = page.get_by_role('listbox', name='Topics'); box.focus()
    order = page.locator('.ntf-list .ntf-number').all_inner_texts(); status = page.locator('[role=status]')
    for key, at in (('ArrowDown', 1), ('ArrowDown', 2), ('ArrowUp', 1), ('End', 3), ('ArrowDown', 3), ('Home', 0), ('ArrowUp', 0)):
        page.keyboard.press(key); assert selected(page) == order[at]
        assert page.evaluate('document.activeElement.getAttribute("role")') == 'listbox'
        assert page.evaluate('document.getElementById(document.activeElement.getAttribute("aria-activedescendant")).getAttribute("aria-selected")') == 'true'
    page.keyboard.press('End'); expect(status).to_contain_text(f'Topic {order[3]}')
    name = page.locator('.ntf-list .ntf-word').nth(1).inner_text(); page.keyboard.type(name[:4]); assert selected(page) == order[1]
    assert page.locator('.ntf-list [tabindex]').count() == 0 and page.locator('.ntf-list').get_attribute('tabindex') == '0'  # one tab stop


def test_names_merging_and_undo(shown):
    page = shown(example()); page.get_by_role('listbox', name='Topics').focus(); page.keyboard.press('F2')
    first = selected(page); page.keyboard.press('Control+a'); page.keyboard.type('My <b>name</b>'); page.keyboard.press('Enter')
    row = page.locator('.ntf-list [role=option]', has_text='My <b>name</b>'); expect(row).to_have_count(1); assert row.locator('.ntf-number').inner_text() == first
    expect(page.locator('[role=status]')).to_have_text(f'Topic {first} is now called My <b>name</b>')
    page.get_by_label('Stratum').select_option('South'); expect(row.locator('.ntf-number')).to_have_text(first)  # another order, the same topic
    page.get_by_label('Merge the topic into').select_option(index=1); expect(page.locator('.ntf-list [role=option]')).to_have_count(3); expect(page.locator('.ntf-merged button')).to_have_count(1)
    page.get_by_role('button', name='Hide').click(); expect(page.locator('.ntf-hidden')).to_have_count(1); assert page.get_by_role('button', name='Show', exact=True).is_visible()
    undo = page.get_by_role('button', name='Undo')
    for _ in range(3): undo.click()
    expect(undo).to_be_disabled(); expect(page.locator('.ntf-list [role=option]')).to_have_count(4); expect(page.locator('.ntf-hidden')).to_have_count(0); expect(row).to_have_count(0)


def test_relevance_search_and_modes(shown):
    b = example(); page = shown(b); words = lambda: page.locator('.ntf-terms tbody th').all_inner_texts()
    page.get_by_label('Relevance λ', exact=True).fill('1'); page.keyboard.press('Tab')
    want = sorted(range(12), key=lambda i: -b.views[0].topics[1][i, b.selected])[:3]; assert words()[:3] == [WORDS[i] for i in want]
    slider = page.get_by_label('Relevance λ, slider'); slider.focus(); page.keyboard.press('Home'); expect(page.get_by_label('Relevance λ', exact=True)).to_have_value('0')
    page.get_by_label('Order').select_option('saliency'); expect(slider).to_be_disabled()
    find = page.get_by_label('Find the topics of a word'); find.fill('farm'); first = page.locator('.ntf-list [role=option]').first
    v = b.views[0]; best = int(np.argmax(v.topics[1][6]*v.weights.sum(0))); expect(first.locator('.ntf-number')).to_have_text(str(best))
    find.fill('no such word'); expect(page.locator('.ntf-list [role=option]')).to_have_count(0); find.fill('')
    page.get_by_role('button', name='part', exact=True).first.click(); expect(page.locator('.ntf-centre svg.ntf-curve').first).to_be_visible(); expect(page.locator('.ntf-samples mark').first).to_be_visible()


def test_strata_side_by_side(shown):
    page = shown(example()); page.get_by_label('Stratum').select_option('North'); page.get_by_label('against').select_option('South')
    expect(page.locator('.ntf-legend').first).to_contain_text('in North'); expect(page.locator('.ntf-features > div')).to_have_count(2)
    page.get_by_role('button', name='Strata compared').click(); rows = page.locator('.ntf-compare tbody tr'); expect(rows).to_have_count(4)
    d = [float(t.replace('−', '-').replace('±', '').replace('+', '').split()[0]) for t in page.locator('.ntf-compare tbody td:last-child').all_inner_texts()]; assert d == sorted(d, reverse=True)
    rows.nth(2).get_by_role('button').click(); expect(page.locator('.ntf-terms')).to_be_visible()


def test_walking_the_hierarchy(shown):
    page = shown(hierarchy_example()); graph = page.get_by_role('tree'); graph.focus(); at = lambda: page.locator('.ntf-graph [aria-selected=true] .ntf-number').inner_text()
    assert at().startswith('1.'); page.keyboard.press('ArrowRight'); assert at().startswith('0.'); low = at(); page.keyboard.press('ArrowDown'); assert at().startswith('0.') and at() != low
    page.keyboard.press('Home'); page.keyboard.press('End'); page.keyboard.press('ArrowLeft'); assert at().startswith('1.')
    assert page.locator('.ntf-on').count() >= 3; page.keyboard.press('Enter'); page.keyboard.press('ArrowRight'); expect(page.locator('.ntf-detail')).to_have_count(2)
    expect(page.locator('.ntf-detail').first.locator('.ntf-path')).to_contain_text('in'); expect(page.locator('.ntf-detail').first).to_contain_text('shared with its supertopics')
    page.get_by_label('Drawn as').select_option('tree'); graph.focus(); page.keyboard.press('Home'); n = page.locator('[role=treeitem]').count(); page.keyboard.press('ArrowLeft')
    assert page.locator('[role=treeitem]').count() < n and page.locator('[role=treeitem]').first.get_attribute('aria-expanded') == 'false'; page.keyboard.press('ArrowRight'); expect(page.locator('[role=treeitem]')).to_have_count(n)
    page.get_by_label('Layers').select_option(index=1); expect(page.locator('[role=treeitem]')).to_have_count(2)


def test_no_node_overlaps_and_no_word_sticks_out(shown):
    long = ['incomprehensibilities'*3] + WORDS[:5]
    page = shown(HierarchyBrowser(hierarchy(long), labels=dict(term=long), front='core'))
    boxes = page.evaluate("[...document.querySelectorAll('.ntf-node')].map(n => { const r = n.getBoundingClientRect(), h = n.parentNode.getBoundingClientRect(), v = n.querySelector('.ntf-value').getBoundingClientRect(), w = n.querySelector('.ntf-word').getBoundingClientRect(); return [r.top >= h.top - 1 && r.bottom <= h.bottom + 1, v.right <= r.right && w.right <= v.left + 1]; })")
    assert len(boxes) == 8 and all(map(all, boxes))


@pytest.mark.parametrize('width', [360, 800, 1600])
@pytest.mark.parametrize('make', [example, hierarchy_example])
def test_fits_every_width(shown, make, width):
    page = shown(make(), width); assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('make', [example, hierarchy_example])
def test_axe_is_content(shown, axe, make, scheme):
    page = shown(make(), scheme=scheme); assert violations(page, axe) == []
    if make is example:
        page.get_by_label('Stratum').select_option('North'); page.get_by_label('against').select_option('South'); page.get_by_label('Show another topic beside').select_option(index=2); page.get_by_label('Find the topics of a word').fill('tax'); assert violations(page, axe) == []
        for n in range(page.locator('[data-mode]').count()): page.locator('[data-mode]').nth(n).click(); assert violations(page, axe) == []
        page.get_by_role('button', name='Strata compared').click()
    else: page.get_by_label('Drawn as').select_option('tree'); page.get_by_label('Show another topic beside').select_option(index=2)
    assert violations(page, axe) == []


@pytest.mark.parametrize('words', [PAYLOADS, ODD], ids=['payloads', 'odd'])
def test_hostile_words_on_the_page(shown, words):
    "Every word in every place, on every panel: no dialog, no request, no element that is not ours."
    foreign = "[...document.body.querySelectorAll('script:not(#data):not([type=module]), iframe, img, a, math, details, object, embed, link, [onerror], [onload], [ontoggle]')].length"
    page = shown(TopicBrowser(**hostile(words), front='core'))
    for n in range(0, len(words), 4):
        page.locator('.ntf-list [role=option]').nth(n).click(); page.get_by_label('Find the topics of a word').fill(words[n].replace('\x00', '')[:200].encode('utf-8', 'ignore').decode())
        page.get_by_label('Find the topics of a word').fill(''); assert page.evaluate(foreign) == 0
    for place in ('.ntf-centre .ntf-tabs button', '.ntf-bar .ntf-tabs button'):
        for n in range(page.locator(place).count()): page.locator(place).nth(n).click(); assert page.evaluate(foreign) == 0
    page = shown(HierarchyBrowser(hierarchy(words), labels=dict(term=words), samples=words, sample_names=words, names=[words, words[:2]], title=words[0], front='core'))
    for n in range(0, len(words), 4): page.locator('[role=treeitem]').nth(n).click(position=dict(x=5, y=5)); assert page.evaluate(foreign) == 0


def test_a_large_model_opens_soon(shown):
    rng = np.random.default_rng(6); v = view([rng.random((2000, 100))**8, rng.random((10_000, 100))**20], labels=dict(term=[f'word{i}' for i in range(10_000)]))
    page = shown(TopicBrowser(v, front='core')); expect(page.locator('.ntf-list [role=option]')).to_have_count(100)
    took = page.evaluate("() => { const t = performance.now(); document.querySelectorAll('.ntf-list [role=option]')[50].click(); return performance.now() - t; }"); print(f'{took:.0f} ms to pick another topic')


# --- In JupyterLab ---

@pytest.fixture
def notebook(lab, open_notebook):
    "Run a notebook of the given cells."
    def run(*sources):
        kernel = {'kernelspec': {'name': 'python3', 'display_name': 'python3', 'language': 'python'}}
        here = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from {Path(__file__).stem} import *"
        nbformat.write(new_notebook(cells=[new_code_cell(s) for s in (here, *sources)], metadata=kernel), lab.root/'browsers.ipynb')
        return open_notebook('browsers.ipynb')
    return run


def test_live_widget(notebook, axe):
    page = notebook("import ipywidgets as W; b = example('live'); t = W.Label(); b.observe(lambda c: setattr(t, 'value', f'{b.selected} {b.names_[b.selected]} {b.lam:.2f}'), ['selected', 'names_', 'lam']); W.VBox([t, b])", "b.hidden = (3,)")
    box = page.locator('.ntf'); expect(box).to_have_count(1); label = page.locator('.jp-OutputArea-output .widget-label').first
    expect(box.locator('.ntf-hidden .ntf-number')).to_have_text('3')  # Python moved, the page followed
    box.locator('.ntf-list').focus(); page.keyboard.press('ArrowDown'); second = box.locator('[aria-selected=true] .ntf-number').inner_text(); expect(label).to_contain_text(f'{second} ')
    expect(box.locator('.ntf-samples article').first).to_be_visible()  # asked for, and sent
    page.keyboard.press('F2'); page.keyboard.press('Control+a'); page.keyboard.type('x<y'); page.keyboard.press('Enter'); expect(label).to_contain_text('x<y'); expect(box.locator('.ntf-list')).to_contain_text('x<y')
    lam = box.get_by_label('Relevance λ', exact=True); lam.fill('0.4'); lam.press('Tab')
    expect(label).to_contain_text('0.40'); expect(box.get_by_label('Relevance λ, slider')).to_have_value('0.4')
    assert [v for v in violations(page, axe, "document.querySelector('.ntf')") if v[0] != 'region'] == []


def test_plain_widgets(notebook):
    page = notebook("b = example('core'); b", "[i for i, _ in b.listed()]")
    pick = page.locator('.jp-OutputArea-output select[multiple], .jp-OutputArea-output select[size]').first; pick.wait_for(); pick.select_option(index=2)
    expect(page.locator('.ntf-table h4')).to_have_count(1); name = page.locator('.widget-text', has_text='Name').locator('input[type=text]'); expect(name).not_to_have_value('')
    name.fill('renamed'); name.press('Enter'); expect(page.locator('.ntf-table h4')).to_have_text('renamed')
