"""The browsers on a real page: the file from disk without a network, and the widgets in JupyterLab."""

import csv
import os
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from shown_examples import (
    ODD,
    PAYLOADS,
    WORDS,
    example,
    hierarchy,
    hierarchy_example,
    hostile,
    hostile_hierarchy,
)

from ntf_lit.browser_data import html_page
from ntf_lit.consensus import Consensus
from ntf_lit.cp_estimators import NMF
from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.topic_browser import TopicBrowser
from ntf_lit.views import view

expect = pytest.importorskip('playwright.sync_api', reason='needs playwright: pip install playwright').expect
# The first cell of every notebook here
HERE = f"""import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from shown_examples import *"""


def pick(menu, n):
    "Choose option number n among those that can be chosen; the topic selected itself cannot."
    menu.select_option(menu.locator('option:enabled').nth(n).get_attribute('value'))


@pytest.fixture(scope='module')
def tab(chromium):
    "One tab for all files: to open a new one takes longer than most tests."
    page = chromium.new_page()
    yield page
    page.close()


@pytest.fixture
def shown(tab, tmp_path, request):
    "`shown(browser)` writes its file and opens it from disk; nothing may be asked for, go wrong, or pop up."
    faults, opened = [], []

    def asked(r):
        if not r.url.startswith('file:'):
            faults.append(f'asked for {r.url[:80]}')

    def said(m):
        if m.type in ('error', 'warning'):
            faults.append(m.text)

    def popped_up(d):
        faults.append(f'dialog {d.message}')
        d.dismiss()

    def failed(e):
        faults.append(str(e))

    heard = dict(request=asked, pageerror=failed, console=said, dialog=popped_up)

    def photographed():
        if opened and (folder := os.environ.get('SHOTS')):
            name = f'{request.node.name}-{len(opened) - 1}.png'
            tab.screenshot(path=Path(folder) / name, full_page=True)

    def open_(b, width=1280, scheme='light', view='Topics', link='', height=1000):
        photographed()
        opened.append(tmp_path / f'page{len(opened)}.html')  # a name of its own, so that nothing stays
        b.to_html(opened[-1])
        tab.set_viewport_size(dict(width=width, height=height))
        tab.emulate_media(media='screen', color_scheme=scheme)
        tab.mouse.move(0, 0)
        tab.goto(opened[-1].as_uri() + link)
        tab.locator('.ntf').wait_for()
        button = tab.get_by_role('button', name=view or 'none', exact=True)
        if button.count():  # a page opens with all topics; most tests are about one
            button.click()
        return tab

    for what, hear in heard.items():
        tab.on(what, hear)
    yield open_
    photographed()
    for what, hear in heard.items():
        tab.remove_listener(what, hear)
    assert faults == []


@pytest.fixture(scope='session')
def axe_source(tmp_path_factory):
    "(the text of axe-core or None, why there is none): the file that AXE names, or from npm."
    if path := os.environ.get('AXE'):
        return Path(path).read_text(), ''
    folder = tmp_path_factory.mktemp('axe')
    if not (npm := shutil.which('npm')):
        return None, 'no npm here to fetch axe-core with, and AXE names no file'
    try:
        name = subprocess.run(
            [npm, 'pack', 'axe-core', '--silent', '--fetch-retries=1', '--fetch-timeout=20000'],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.split()[-1]
        shutil.unpack_archive(folder / name, folder, 'gztar')
        return (folder / 'package/axe.min.js').read_text(), ''
    except (subprocess.SubprocessError, OSError, IndexError, shutil.ReadError):
        return None, 'axe-core could not be fetched from npm; AXE=path/to/axe.min.js names a copy'


@pytest.fixture
def axe(axe_source):
    return axe_source[0] or pytest.skip(axe_source[1])


@pytest.fixture
def audit(axe_source):
    "Look at the widget in a notebook with axe-core; nothing where `test_axe_is_content` cannot be run."
    source, _ = axe_source
    return lambda page: violations(page, source, "document.querySelector('.ntf')") if source else []


def violations(page, axe, within='document', only=()):
    "What axe-core finds, all rules or some."
    if not page.evaluate('() => "axe" in window'):
        page.evaluate(axe)
    options = f'{{runOnly: {list(only)}}}' if only else '{}'
    return [
        (v['id'], v['impact'], v['nodes'][0]['html'][:160])
        for v in page.evaluate(f'() => axe.run({within}, {options})')['violations']
    ]


# --- The file ---


ACTIVE = """(() => {
    const id = document.activeElement.getAttribute('aria-activedescendant');
    return document.getElementById(id).getAttribute('aria-selected');
})()"""


def selected(page):
    return page.locator('.ntf-list [aria-selected=true] .ntf-number').inner_text()


def test_samples_of_two_topics_at_once(shown, axe):
    "In a file: the texts that have both, as Python finds them; each opens, and the choice can be taken back."
    b = example()
    page = shown(b)
    j = int(page.locator('.ntf-list [aria-selected=true]').get_attribute('data-id'))
    other = next(i for i in range(4) if i != j)
    also = page.get_by_label('samples of a second topic, too')
    also.select_option(str(other))
    parts = lambda t: min(float(x) for x in t.replace('%', '').split('+'))
    said = [parts(t) for t in page.locator('.ntf-samples .ntf-value').all_text_contents()]
    assert len(said) == 3 and said == sorted(said, reverse=True)
    found = sorted(b.samples_of_both(j, other, n=20), key=lambda x: -min(x['parts']))
    names = page.locator('.ntf-samples article strong').all_text_contents()
    assert names == [x['name'] for x in found[:3]]
    assert violations(page, axe) == []
    page.locator('.ntf-samples article button').first.click()
    expect(page.locator('.ntf-read-title')).to_have_text(names[0])
    page.get_by_role('button', name='Next ›').click()
    expect(page.locator('.ntf-read-title')).to_have_text(names[1])
    page.keyboard.press('Escape')
    also.select_option('-1')
    expect(page.locator('.ntf-samples .ntf-h')).to_contain_text('Most typical samples')


def test_keyboard_in_the_list(shown):
    page = shown(example())
    box = page.get_by_role('listbox', name='Topics')
    box.focus()
    order = page.locator('.ntf-list .ntf-number').all_inner_texts()
    status = page.locator('[role=status]')
    for key, at in (
        ('ArrowDown', 1),
        ('ArrowDown', 2),
        ('ArrowUp', 1),
        ('End', 3),
        ('ArrowDown', 3),
        ('Home', 0),
        ('ArrowUp', 0),
    ):
        page.keyboard.press(key)
        assert selected(page) == order[at]
        assert page.evaluate('document.activeElement.getAttribute("role")') == 'listbox'
        assert page.evaluate(ACTIVE) == 'true'
    page.keyboard.press('End')
    expect(status).to_contain_text(f'Topic {order[3]}')
    name = page.locator('.ntf-list .ntf-word').nth(1).inner_text()
    page.keyboard.type(name[:4])
    assert selected(page) == order[1]
    assert (
        page.locator('.ntf-list [tabindex]').count() == 0
        and page.locator('.ntf-list').get_attribute('tabindex') == '0'
    )  # one tab stop


def test_names_merging_and_undo(shown):
    page = shown(example())
    page.get_by_role('listbox', name='Topics').focus()
    page.keyboard.press('F2')
    first = selected(page)
    page.keyboard.press('Control+a')
    page.keyboard.type('My <b>name</b>')
    page.keyboard.press('Enter')
    row = page.locator('.ntf-list [role=option]', has_text='My <b>name</b>')
    expect(row).to_have_count(1)
    assert row.locator('.ntf-number').inner_text() == first
    expect(page.locator('[role=status]')).to_have_text(f'Topic {first} is now called My <b>name</b>')
    page.get_by_label('Stratum').select_option('South')
    expect(row.locator('.ntf-number')).to_have_text(first)  # another order, the same topic
    pick(page.get_by_label('Merge the topic into'), 1)
    expect(page.locator('.ntf-list [role=option]')).to_have_count(3)
    expect(page.locator('.ntf-merged button')).to_have_count(1)
    page.get_by_role('button', name='Hide').click()
    expect(page.locator('.ntf-hidden')).to_have_count(1)
    assert page.get_by_role('button', name='Show', exact=True).is_visible()
    undo = page.get_by_role('button', name='Undo')
    for _ in range(3):
        undo.click()
    expect(undo).to_be_disabled()
    expect(page.locator('.ntf-list [role=option]')).to_have_count(4)
    expect(page.locator('.ntf-hidden')).to_have_count(0)
    expect(row).to_have_count(0)


def test_relevance_search_and_modes(shown):
    b = example()
    page = shown(b)
    words = lambda: page.locator('.ntf-terms tbody th').all_inner_texts()
    page.get_by_label('Relevance λ', exact=True).fill('1')
    page.keyboard.press('Tab')
    want = sorted(range(12), key=lambda i: -b.views[0].topics[1][i, b.selected])[:3]
    assert words()[:3] == [WORDS[i] for i in want]
    slider = page.get_by_label('Relevance λ, slider')
    slider.focus()
    page.keyboard.press('Home')
    expect(page.get_by_label('Relevance λ', exact=True)).to_have_value('0')
    page.get_by_label('Order').select_option('saliency')
    expect(slider).to_be_disabled()
    find = page.get_by_label('Find the topics of a word')
    find.fill('farm')
    first = page.locator('.ntf-list [role=option]').first
    v = b.views[0]
    best = int(np.argmax(v.topics[1][6] * v.weights.sum(0)))
    expect(first.locator('.ntf-number')).to_have_text(str(best))
    find.fill('no such word')
    expect(page.locator('.ntf-list [role=option]')).to_have_count(0)
    find.fill('')
    page.get_by_role('button', name='part', exact=True).first.click()
    expect(page.locator('.ntf-centre svg.ntf-curve').first).to_be_visible()
    expect(page.locator('.ntf-samples mark').first).to_be_visible()


def test_strata_side_by_side(shown):
    page = shown(example())
    page.get_by_label('Stratum').select_option('North')
    page.get_by_label('against').select_option('South')
    expect(page.locator('.ntf-legend').first).to_contain_text('in North')
    expect(page.locator('.ntf-features > div')).to_have_count(2)
    page.get_by_role('button', name='Strata compared').click()
    rows = page.locator('.ntf-compare tbody tr')
    expect(rows).to_have_count(4)
    d = [
        float(t.replace('−', '-').replace('±', '').replace('+', '').split()[0])
        for t in page.locator('.ntf-compare tbody td:last-child').all_inner_texts()
    ]
    assert d == sorted(d, reverse=True)
    rows.nth(2).get_by_role('button').click()
    expect(page.locator('.ntf-terms')).to_be_visible()


def test_numbers_have_heads_and_words_for_them(shown):
    page = shown(example(unit='speech'))
    heads = page.locator('.ntf-terms thead th')
    assert [t.split('\n')[0] for t in heads.all_inner_texts()] == [
        'term',
        'in the topic',
        'share',
        '× corpus',
    ]
    assert all(box['height'] > 10 for box in (h.bounding_box() for h in heads.all()))
    middles = page.evaluate("""[...document.querySelectorAll('.ntf-bar > *')].map(e => {
        const r = e.getBoundingClientRect();
        return Math.round((r.top + r.bottom)/2);
    })""")
    assert len(middles) > 2 and max(middles) - min(middles) <= 1  # the toolbar is one row
    ask = page.get_by_role('button', name='What the numbers mean')
    help_text = page.locator('.ntf-help')
    expect(help_text).to_be_hidden()
    ask.click()
    for said in ('λ = 1', 'share of a topic', '× corpus', 'saliency', 'typical speeches'):
        expect(help_text).to_contain_text(said)
    assert ask.get_attribute('aria-expanded') == 'true'
    ask.click()
    expect(help_text).to_be_hidden()
    expect(page.locator('.ntf-samples')).to_have_count(1)
    expect(page.locator('.ntf-samples .ntf-h')).to_contain_text('Most typical speeches')
    assert page.locator('.ntf-tabs [data-mode]').all_inner_texts() == ['term', 'part']  # samples stand once
    page.get_by_label('Order').wait_for()
    page.get_by_role('button', name='part', exact=True).first.click()
    expect(page.get_by_label('Order')).to_be_hidden()  # nothing that would do nothing
    expect(page.get_by_label('Relevance λ', exact=True)).to_be_hidden()


def test_shares_say_what_they_are_of(shown):
    b = example()
    page = shown(b)
    said = page.locator('.ntf-title .ntf-value')
    expect(said).to_have_text(re.compile(r'^\d+ % of everything$'))
    page.get_by_label('Stratum').select_option('North')
    expect(said).to_have_text(re.compile(r'^\d+ % of North$'))
    page.get_by_label('against').select_option('South')
    parts = said.locator('.ntf-entry')
    assert [p.get_attribute('title') for p in parts.all()] == ['of North', 'of South']
    shares = b.views[0].stratum_shares[:, b.selected]
    found = [float(t.split()[0]) for t in parts.all_inner_texts()]
    np.testing.assert_allclose(found, 100 * shares, atol=0.6)
    colours = [
        p.locator('.ntf-key').evaluate('e => getComputedStyle(e).backgroundColor') for p in parts.all()
    ]
    assert len(set(colours)) == 2
    page.get_by_role('button', name='What the numbers mean').click()
    for what in ('difference', '× stratum', '× corpus'):
        expect(page.locator('.ntf-help dt').get_by_text(what, exact=True)).to_be_visible()


def test_a_corpus_is_of_words(shown):
    "Genes are counted in data, not in a corpus."
    rng = np.random.default_rng(0)
    factors = [rng.random((8, 2)), rng.random((9, 2)) ** 3]
    names = dict(gene=[f'BRC{i}' for i in range(9)], cell=[f'c{i}' for i in 'qwertyui'])
    page = shown(TopicBrowser(factors, labels=dict(cell=names['cell'], gene=names['gene']), front='core'))
    expect(page.locator('.ntf-terms thead')).to_contain_text('in all the data')
    expect(page.locator('.ntf-terms thead')).to_contain_text('× data')
    assert 'corpus' not in page.locator('.ntf').inner_text()
    page.get_by_role('button', name='Overview').click()
    expect(page.locator('.ntf-overview thead')).to_contain_text('more genes')


def test_many_long_strata_stand_upright_and_topics_stay_in_sight(shown):
    rng = np.random.default_rng(5)
    labels = [f'a rather long name of group {i % 20}' for i in range(60)]
    v = view([rng.random((60, 5)) ** 3, rng.random((12, 5)) ** 3], labels=dict(term=WORDS), strata=labels)
    page = shown(TopicBrowser(v, front='core'), 900)
    for tab, column in (('Strata compared', 20), ('Overview', 19)):
        page.get_by_role('button', name=tab).click()
        head = page.locator('.ntf-matrix thead th').nth(column).bounding_box()
        assert head['width'] < 60 < head['height']
        box = page.locator('.ntf-scroll')
        box.evaluate('e => { e.scrollLeft = 9999; }')
        first = page.locator('.ntf-matrix tbody th').first.bounding_box()
        assert first['x'] == pytest.approx(box.bounding_box()['x'], abs=2)


def test_search_goes_to_the_first_hit_and_marks_it(shown):
    b = example()
    page = shown(b)
    page.get_by_label('Find the topics of a word').fill('farm')
    rows = page.locator('.ntf-list [role=option]')
    assert selected(page) == rows.first.locator('.ntf-number').inner_text()
    found = {str(t): part for t, _, part, *_ in b.search('farm').rows if t != ''}
    for row in rows.all():  # the page and Python say the same
        number, share = (row.locator(f'.ntf-{x}').inner_text() for x in ('number', 'value'))
        assert abs(float(share.replace('<', '').split()[0]) - 100 * found[number]) < 0.6
    expect(page.locator('.ntf-found th')).to_have_text('farm')
    said = page.locator('.ntf-left-side > .ntf-note')
    expect(said).to_contain_text('Share of farm (1 match) in 4 topics')
    page.get_by_role('button', name='More', exact=True).click()
    marks = page.locator('.ntf-samples mark.ntf-m4')
    assert marks.count() == page.locator('.ntf-samples p', has_text='farm').count() > 0
    page.get_by_label('Find the topics of a word').focus()
    for key, at in (('Enter', 1), ('Enter', 2), ('Shift+Enter', 1)):
        page.keyboard.press(key)
        assert selected(page) == rows.nth(at).locator('.ntf-number').inner_text()


def test_topics_side_by_side_have_one_scale(shown):
    page = shown(example())
    pick(page.get_by_label('Show another topic beside'), 1)
    pair = page.locator('.ntf-centre .ntf-detail')
    expect(pair).to_have_count(2)
    width = """e => [...e.querySelectorAll('.ntf-terms tbody tr')].map(r => {
        const bar = r.querySelector('i.ntf-p').style.width;
        return parseFloat(bar)/parseFloat(r.querySelectorAll('.ntf-value')[0].textContent);
    }).slice(0, 3)"""
    one, two = (np.array(pair.nth(n).evaluate(width)) for n in (0, 1))
    np.testing.assert_allclose(one, two.mean(), rtol=0.06)  # percent are shown with two digits
    words = [set(pair.nth(n).locator('tbody .ntf-word').all_inner_texts()) for n in (0, 1)]
    both = pair.first.locator('tr', has=page.locator('.ntf-both')).locator('.ntf-word').all_inner_texts()
    assert set(both) == words[0] & words[1] and both


def test_any_number_of_strata_in_one_table(shown):
    rng = np.random.default_rng(5)
    labels = [f'group {i % 7}' for i in range(42)]
    v = view([rng.random((42, 5)) ** 3, rng.random((12, 5)) ** 3], labels=dict(term=WORDS), strata=labels)
    page = shown(TopicBrowser(v, front='core'))
    page.get_by_role('button', name='Strata compared').click()
    table = page.locator('.ntf-strata')
    expect(table.locator('tbody tr')).to_have_count(5)
    expect(table.locator('thead th')).to_have_count(9)
    table.get_by_role('button', name='group 3').click()
    cells = table.locator('tbody tr td:nth-child(6)').all_inner_texts()
    shares = [float(t.split()[0]) for t in cells]
    assert shares == sorted(shares, reverse=True)
    np.testing.assert_allclose(shares, 100 * np.sort(v.stratum_shares[3])[::-1], atol=0.6)
    expect(table.locator('[aria-sort=descending]')).to_contain_text('group 3')
    table.locator('tbody tr').nth(1).get_by_role('button').click()
    expect(page.locator('.ntf-terms')).to_be_visible()


def test_a_page_opens_with_all_topics(shown):
    b = example()
    page = shown(b, view=None)
    table = page.locator('.ntf-overview')
    rows = table.locator('tbody tr')
    numbers = lambda: rows.locator('.ntf-number').all_inner_texts()
    assert numbers() == [str(i) for i in b.data.likeness[0]['order']]
    heads = table.locator('thead th').all_inner_texts()
    assert [t.strip().lower() for t in heads[1:]] == [
        'topic',
        'share',
        'more words',
        'part',
        'by year',
        'north',
        'south',
    ]
    expect(rows.locator('.ntf-spark')).to_have_count(8)
    tops = page.evaluate("""[...document.querySelectorAll('.ntf-overview tbody tr')].map(r => {
        const row = r.getBoundingClientRect();
        const svg = document.querySelector('.ntf-tree-col svg').getBoundingClientRect();
        return [Math.round(row.height), Math.round((row.top - svg.top)*10)/10];
    })""")
    assert tops == [[32, 32 * n] for n in range(4)]  # the tree's leaves are at their rows
    lines = page.locator('.ntf-branch').get_attribute('d')
    assert lines.count('M') == 3 and all(re.search(rf'[,V]{16 + 32 * n}(?!\d)', lines) for n in range(4))
    table.get_by_role('button', name='South').click()
    shares = [float(t.split()[0]) for t in rows.locator('td:last-child').all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    expect(page.locator('.ntf-branch')).to_have_count(0)
    page.get_by_role('button', name='order by likeness').click()
    expect(page.locator('.ntf-branch')).to_have_count(1)
    rows.first.get_by_role('button').focus()
    page.keyboard.press('ArrowDown')
    page.keyboard.press('Enter')
    assert selected(page) == str(b.data.likeness[0]['order'][1])
    expect(page.locator('.ntf-terms')).to_be_visible()
    expect(table).to_have_count(0)


def test_words_by_topics(shown):
    b = example()
    page = shown(b, view='Terms × topics')
    table = page.locator('.ntf-dots')
    assert table.locator('thead .ntf-number').all_inner_texts() == [
        str(i) for i in b.data.likeness[0]['order']
    ]
    v = b.views[0]
    for row in table.locator('tbody tr').all():
        p = v.topics[1][WORDS.index(row.locator('th').inner_text())]
        sizes = [
            int(d.evaluate('e => parseInt(e.style.getPropertyValue("--ntf-size"))'))
            for d in row.locator('.ntf-dot').all()
        ]
        most = v.topics[1].max()
        want = [round(26 * (p[i] / most) ** 0.5) for i in b.data.likeness[0]['order']]
        np.testing.assert_allclose(sizes, [w for w in want if w >= 2], atol=1)
    table.get_by_role('button').nth(2).click()
    assert selected(page) == str(b.data.likeness[0]['order'][2])


def test_stability_stands_beside_the_share(shown):
    X = np.random.default_rng(0).random((30, 9)) ** 3
    sure = Consensus(NMF(3), n_runs=4, threshold=2, random_state=0).fit(X)
    page = shown(TopicBrowser(sure, X, front='core'), view='Overview')
    table = page.locator('.ntf-overview')
    at = table.locator('thead th').all_inner_texts().index('stability')

    def column():
        rows = table.locator('tbody tr').all()
        numbers = [int(row.locator('.ntf-number').inner_text()) for row in rows]
        return numbers, [float(row.locator('.ntf-value').nth(1).inner_text()) for row in rows]

    assert at > 0
    topics, seen = column()
    np.testing.assert_allclose(seen, sure.stability_[topics], atol=0.006)
    table.get_by_role('button', name='stability').click()
    assert column()[1] == sorted(seen, reverse=True)
    page.get_by_role('button', name='Topics', exact=True).click()
    expect(page.locator('.ntf-title')).to_contain_text(
        f'stability {seen[topics.index(int(selected(page)))]:.2f}'
    )
    page.get_by_role('button', name='What the numbers mean').click()
    expect(page.locator('.ntf-help')).to_contain_text('comes back')


def test_a_view_can_be_sent_as_a_link(shown):
    page = shown(example(), view=None, link='#topic=2&lambda=.4&stratum=South&beside=1&mode=part')
    assert selected(page) == '2'
    expect(page.get_by_label('Stratum')).to_have_value('1')
    expect(page.locator('.ntf-centre .ntf-detail')).to_have_count(2)
    expect(page.locator('.ntf-centre svg.ntf-curve').first).to_be_visible()
    page.locator('[data-mode="0"]').click()
    expect(page.get_by_label('Relevance λ', exact=True)).to_have_value('0.4')
    page.get_by_label('Find the topics of a word').fill('farm')
    page.wait_for_timeout(400)  # it is written when the reader pauses
    link = page.evaluate('location.hash')
    assert 'find=farm' in link and 'lambda=0.4' in link and 'stratum=South' in link
    page.evaluate("location.hash = '#topic=1&panel=words'")
    expect(page.locator('.ntf-dots')).to_be_visible()
    assert selected(page) == '1'
    for bad in ('#topic=99', '#topic=-1&panel=x&mode=<b>&stratum=none&lambda=7&set=4', '#%%%', '#lambda=NaN'):
        page.evaluate('link => { location.hash = link; }', bad)
        expect(page.locator('.ntf-list [aria-selected=true]')).to_have_count(1)


class WithTexts:
    "The file of a browser, with whole texts for some samples."

    def __init__(self, browser, texts, n=20):
        v, names = browser.views[0], browser.views[0].labels[0]
        part = lambda i: (v.weights[i] / v.sample_masses[i]).tolist()
        one = lambda i: dict(text=texts[i], shares=part(i), title=names[i], stratum=int(v.stratum[i]))
        whole = {str(i): one(i) for i in range(n)}
        self.data = browser.file_data() | dict(texts=whole)

    def to_html(self, path):
        path.write_text(html_page(self.data))


SPEECHES = [
    f'Of the {WORDS[i % 12]} and the tax.\nThe Tax, the taxes: number {i}. ' + 'and so on. ' * 40
    for i in range(20)
]


def test_a_text_is_read_as_a_whole(shown):
    b = example()
    page = shown(WithTexts(b, SPEECHES))
    names = page.locator('.ntf-samples article strong')
    first, second = names.nth(0).inner_text(), names.nth(1).inner_text()
    names.first.get_by_role('button').click()
    pane = page.locator('.ntf-reader')
    expect(pane.locator('.ntf-read-title')).to_have_text(first)
    at = b.views[0].labels[0].index(first)
    assert pane.locator('.ntf-text').inner_text().split() == SPEECHES[at].split()
    expect(pane.locator('.ntf-text mark').first).to_be_visible()
    bars = pane.locator('.ntf-parts tbody tr')
    parts = b.views[0].weights[at] / b.views[0].sample_masses[at]
    assert bars.locator('.ntf-number').all_inner_texts() == [
        str(i) for i in np.argsort(-parts) if parts[i] > 0.005
    ]
    expect(pane.get_by_role('button', name='Previous')).to_be_disabled()
    page.keyboard.press('ArrowRight')
    expect(pane.locator('.ntf-read-title')).to_have_text(second)
    pane.get_by_role('button', name='Previous').click()
    expect(pane.locator('.ntf-read-title')).to_have_text(first)
    other = bars.nth(1).locator('.ntf-number').inner_text()
    bars.nth(1).get_by_role('button').click()
    assert selected(page) == other  # its words are marked now, and the text stays
    expect(pane.locator('.ntf-read-title')).to_have_text(first)
    page.keyboard.press('Escape')
    expect(pane).to_have_count(0)
    expect(page.locator('.ntf-terms')).to_be_visible()


def test_from_a_word_to_its_passages(shown):
    page = shown(WithTexts(example(), SPEECHES))
    term = page.locator('.ntf-terms [data-item]')
    assert page.locator('.ntf-terms [tabindex="0"]').count() == 1  # one tab stop for all words
    term.filter(has_text='tax').click()
    pane = page.locator('.ntf-reader')
    north, south = (
        sum(len(re.findall(r'(?i)\btax\b', t)) for t in part) for part in (SPEECHES[:9], SPEECHES[9:])
    )
    said = (
        f'{north + south} places in 20 samples among the 20 texts in this file: North {north}, South {south}'
    )
    expect(pane.locator('.ntf-note')).to_have_text(said)
    page.keyboard.press('Escape')
    page.get_by_label('Stratum').select_option('North')
    page.locator('.ntf-terms [data-item]').filter(has_text='tax').click()
    expect(pane.locator('.ntf-places li')).to_have_count(north)
    assert set(pane.locator('.ntf-places .ntf-chip').all_inner_texts()) == {'North'}
    assert {t.lower() for t in pane.locator('mark').all_inner_texts()} == {'tax'}
    pane.locator('.ntf-places button').first.click()
    expect(pane.locator('.ntf-text')).to_contain_text('number 0')
    find = page.get_by_label('Search the 20 texts in this file')
    find.fill('number 1')
    expect(page.locator('.ntf-samples .ntf-note')).to_have_text(
        '1 of the 20 texts in this file'
    )  # in the North
    find.fill('(a+')
    expect(page.locator('.ntf-samples .ntf-places li')).to_have_count(0)
    find.fill('')
    expect(page.locator('.ntf-samples article').first).to_be_visible()


def saved(page, what):
    "The text of a file that the page hands over."
    with page.expect_download() as found:
        page.get_by_label('Save what is shown').select_option(what)
    return found.value.suggested_filename, Path(found.value.path()).read_bytes()


def test_tables_and_figures_can_be_taken_away(shown):
    b = example()
    page = shown(b)
    v, i = b.views[0], b.selected
    name, text = saved(page, 'csv')
    assert name == f'topic-{i}.csv'
    rows = list(csv.reader(text.decode('utf-8-sig').splitlines()))
    assert rows[0] == ['term', b.names_[i], 'all'] and len(rows) == 13
    want = {w: v.topics[1][k, i] for k, w in enumerate(WORDS)}
    for word, p, corpus in rows[1:]:
        np.testing.assert_allclose(
            [float(p), float(corpus)], [want[word], v.corpus[2][WORDS.index(word)]], rtol=2e-2
        )
    name, text = saved(page, 'svg')
    drawn = ElementTree.fromstring(text.decode())
    texts = [e.text for e in drawn.iter() if e.tag.endswith('}text')]
    assert name.endswith('.svg') and texts[1::2][:3] == [r[0] for r in rows[1:4]]
    name, picture = saved(page, 'png')
    assert picture[:8] == b'\x89PNG\r\n\x1a\n' and len(picture) > 2000
    page.locator('[data-mode="1"]').click()
    assert b'<rect' in saved(page, 'svg')[1] and saved(page, 'png')[1][1:4] == b'PNG'
    page.get_by_role('button', name='Overview').click()
    name, text = saved(page, 'csv')
    rows = list(csv.reader(text.decode('utf-8-sig').splitlines()))
    assert name == 'topics.csv' and rows[0] == ['topic', 'name', 'share', 'North', 'South']
    assert [r[0] for r in rows[1:]] == [str(j) for j in b.data.likeness[0]['order']]
    for r in rows[1:]:
        np.testing.assert_allclose(
            [float(x) for x in r[3:]], [v.stratum_shares[s][int(r[0])] for s in (0, 1)], rtol=1e-3
        )


def test_a_page_is_printed_with_its_bars_and_all_topics(shown, tmp_path):
    b = example()
    page = shown(b)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media='print')
    expect(page.locator('.ntf-summary li')).to_have_count(4)
    expect(page.locator('.ntf-summary')).to_contain_text(b.names_[b.selected])
    for hidden in ('.ntf-bar', '.ntf-views', '.ntf-list', '.ntf-edit'):
        expect(page.locator(hidden).first).to_be_hidden()
    bar = page.locator('.ntf-terms i.ntf-p').first
    assert bar.evaluate('e => getComputedStyle(e).printColorAdjust') == 'exact'
    page.emulate_media(media='screen')
    expect(page.locator('.ntf-summary')).to_be_hidden()
    page.pdf(path=tmp_path / 'page.pdf')
    assert (tmp_path / 'page.pdf').stat().st_size > 10_000


PAPER = dict(width=718, height=1000)  # A4 between the margins of a browser


def test_nothing_is_cut_on_paper(shown):
    page = shown(example())
    page.set_viewport_size(PAPER)
    page.emulate_media(media='print')
    cut = 'all => all.filter(e => e.scrollWidth > e.clientWidth).length'
    assert page.locator('.ntf-terms th, .ntf-terms td').evaluate_all(cut) == 0
    expect(page.locator('.ntf-also')).to_be_hidden()
    page.emulate_media(media='screen')
    page = shown(hierarchy_example())
    page.emulate_media(media='print')
    ends = page.evaluate(
        "[...document.querySelectorAll('.ntf-node')].map(e => e.getBoundingClientRect().right)"
    )
    frame = page.locator('.ntf-canvas').bounding_box()
    assert max(ends) <= frame['x'] + frame['width'] - 6


def test_walking_the_hierarchy(shown):
    page = shown(hierarchy_example())
    graph = page.get_by_role('tree')
    graph.focus()
    at = lambda: page.locator('.ntf-graph [aria-selected=true] .ntf-number').inner_text()
    assert at().startswith('1.')
    page.keyboard.press('ArrowRight')
    assert at().startswith('0.')
    low = at()
    page.keyboard.press('ArrowDown')
    assert at().startswith('0.') and at() != low
    page.keyboard.press('Home')
    page.keyboard.press('End')
    page.keyboard.press('ArrowLeft')
    assert at().startswith('1.')
    assert page.locator('.ntf-on').count() >= 3
    page.keyboard.press('Enter')
    page.keyboard.press('ArrowRight')
    expect(page.locator('.ntf-detail')).to_have_count(2)
    expect(page.locator('.ntf-detail').first.locator('.ntf-path')).to_contain_text('in')
    expect(page.locator('.ntf-detail').first).to_contain_text('shared with its supertopics')
    page.get_by_label('Drawn as').select_option('tree')
    graph.focus()
    page.keyboard.press('Home')
    n = page.locator('[role=treeitem]').count()
    page.keyboard.press('ArrowLeft')
    assert (
        page.locator('[role=treeitem]').count() < n
        and page.locator('[role=treeitem]').first.get_attribute('aria-expanded') == 'false'
    )
    page.keyboard.press('ArrowRight')
    expect(page.locator('[role=treeitem]')).to_have_count(n)
    page.get_by_label('Layers').select_option(index=1)
    expect(page.locator('[role=treeitem]')).to_have_count(2)


NODES = """[...document.querySelectorAll('.ntf-node')].map(n => {
    const box = e => e.getBoundingClientRect();
    const r = box(n), graph = box(n.parentNode), v = box(n.querySelector('.ntf-value'));
    const word = box(n.querySelector('.ntf-word'));
    const inside = r.top >= graph.top - 1 && r.bottom <= graph.bottom + 1;
    return [inside, v.right <= r.right && word.right <= v.left + 1];
})"""


def test_no_node_overlaps_and_no_word_sticks_out(shown):
    long = ['incomprehensibilities' * 3] + WORDS[:5]
    page = shown(HierarchyBrowser(hierarchy(long), labels=dict(term=long), front='core'))
    boxes = page.evaluate(NODES)
    assert len(boxes) == 8 and all(map(all, boxes))


@pytest.mark.parametrize('width', [360, pytest.param(800, marks=pytest.mark.slow), 1600])
@pytest.mark.parametrize('make', [example, hierarchy_example])
def test_fits_every_width(shown, make, width):
    page = shown(make(), width)
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')


def clean_in_any_light(page, axe):
    "All rules in the light; in the dark only colours differ."
    assert violations(page, axe) == []
    page.emulate_media(color_scheme='dark')
    page.wait_for_timeout(200)
    assert violations(page, axe, only=['color-contrast']) == []
    page.emulate_media(color_scheme='light')
    page.wait_for_timeout(200)


@pytest.mark.parametrize('make', [pytest.param(example, marks=pytest.mark.slow), hierarchy_example])
def test_axe_is_content(shown, axe, make):
    page = shown(make())
    clean_in_any_light(page, axe)
    if make is example:
        for tab in ('Overview', 'Terms × topics', 'Topics'):
            page.get_by_role('button', name=tab, exact=True).click()
            clean_in_any_light(page, axe)
        page.get_by_role('button', name='What the numbers mean').click()
        page.get_by_label('Stratum').select_option('North')
        page.get_by_label('against').select_option('South')
        pick(page.get_by_label('Show another topic beside'), 2)
        page.get_by_label('Find the topics of a word').fill('tax')
        page.locator('[data-mode]').nth(1).click()
        clean_in_any_light(page, axe)
        page.get_by_role('button', name='Strata compared').click()
    else:
        page.get_by_label('Drawn as').select_option('tree')
        pick(page.get_by_label('Show another topic beside'), 2)
    clean_in_any_light(page, axe)


@pytest.mark.parametrize('width', [390, pytest.param(2000, marks=pytest.mark.slow)])
def test_axe_is_content_with_what_is_read(shown, axe, width):
    page = shown(WithTexts(example(), SPEECHES), width)
    clean = lambda: violations(page, axe)
    page.locator('.ntf-terms [data-item]').first.click()
    assert clean() == []
    page.locator('.ntf-places button').first.click()
    assert clean() == []
    page.emulate_media(color_scheme='dark')
    page.wait_for_timeout(200)
    assert violations(page, axe, only=['color-contrast']) == []
    page.get_by_label('Search the 20 texts in this file').fill('number')
    assert clean() == []
    page.keyboard.press('Escape')
    page.get_by_role('button', name='Overview').click()
    assert clean() == []
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')


def states_of_ranks(shown):
    "Stability, ranks side by side, edits, two topics: each a page and its name."
    X = np.random.default_rng(0).random((30, 12)) ** 3
    common = dict(labels=dict(term=WORDS), strata=['N', 'S'] * 15, samples=SPEECHES[:15] * 2, front='core')
    sure = Consensus(NMF(3), n_runs=4, threshold=2, random_state=0).fit(X)
    ranks = {3: sure, 4: NMF(4, random_state=0).fit(X)}
    page = shown(TopicBrowser(ranks, X, title='Ranks', **common), 390, view='Overview')
    yield page
    page.get_by_role('button', name='stability').click()
    page.get_by_role('button', name='Ranks compared').click()
    yield page
    page.get_by_role('button', name='Topics', exact=True).click()
    page.get_by_role('button', name='Edit', exact=True).click()
    page.get_by_label('Note on this topic').fill('a note')
    pick(page.get_by_label('Show another topic beside'), 2)
    pick(page.get_by_label('Merge the topic into'), 1)
    page.get_by_role('button', name='Hide').click()
    yield page
    page.get_by_role('button', name='Strata compared').click()
    yield page


def test_axe_is_content_with_ranks_and_edits(shown, axe):
    "On a phone, where most of it is behind a button."
    for page in states_of_ranks(shown):
        clean_in_any_light(page, axe)
        assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')


def test_on_a_phone_topics_come_before_what_is_done_to_them(shown):
    page = shown(example(), 390, height=844)
    first = page.locator('.ntf-list [role=option]').first.bounding_box()
    assert first['y'] < 220
    words, edits = page.locator('.ntf-terms'), page.get_by_role('button', name='Edit', exact=True)
    hidden = [page.get_by_label('Merge the topic into'), page.get_by_label('Note on this topic')]
    for field in hidden:
        expect(field).to_be_hidden()
    assert words.bounding_box()['y'] < 560
    edits.click()
    expect(edits).to_have_attribute('aria-expanded', 'true')
    for field in hidden:
        expect(field).to_be_visible()
    page.set_viewport_size(dict(width=1280, height=844))
    expect(edits).to_be_hidden()


def test_axe_notices_a_fault(shown, axe):
    page = shown(example())
    page.evaluate("document.querySelector('.ntf input[type=search]').removeAttribute('aria-label')")
    page.evaluate("document.querySelector('.ntf input[type=search]').removeAttribute('placeholder')")
    page.evaluate("document.querySelector('.ntf-note').style.color = '#ccc'")
    assert {v[0] for v in violations(page, axe)} == {'label', 'color-contrast'}


# What no browser makes
STRANGE = 'iframe, a, math, details, object, embed, link, [onerror], [onload], [ontoggle]'


@pytest.mark.parametrize('words', [PAYLOADS, ODD], ids=['payloads', 'odd'])
def test_hostile_words_on_the_page(shown, words):
    "Every word in every place, on every panel: no dialog, no request, no element that is not ours."
    kinds = f'script:not(#data):not([type=module]), img, {STRANGE}'
    foreign = f"document.body.querySelectorAll('{kinds}').length"
    page = shown(TopicBrowser(**hostile(words), front='core'))
    for n in range(0, len(words), 4):
        page.locator('.ntf-list [role=option]').nth(n).click()
        page.get_by_label('Find the topics of a word').fill(
            words[n].replace('\x00', '')[:200].encode('utf-8', 'ignore').decode()
        )
        page.get_by_label('Find the topics of a word').fill('')
        assert page.evaluate(foreign) == 0
    for place in ('.ntf-centre .ntf-tabs button', '.ntf-bar .ntf-tabs button'):
        for n in range(page.locator(place).count()):
            page.locator(place).nth(n).click()
            assert page.evaluate(foreign) == 0
    page = shown(hostile_hierarchy(words, 'core'))
    for n in range(0, len(words), 4):
        page.locator('[role=treeitem]').nth(n).click(position=dict(x=5, y=5))
        assert page.evaluate(foreign) == 0


def test_a_large_model_opens_soon(shown):
    rng = np.random.default_rng(6)
    v = view(
        [rng.random((2000, 100)) ** 8, rng.random((10_000, 100)) ** 20],
        labels=dict(term=[f'word{i}' for i in range(10_000)]),
    )
    page = shown(TopicBrowser(v, front='core'))
    expect(page.locator('.ntf-list [role=option]')).to_have_count(100)
    took = page.evaluate("""() => {
        const start = performance.now();
        document.querySelectorAll('.ntf-list [role=option]')[50].click();
        return performance.now() - start;
    }""")
    print(f'{took:.0f} ms to pick another topic')


# --- In JupyterLab ---


@pytest.fixture
def notebook(lab, chromium, open_notebook, monkeypatch):
    "Run a notebook of the given cells; nothing may go wrong in the page, and nothing may pop up."
    faults, new_page = [], chromium.new_page

    def listened(**kwargs):
        page = new_page(**kwargs)
        page.on('pageerror', lambda e: faults.append(str(e)))
        page.on('dialog', lambda d: (faults.append(f'dialog {d.message}'), d.dismiss()))
        page.on('console', lambda m: faults.append(m.text) if m.type == 'error' else None)
        return page

    def run(*sources):
        kernel = {'kernelspec': {'name': 'python3', 'display_name': 'python3', 'language': 'python'}}
        nbformat.write(
            new_notebook(cells=[new_code_cell(s) for s in (HERE, *sources)], metadata=kernel),
            lab.root / 'browsers.ipynb',
        )
        return open_notebook('browsers.ipynb')

    monkeypatch.setattr(chromium, 'new_page', listened)
    run.faults = faults
    yield run
    assert faults == []


SHOW_TRAITS = """
import ipywidgets as W

def with_traits(b):
    "A browser below a line that says what Python knows."
    line = W.Label()
    line.add_class('traits')
    def write(): line.value = ' '.join(f'{name}={value!r}' for name, value in vars(b.state).items())
    write()
    redraw = b.front.redraw
    def redraw_then_write(browser): # who reads the line knows that the page has all of it
        redraw(browser)
        write()
    b.front.redraw = redraw_then_write
    return W.VBox([line, b])
"""


def python_knows(page):
    return lambda text: expect(page.locator('.traits')).to_contain_text(text)


def test_live_topic_browser(notebook, audit):
    "Every control: the page changes, and Python knows."
    page = notebook(
        SHOW_TRAITS,
        "others = {'again': example('core').views[0]}",
        "b = example('live', others=others); with_traits(b)",
        'b.hidden = (3,)',
    )
    box, knows = page.locator('.ntf'), python_knows(page)
    expect(box).to_have_count(1)
    field = lambda name: box.get_by_label(name, exact=True).or_(
        box.get_by_role('combobox', name=name, exact=True)
    )
    chosen, rows = (
        box.locator('.ntf-list [aria-selected=true] .ntf-number'),
        box.locator('.ntf-list [role=option]'),
    )
    expect(box.locator('.ntf-hidden .ntf-number')).to_have_text('3')  # Python moved, the page followed
    knows('panel=3 ')
    expect(box.locator('.ntf-overview tbody tr')).to_have_count(3)
    box.get_by_role('button', name='Topics', exact=True).click()
    knows('panel=0 ')
    box.locator('.ntf-list').focus()
    page.keyboard.press('ArrowDown')
    second = chosen.inner_text()
    knows(f'selected={second} ')
    expect(box.locator('.ntf-samples article').first).to_be_visible()  # asked for, and sent
    page.keyboard.press('F2')
    page.keyboard.press('Control+a')
    page.keyboard.type('x<y')
    page.keyboard.press('Enter')
    knows("'x<y'")
    expect(box.locator('.ntf-list')).to_contain_text('x<y')
    terms = lambda: box.locator('.ntf-terms tbody th').all_inner_texts()
    exact, slide = field('Relevance λ'), field('Relevance λ, slider')
    exact.fill('0.4')
    exact.press('Tab')
    knows('lam=0.4 ')
    expect(slide).to_have_value('0.4')
    cells = page.locator('.jp-Notebook .jp-CodeCell').count()
    slide.focus()
    page.keyboard.press('ArrowRight')
    knows('lam=0.45 ')
    expect(exact).to_have_value('0.45')
    page.keyboard.press('ArrowDown')
    page.keyboard.press('ArrowLeft')
    knows('lam=0.35 ')
    page.keyboard.press('Home')
    knows('lam=0.0 ')
    lifted = terms()
    page.keyboard.press('End')
    knows('lam=1.0 ')
    assert terms() != lifted and sorted(terms()) == sorted(lifted)
    expect(slide).to_be_focused()
    box.get_by_role('button', name='Hide').focus()
    for key in 'bddx':
        page.keyboard.press(key)  # a new cell, gone, cut: commands of the notebook, not meant here
    page.wait_for_timeout(300)
    expect(page.locator('.jp-Notebook .jp-CodeCell')).to_have_count(cells)
    expect(box).to_have_count(1)
    field('Order').select_option('saliency')
    knows("order='saliency'")
    expect(slide).to_be_disabled()
    legend = box.locator('.ntf-legend').first
    field('Stratum').select_option('South')
    knows('stratum=1 ')
    expect(legend).to_contain_text('in South')
    field('against').select_option('North')
    knows('versus=0 ')
    expect(legend).to_contain_text('in North')
    find = field('Find the topics of a word')
    find.fill('farm')
    knows("query='farm'")
    expect(box.locator('.ntf-left-side > .ntf-note')).to_contain_text('Share of farm')
    find.fill('')
    box.locator('[data-mode="1"]').click()
    knows('mode=1 ')
    expect(box.locator('.ntf-centre svg.ntf-curve').first).to_be_visible()
    pick(field('Show another topic beside'), 1)
    expect(box.locator('.ntf-centre .ntf-detail')).to_have_count(2)
    expect(rows).to_have_count(4)
    pick(field('Merge the topic into'), 1)
    expect(rows).to_have_count(3)
    expect(box.locator('.ntf-merged button')).to_have_count(1)
    box.locator('.ntf-merged button').click()
    expect(rows).to_have_count(4)
    knows('merged=(0, 1, 2, 3, 4')
    box.get_by_role('button', name='Hide').click()
    expect(box.locator('.ntf-hidden')).to_have_count(2)
    box.get_by_role('button', name='Undo').click()
    expect(box.locator('.ntf-hidden')).to_have_count(1)
    knows('hidden=(3,)')
    for n, name in ((1, 'Strata compared'), (2, 'Runs compared')):
        box.get_by_role('button', name=name).click()
        knows(f'panel={n} ')
        expect(box.locator(f'.ntf-{("compare", "matrix")[n - 1]} tbody tr')).to_have_count((3, 4)[n - 1])
    box.get_by_role('button', name='Topics', exact=True).click()
    field('Run').select_option('again')
    knows('set_=1 ')
    assert int(box.locator('.ntf-list [aria-selected=true]').get_attribute('data-id')) > 3
    box.get_by_role('button', name='More', exact=True).click()
    expect(box.locator('.ntf-samples article')).to_have_count(9)
    assert audit(page) == []


@pytest.fixture
def dark(lab):
    "JupyterLab's dark theme."
    path = lab.root.parent / 'user/@jupyterlab/apputils-extension/themes.jupyterlab-settings'
    path.write_text('{"theme": "JupyterLab Dark"}')
    yield
    path.unlink()


BRIGHTNESS = """name => {
    const c = document.createElement('canvas').getContext('2d');
    c.fillStyle = getComputedStyle(document.querySelector('.ntf'))[name];
    c.fillRect(0, 0, 1, 1);
    const [red, green, blue] = c.getImageData(0, 0, 1, 1).data;
    return (red + green + blue)/765;
}"""


@pytest.mark.slow
def test_live_hierarchy_browser_in_the_dark(dark, notebook, audit):
    page = notebook(SHOW_TRAITS, "b = hierarchy_example('live'); with_traits(b)")
    expect(page.locator('body')).to_have_attribute('data-jp-theme-light', 'false')
    box, knows = page.locator('.ntf'), python_knows(page)
    nodes = box.locator('[role=treeitem]')
    expect(nodes).to_have_count(8)
    field = lambda name: box.get_by_label(name, exact=True).or_(
        box.get_by_role('combobox', name=name, exact=True)
    )
    light = lambda colour: page.evaluate(BRIGHTNESS, colour)
    assert light('backgroundColor') < 0.2 and light('color') > 0.7
    graph = box.get_by_role('tree')
    graph.focus()
    page.keyboard.press('ArrowRight')
    expect(box.locator('.ntf-graph [aria-selected=true] .ntf-number')).to_contain_text('0.')
    at = int(box.locator('.ntf-graph [aria-selected=true]').get_attribute('data-id'))
    knows(f'selected={at} ')
    page.keyboard.press('F2')
    page.keyboard.press('Control+a')
    page.keyboard.type('<i>n')
    page.keyboard.press('Enter')
    knows("'<i>n'")
    expect(box.locator(f'[role=treeitem][data-id="{at}"]')).to_contain_text('<i>n')
    box.get_by_role('button', name='Undo').click()
    expect(graph).not_to_contain_text('<i>n')
    pick(field('Show another topic beside'), 2)
    expect(box.locator('.ntf-aside .ntf-detail')).to_have_count(2)
    find = field('Find the topics of a word')
    find.fill(WORDS[0])
    knows(f"query='{WORDS[0]}'")
    expect(box.locator('.ntf-hit').first).to_be_visible()
    find.fill('')
    field('Drawn as').select_option('tree')
    knows('shape=1 ')
    expect(box.locator('.ntf-outline')).to_have_count(1)
    assert audit(page) == []
    field('Layers').select_option(index=1)
    knows('depth=1 ')
    expect(nodes).to_have_count(2)
    field('Layers').select_option(index=0)
    field('Drawn as').select_option('graph')
    expect(box.locator('.ntf-graph > svg path')).not_to_have_count(0)
    assert audit(page) == []


FOREIGN = f"""[...document.querySelectorAll('.ntf, .ntf-core')].flatMap(b => [
    ...b.querySelectorAll('script, style, mjx-container, img:not([alt$=picture]), {STRANGE}')]).length"""


@pytest.mark.slow
def test_hostile_words_in_jupyterlab(notebook):
    """All payloads in words, names, texts, titles.

    No dialog, no request, no element that is not ours, no formula and no link in a table.
    """
    made = 'hostile_hierarchy(PAYLOADS, {!r})'
    page = notebook(
        "b = TopicBrowser(**hostile(PAYLOADS), front='live'); b",
        f'h = {made.format("live")}; h',
        "TopicBrowser(**hostile(PAYLOADS), front='core')",
        made.format('core'),
        'from IPython.display import HTML, Markdown; Markdown(b.to_markdown())',
        'Markdown(h.to_markdown())',
        'HTML(b.table.to_html())',
        "Markdown('$a$ [a](http://x.y)')",
    )
    live, core = page.locator('.ntf'), page.locator('.ntf-core')
    expect(live).to_have_count(2)
    expect(core).to_have_count(2)
    assert page.evaluate(FOREIGN) == 0
    tables = page.locator(
        '.jp-OutputArea-output.jp-RenderedMarkdown, .jp-OutputArea-output.jp-RenderedHTMLCommon'
    ).filter(has=page.locator('table'))
    stills, plain = page.locator('.ntf-still'), tables.filter(has_not=page.locator('.ntf-twin'))
    expect(stills).to_have_count(4)  # one below every browser, for where there is no kernel
    expect(plain).to_have_count(3)
    expect(page.locator('.jp-RenderedMarkdown mjx-container')).to_have_count(1)
    expect(page.locator('.jp-RenderedMarkdown a')).to_have_count(
        1
    )  # formulas and links do work here, where they are meant
    strange = 'script, iframe, a, math, mjx-container, details, svg, code, b'
    assert (
        plain.locator(f'{strange}, img').count()
        == stills.locator(f'{strange}, img:not([alt^=Topics])').count()
        == 0
    )
    live.first.get_by_role('button', name='Topics', exact=True).click()
    for n in range(0, len(PAYLOADS), 8):
        live.first.locator('.ntf-list [role=option]').nth(n).click()
        live.last.locator('[role=treeitem]').nth(n).click(position=dict(x=5, y=5))
    for n in range(0, len(PAYLOADS), 11):
        core.first.locator('.widget-select select').select_option(index=n)
        core.last.locator('.widget-select select').select_option(index=n)
        page.wait_for_timeout(100)
    assert page.evaluate(FOREIGN) == 0


FITTED = """
import numpy as np
from ntf_lit import NMF, HierarchyBrowser, MultiHNTF, TopicBrowser
X = np.random.default_rng(0).random((30, 12))
"""


def fitted_page(notebook, cell, topics):
    "The page of a browser in a cell, and what finds its buttons."
    box = notebook(SHOW_TRAITS + FITTED, f'b = {cell}; with_traits(b)').locator('.ntf')
    nodes = box.locator('.ntf-graph [role=treeitem], .ntf-list [role=option]')
    expect(nodes).to_have_count(topics)
    return box, nodes, lambda name: box.get_by_role('button', name=name, exact=True)


@pytest.mark.slow
def test_nodes_are_fitted_anew_by_the_buttons(notebook, audit):
    "Merge, fit, divide, and back, in a layer in the middle; no button where layers would not get smaller."
    cell = "HierarchyBrowser(MultiHNTF((6, 4, 2), random_state=0).fit(X), X, front='live')"
    box, nodes, button = fitted_page(notebook, cell, 12)
    page = box.page
    box.locator('[data-id="7"]').click(position=dict(x=5, y=5))
    expect(button('Divide')).to_be_visible()
    expect(button('Fit anew')).to_be_hidden()
    assert audit(page) == []
    into = box.get_by_label('Merge the topic into')
    into.select_option('8')
    expect(nodes).to_have_count(11)
    expect(button('Divide')).to_be_hidden()
    into.select_option('9')
    expect(nodes).to_have_count(10)  # two, as many as in the layer above: no fit of these
    expect(button('Fit anew')).to_be_hidden()
    button('Undo').click()
    for scheme in ('dark', 'light'):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_timeout(200)
        assert audit(page) == []
    button('Fit anew').click()
    expect(box.locator('.ntf-kept .ntf-note')).to_have_text('The model is fitted anew.')
    expect(nodes).to_have_count(11)
    expect(button('Fit anew')).to_be_hidden()
    box.locator('[data-id="6"]').click(position=dict(x=5, y=5))
    button('Divide').click()
    expect(nodes).to_have_count(12)
    expect(box.locator('.ntf-kept .ntf-note')).to_contain_text(
        'the second half is the last topic of its layer'
    )
    for count in (11, 11, 12):
        button('Undo').click()
        expect(nodes).to_have_count(count)
    expect(button('Undo')).to_be_disabled()


@pytest.mark.slow
def test_plain_widgets(notebook):
    "The same choices without our JavaScript."
    page = notebook(
        SHOW_TRAITS,
        "b = example('core', others={'again': example('core').views[0]}); with_traits(b)",
        "h = hierarchy_example('core'); h",
    )
    first = page.locator('.ntf-core').first
    first.wait_for()
    plain_topic_browser(page, first, python_knows(page))
    plain_hierarchy_browser(page, page.locator('.ntf-core').last)


def choose_another(options, index, heading):
    "Choose, and wait for the kernel's answer: it fills the fields, over what is being typed."
    before = heading.inner_text()
    options.select_option(index=index)
    expect(heading).not_to_have_text(before)


def plain_topic_browser(page, core, knows):
    pick = lambda name: core.locator(
        '.widget-dropdown', has=page.locator('label', has_text=re.compile(f'^{name}$'))
    ).locator('select')
    write = lambda name: core.locator(
        '.widget-text', has=page.locator('label', has_text=re.compile(f'^{name}$'))
    ).locator('input')
    topics, body = core.locator('.widget-select select'), core.locator('.widget-html').first
    choose_another(topics, 2, body.locator('h4'))
    write('Name').fill('renamed <b>')
    write('Name').press('Enter')
    expect(body.locator('h4')).to_have_text('renamed <b>')
    knows("'renamed <b>'")
    lam, handle = write('λ'), core.locator('.noUi-handle')
    lam.fill('0.3')
    lam.press('Enter')
    knows('lam=0.3 ')
    words = lambda: body.locator('tbody td:first-child').all_inner_texts()
    before = words()
    handle.focus()
    page.keyboard.press('ArrowRight')
    knows('lam=0.35 ')
    expect(lam).to_have_value('0.35')
    page.keyboard.press('ArrowUp')
    knows('lam=0.4 ')
    page.keyboard.press('ArrowLeft')
    page.keyboard.press('ArrowDown')
    knows('lam=0.3 ')
    page.keyboard.press('End')
    knows('lam=1.0 ')
    assert sorted(words()) == sorted(before)
    pick('Order').select_option('saliency')
    knows("order='saliency'")
    expect(body.locator('thead').first).to_contain_text('saliency')
    pick('Stratum').select_option('South')
    knows('stratum=1 ')
    pick('against').select_option('North')
    knows('versus=0 ')
    expect(body.locator('table', has_text='difference')).to_have_count(1)
    pick('Mode').select_option('part')
    knows('mode=1 ')
    expect(body.locator('svg')).to_be_visible()
    pick('Beside').select_option(index=1)
    expect(body.locator('h4')).to_have_count(2)
    expect(topics.locator('option')).to_have_count(4)
    pick('Merge into').select_option(index=1)
    expect(topics.locator('option')).to_have_count(3)
    core.get_by_role('button', name='Undo').click()
    expect(topics.locator('option')).to_have_count(4)
    core.get_by_role('button', name='Hide').click()
    expect(topics).to_contain_text('(hidden)')
    core.get_by_role('button', name='Show').click()
    expect(topics).not_to_contain_text('(hidden)')
    write('Find').fill('farm')
    write('Find').press('Enter')
    knows("query='farm'")
    write('Find').fill('')
    write('Find').press('Enter')
    knows("query='' ")
    pick('Run').select_option('again')
    knows('set_=1 ')


def plain_hierarchy_browser(page, core):
    pick = lambda name: core.locator(
        '.widget-dropdown', has=page.locator('label', has_text=re.compile(f'^{name}$'))
    ).locator('select')
    write = lambda name: core.locator(
        '.widget-text', has=page.locator('label', has_text=re.compile(f'^{name}$'))
    ).locator('input')
    nodes, body = core.locator('.widget-select select'), core.locator('.widget-html').first
    expect(nodes.locator('option')).to_have_count(8)
    choose_another(nodes, 1, body.locator('h4'))
    expect(body).to_contain_text('part of')
    write('Name').fill('n & m')
    write('Name').press('Enter')
    expect(body.locator('h4')).to_have_text('n & m')
    core.get_by_role('button', name='Undo').click()
    expect(body.locator('h4')).not_to_have_text('n & m')
    pick('Beside').select_option(index=3)
    expect(body.locator('h4')).to_have_count(2)
    samples = body.locator('th', has_text=re.compile('^sample$'))
    expect(samples).to_have_count(0)
    pick('Mode').select_option(index=1)
    expect(samples).to_have_count(2)
    pick('Layers').select_option(index=1)
    expect(nodes.locator('option')).to_have_count(2)
    pick('Layers').select_option(index=0)
    write('Find').fill('tax')
    write('Find').press('Enter')
    expect(nodes.locator('option', has_not_text='tax')).to_have_count(0)
    expect(nodes.locator('option')).not_to_have_count(0)


BROKEN = """
import anywidget
class Broken(anywidget.AnyWidget):
    _esm = 'export default { render() { throw new Error("broken"); } }'
Broken()
"""


@pytest.mark.slow
@pytest.mark.xfail(strict=True, raises=AssertionError, reason='a broken notebook must be noticed')
@pytest.mark.parametrize(
    'broken',
    ["raise ValueError('broken')", BROKEN],
    ids=['python', 'javascript'],
)
def test_a_broken_notebook_is_noticed(notebook, broken):
    page = notebook(broken)
    page.wait_for_timeout(1500)
    assert notebook.faults == []


@pytest.mark.slow
@pytest.mark.parametrize('name', ['62b_topic_browser', '63_hierarchy_browser'])
def test_the_notebooks_themselves(open_notebook, name):
    page = open_notebook(f'{name}.ipynb')
    expect(page.locator('.ntf').first).to_be_visible()
    first = page.locator('.ntf').first
    keys, item = (
        (first.locator('.ntf-list'), 'option')
        if name.startswith('62')
        else (first.get_by_role('tree'), 'treeitem')
    )
    at = lambda: first.locator(f'[role={item}][aria-selected=true]').get_attribute('data-id')
    keys.focus()
    before = at()
    page.keyboard.press('ArrowDown')
    assert at() != before
