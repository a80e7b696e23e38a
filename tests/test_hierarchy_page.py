"""The page of a hierarchy: what is in view, what a click and a key change, and modes that are measured."""

import json
import re

import numpy as np
import pytest
from browser_pages import SYLLABLES, layered, peaks
from test_browsers_e2e import axe, axe_source, shown, tab, violations  # noqa: F401

from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.hierarchy_estimators import MultiHNTF
from ntf_lit.result import CP, Strata
from ntf_lit.topic_browser import TopicBrowser

expect = pytest.importorskip('playwright.sync_api', reason='needs playwright: pip install playwright').expect
WORDS = [a + b + c for a in SYLLABLES for b in SYLLABLES[:5] for c in SYLLABLES[:6]]


def of_words(ranks=(100, 30, 10), **kwargs):
    P = np.random.default_rng(0).random((len(WORDS), ranks[0])) ** 30
    return HierarchyBrowser(layered(ranks, P), labels=dict(term=WORDS), title='Words', front='core', **kwargs)


def of_topics(n=60, **kwargs):
    rng = np.random.default_rng(0)
    factors = [rng.random((50, n)) ** 4, rng.random((len(WORDS), n)) ** 30]
    return TopicBrowser(factors, labels=dict(term=WORDS), title='Topics', front='core', **kwargs)


def of_curves(ranks=(100, 30, 10), **kwargs):
    P, names = peaks(ranks[0])
    return HierarchyBrowser(
        layered(ranks, P), labels=dict(wavelength=names), title='Curves', front='core', **kwargs
    )


TYPED = "(e, text) => { e.value = text; e.dispatchEvent(new Event('input', {bubbles: true})); }"
IN_VIEW = """e => { const r = e.getBoundingClientRect();
    return r.top >= 0 && r.top < innerHeight && r.left >= 0 && r.left < innerWidth; }"""


BY_DAY = (of_words, 1280), (of_curves, 390)


def chosen(page):
    return page.locator('.ntf-graph [aria-selected=true]')


@pytest.mark.parametrize(
    'make, width',
    [
        pytest.param(make, width, marks=() if (make, width) in BY_DAY else pytest.mark.slow)
        for make in (of_words, of_curves)
        for width in (390, 1280, 2000)
    ],
)
def test_what_a_click_shows_is_in_view(shown, make, width):  # noqa: F811
    "At most two windows high; the last of a hundred topics and its details are both seen."
    page = shown(make(), width)
    height = page.evaluate('document.documentElement.scrollHeight')
    assert height <= 2 * 1000
    for i in (99, 3, 129, 139):
        page.locator(f'[data-id="{i}"]').dispatch_event('click')
        assert chosen(page).get_attribute('data-id') == str(i)
        title = page.locator('.ntf-detail .ntf-name')
        assert title.evaluate(IN_VIEW) and chosen(page).evaluate(IN_VIEW)
        box = chosen(page).bounding_box()
        frame = page.locator('.ntf-canvas').bounding_box()
        assert frame['y'] - 1 <= box['y'] <= frame['y'] + frame['height']
    page.evaluate('scrollTo(0, document.documentElement.scrollHeight)')
    assert page.locator('.ntf-detail .ntf-name').evaluate(IN_VIEW)


def test_clicks_that_follow_at_once_end_at_the_last_topic(shown):  # noqa: F811
    "Before the page hears of its own scrolling."
    page = shown(of_curves(), 1280)
    page.evaluate("""() => {
        for (const i of [99, 3, 99, 129, 3, 99]) document.querySelector(`[data-id="${i}"]`).click(); }""")
    assert chosen(page).get_attribute('data-id') == '99'
    page.wait_for_timeout(200)
    assert chosen(page).evaluate(IN_VIEW)


@pytest.mark.parametrize('size', [(1280, 900), (1600, 1000), (1280, 700)])
def test_the_page_is_as_high_as_the_window(shown, size):  # noqa: F811
    "The note and the buttons for edits stand below the graph, and nothing has to be scrolled to."
    page = shown(of_words((30, 12, 5)), size[0], height=size[1])
    assert page.evaluate('document.documentElement.scrollHeight') <= size[1]
    assert page.get_by_role('button', name='Save edits').evaluate(IN_VIEW)


def test_a_click_changes_classes_and_makes_no_node_anew(shown):  # noqa: F811
    page = shown(of_curves())
    page.evaluate("""() => { window.made = new Set(document.querySelectorAll('.ntf-node'));
        window.paths = document.querySelectorAll('.ntf-node path').length; }""")
    for i in (5, 110, 135):
        page.locator(f'[data-id="{i}"]').dispatch_event('click')
    page.get_by_role('tree').focus()
    for key in ('ArrowLeft', 'ArrowRight', 'ArrowDown'):
        page.keyboard.press(key)
    find = page.get_by_label('Find the topics of a word')
    find.fill('600')
    same = "[...document.querySelectorAll('.ntf-node')].every(e => window.made.has(e))"
    assert page.evaluate(same)
    assert page.evaluate('window.paths') == 140  # one per curve
    assert page.locator('.ntf-node rect').count() == 0


def test_search_counts_and_goes_to_the_best(shown):  # noqa: F811
    b = of_words()
    page = shown(b)
    find, count = page.get_by_label('Find the topics of a word'), page.locator('.ntf-count')
    word = max(WORDS, key=lambda w: b.views[0].topics[0][WORDS.index(w)].max())
    find.fill(word)
    hits = page.locator('.ntf-hit')
    n = hits.count()
    assert 0 < n < 140 and page.locator('.ntf-dim').count() == 140 - n
    expect(count).to_have_text(re.compile(rf'\b{n} topics?\b'))
    best = b.views[0].topics[0][WORDS.index(word)].argmax()
    assert page.locator(f'[data-id="{best}"]').evaluate(IN_VIEW)  # scrolled to, not yet chosen
    find.press('Enter')
    assert int(chosen(page).get_attribute('data-id')) in [int(h.get_attribute('data-id')) for h in hits.all()]
    expect(count).to_have_text(re.compile(rf'^hit \d+ of {n}\b'))
    expect(find).to_be_focused()
    find.fill('no such word')
    expect(count).to_have_text('no topic')
    find.fill('')
    expect(count).to_have_text('')
    assert page.locator('.ntf-dim').count() == 0


def test_a_key_makes_no_line_and_no_menu_anew(shown):  # noqa: F811
    page = shown(of_topics())
    find = page.get_by_label('Find the topics of a word')
    find.fill('ba')
    parts = '[...document.querySelectorAll(".ntf-list > *, .ntf-left-side option, .ntf-also option")]'
    page.wait_for_function(f'() => (window.made = {parts}).length > 3 * 60')  # menus follow a moment later
    find.fill('bak')
    page.wait_for_timeout(600)
    find.fill('ba')
    page.wait_for_timeout(600)
    same = f'(now => now.length === made.length && now.every(e => made.includes(e)))({parts})'
    assert page.evaluate(same)
    shown_now = page.locator('.ntf-list [aria-selected=true]').get_attribute('data-id')
    into = page.get_by_label('Merge the topic into')
    expect(into.locator('option:disabled')).to_have_attribute('value', shown_now)
    into.select_option(into.locator('option:enabled').nth(1).get_attribute('value'))
    find.fill('')
    expect(page.locator('.ntf-list [role=option]')).to_have_count(59)
    expect(page.locator('.ntf-list small:visible')).to_have_text(['2 merged'])


AT_ONCE = """([choose, lines, whole]) => {
    const e = document.querySelector(choose);
    e.value = 'o';
    if (e.type === 'search') e.dispatchEvent(new Event('input', {bubbles: true}));
    else e.click();
    return [document.querySelectorAll(lines).length, document.querySelector(whole).scrollHeight];
}"""


@pytest.mark.parametrize(
    'choose, lines, whole',
    [
        ('[data-panel="3"]', '.ntf-matrix tbody tr', '.ntf-matrix'),
        ('[data-panel="4"]', '.ntf-matrix tbody tr', '.ntf-matrix'),
        ('[type=search]', '.ntf-list [role=option]', '.ntf-list'),
    ],
    ids=['overview', 'words', 'list'],
)
def test_lines_in_sight_are_made_first(shown, choose, lines, whole):  # noqa: F811
    "Of two hundred topics; the others have their place from the beginning, and come a moment later."
    page = shown(of_topics(200))
    at_once, high = page.evaluate(AT_ONCE, [choose, lines, whole])
    now = f"document.querySelectorAll('{lines}').length"
    page.wait_for_function(f'() => {now} > {at_once}')
    assert 10 < at_once < 0.9 * page.evaluate(now)
    assert page.evaluate(f"document.querySelector('{whole}').scrollHeight") == pytest.approx(high, rel=0.03)
    assert page.locator('.ntf-matrix tbody button:not([tabindex="-1"])').count() <= 1  # one tab stop


def test_numbers_of_lines_that_follow(shown):  # noqa: F811
    "In the overview and in the table of strata every line has its own shares, as Python has them."
    rng = np.random.default_rng(0)
    W = rng.random((30, 90)) ** 4 * np.linspace(1, 3, 90)
    V = (rng.random((3, len(WORDS), 1)) ** 9,)
    m = Strata(V, W, (rng.random((len(WORDS), 90)) ** 30,), (0, 9, 20, 30))
    b = TopicBrowser(m, labels=dict(term=WORDS), strata=['a', 'b', 'c'], front='core')
    table = b.table
    right = {
        str(i): [table[f'in {s}'][n] for s in 'abc'] for n, i in enumerate(table['topic']) if i is not None
    }
    page = shown(b, view='Overview')
    for opened in ('Overview', 'Strata compared'):
        page.get_by_role('button', name=opened, exact=True).click()
        rows = page.locator('.ntf-matrix tbody tr')
        expect(rows).to_have_count(90)
        found = rows.evaluate_all("""all => all.map(tr => [tr.querySelector('.ntf-number').textContent,
            [...tr.querySelectorAll('.ntf-heat')].map(e => parseFloat(e.textContent.replace('< ', '')))])""")
        assert {i for i, _ in found} == set(right)
        for i, said in found:
            np.testing.assert_allclose(said, 100 * np.array(right[i]), atol=0.06, rtol=0.06)


def test_two_hundred_topics_on_paper(shown):  # noqa: F811
    "All lines, close to each other, at the press of a key; what is for the hand is left out, notes are not."
    b = of_topics(200)
    b.act('note', topic=7, value='look again')
    page = shown(b, view='Overview')
    rows = page.locator('.ntf-matrix tbody tr')
    page.emulate_media(media='print')
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert rows.count() == 200
    tree = page.locator('.ntf-tree-col').last
    assert tree.is_hidden() and rows.first.bounding_box()['height'] < 24  # a tree of many pages tells nothing
    expect(page.locator('.ntf-hand')).to_be_hidden()
    expect(page.locator('.ntf-summary li', has_text='look again')).to_have_count(1)


def test_every_key_reaches_lines_that_follow(shown):  # noqa: F811
    page = shown(of_topics(200), view='Overview')
    last = page.evaluate("""() => {
        const key = key => new KeyboardEvent('keydown', {key, bubbles: true});
        document.querySelector('.ntf-list').dispatchEvent(key('End'));
        return document.querySelector('.ntf-list [aria-selected=true]')?.dataset.id;
    }""")
    lines = page.locator('.ntf-list [role=option]')
    expect(lines).to_have_count(200)
    assert lines.last.get_attribute('data-id') == last
    expect(lines.last).to_be_in_viewport()
    buttons = page.locator('.ntf-matrix tbody button')
    buttons.first.focus()
    for _ in range(60):
        page.keyboard.press('ArrowDown')
    assert buttons.nth(60).evaluate('e => e === document.activeElement')


@pytest.mark.parametrize('view', ['Overview', 'Terms × topics'])
def test_a_search_marks_its_topic_in_the_table_that_stands(shown, view):  # noqa: F811
    page = shown(of_topics(12), view=view)
    page.evaluate("window.made = document.querySelector('.ntf-matrix')")
    here = page.locator('.ntf-matrix .ntf-here')
    find = page.get_by_label('Find the topics of a word')
    seen = set()
    for word in ('kotabi', 'bako', 'zi'):
        find.fill(word)
        found = page.locator('.ntf-list [aria-selected=true]')
        if found.count():
            assert here.get_attribute('data-topic') == found.get_attribute('data-id')
            seen.add(found.get_attribute('data-id'))
    assert len(seen) > 1 and page.evaluate("window.made === document.querySelector('.ntf-matrix')")
    page.get_by_role('button', name='Topics', exact=True).click()
    name = page.locator('.ntf-detail .ntf-number').text_content()
    assert name == page.locator('.ntf-list [aria-selected=true] .ntf-number').text_content()


def test_no_empty_menu_stands_where_there_are_no_samples(shown):  # noqa: F811
    page = shown(of_words((30, 12, 5)))
    said = page.locator('select:visible').evaluate_all('all => all.map(e => e.innerText.trim())')
    assert len(said) > 3 and all(said)
    expect(page.locator('.ntf-samples')).to_be_hidden()


def test_folding_a_branch_and_seeing_it_alone(shown):  # noqa: F811
    page = shown(of_words((30, 12, 5)))
    nodes = page.locator('[role=treeitem]')
    page.locator('[data-id="42"]').dispatch_event('click')
    page.get_by_role('button', name='Fold', exact=True).click()
    folded = nodes.count()
    assert folded < 47 and chosen(page).get_attribute('aria-expanded') == 'false'
    page.get_by_role('tree').focus()
    page.keyboard.press('ArrowRight')
    expect(nodes).to_have_count(47)
    only = page.get_by_role('button', name='Only this branch')
    only.click()
    inside = nodes.count()
    assert 1 < inside < 20
    part = page.locator('.ntf-detail .ntf-link').first
    part.click()  # a part of this branch or of another: either way it is shown
    assert chosen(page).count() == 1
    page.get_by_role('tree').focus()
    page.keyboard.press('End')
    if page.get_by_role('button', name='All branches').count():
        page.get_by_role('button', name='All branches').click()
    expect(nodes).to_have_count(47)


def test_size_of_the_graph(shown):  # noqa: F811
    page = shown(of_words())
    tall = lambda: page.locator('.ntf-graph').evaluate('e => e.clientHeight')
    room = page.locator('.ntf-canvas').evaluate('e => e.clientHeight')
    first = tall()
    assert first > room  # with a scroll of its own
    page.get_by_role('button', name='Fit the whole graph into the window').click()
    assert tall() <= room
    page.get_by_role('button', name='Larger').click()
    assert tall() > room
    page.get_by_role('tree').focus()
    page.keyboard.press('-')
    assert tall() < first


def test_names_say_nothing_twice_and_links_tell_their_strength(shown):  # noqa: F811
    page = shown(of_words((30, 12, 5)))
    for node in page.locator('.ntf-node').all()[:20]:
        name = node.locator('.ntf-word').first.get_attribute('title').split(' · ')
        words = node.locator('.ntf-node-words')
        if words.count():
            assert not set(name) & set(words.text_content().split(' · '))
    labels = page.locator('.ntf-part-label')
    assert labels.count() > 0 and all(re.fullmatch(r'[\d.]+ %', t) for t in labels.all_text_contents())
    assert page.locator('.ntf-lit').count() >= labels.count()
    page.get_by_label('Drawn as').select_option('tree')
    rows = page.locator('.ntf-outline .ntf-node')
    assert all(r.locator('small').text_content() for r in rows.all())
    parts = page.locator('.ntf-strength').all_text_contents()
    assert parts.count('') == 5 and len(parts) == 47  # the coarsest are part of nothing
    options = page.get_by_label('Layers').locator('option').all_text_contents()
    assert options == ['all: 5, 12 and 30 topics', 'the 5 and 12 topics', 'only the 5 topics']


def test_hiding_merging_and_strata_as_in_the_topic_browser(shown):  # noqa: F811
    b = of_words((30, 12, 5), strata=np.array(['N', 'S'])[np.arange(50) % 2])
    page = shown(b)
    page.locator('[data-id="3"]').dispatch_event('click')
    share = lambda: float(page.locator('.ntf-title .ntf-value').first.text_content().split()[0])
    mine = share()
    into = page.get_by_label('Merge the topic into')
    other = into.locator('option:not([disabled])').nth(1).get_attribute('value')
    into.select_option(other)
    expect(page.locator('[role=treeitem]')).to_have_count(46)
    assert chosen(page).get_attribute('data-id') == other and share() > mine
    up = page.locator('.ntf-detail section', has_text='Part of').locator('.ntf-value').all_text_contents()
    assert sum(float(t.split()[0].replace('<', '')) for t in up) == pytest.approx(100, abs=2)
    page.get_by_role('button', name='Hide').click()
    expect(page.locator('.ntf-graph .ntf-hidden')).to_have_count(1)
    undo = page.get_by_role('button', name='Undo')
    undo.click()
    undo.click()
    expect(page.locator('[role=treeitem]')).to_have_count(47)
    page.get_by_label('Stratum').select_option('S')
    expect(page.locator('.ntf-legend')).to_contain_text('in S')
    page.get_by_label('against').select_option('N')
    expect(page.locator('.ntf-legend')).to_contain_text('in N')
    first = lambda: page.locator('.ntf-node-terms tbody th').all_text_contents()
    before = first()
    page.get_by_label('Relevance λ', exact=True).fill('0')
    page.keyboard.press('Tab')
    assert first() != before


def test_a_page_without_a_kernel_offers_no_fit(shown):  # noqa: F811
    X = np.random.default_rng(0).random((30, 12))
    b = HierarchyBrowser(MultiHNTF((5, 3, 2), random_state=0).fit(X), X, front='core')
    assert b.can_refit
    page = shown(b)
    into = page.get_by_label('Merge the topic into')
    into.select_option(into.locator('option:not([disabled])').nth(1).get_attribute('value'))
    expect(page.locator('[role=treeitem]')).to_have_count(9)
    expect(page.get_by_role('button', name='Save edits')).to_be_visible()
    for name in ('Fit anew', 'Divide'):
        expect(page.get_by_role('button', name=name)).to_have_count(0)


@pytest.mark.slow
@pytest.mark.parametrize('width, scheme', [(390, 'dark'), (1280, 'light'), (1280, 'dark'), (2000, 'light')])
def test_axe_in_every_state_of_a_hierarchy(shown, axe, width, scheme):  # noqa: F811
    page = shown(of_words((30, 12, 5), strata=np.array(['N', 'S'])[np.arange(50) % 2]), width, scheme)
    assert violations(page, axe) == []
    page.get_by_label('Find the topics of a word').fill('ba')
    page.get_by_role('tree').focus()
    page.keyboard.press('Enter')
    page.keyboard.press('ArrowRight')
    assert violations(page, axe) == []
    if width < 560:
        page.get_by_role('button', name='Options').click()
    page.get_by_label('Drawn as').select_option('tree')
    page.get_by_label('Stratum').select_option('S')
    page.get_by_role('button', name='Only this branch').click()
    assert violations(page, axe) == []
    page.get_by_label('Layers').select_option(index=1)
    page.get_by_label('Show another topic beside').select_option(index=2)
    assert violations(page, axe) == []
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')


def test_a_sheet_from_below_on_a_phone(shown):  # noqa: F811
    page = shown(of_words((30, 12, 5)), 390)
    handle = page.locator('.ntf-handle')
    box = page.locator('.ntf-aside').bounding_box()
    assert 900 < box['y'] + box['height'] <= 1000 and box['height'] < 560
    handle.click()
    assert handle.get_attribute('aria-expanded') == 'false'
    assert page.locator('.ntf-aside').bounding_box()['height'] < 60
    handle.click()
    expect(page.locator('.ntf-detail .ntf-name')).to_be_visible()


def test_no_toolbar_scrolls_sideways_on_a_phone(shown):  # noqa: F811
    "What is seldom asked for is behind one button."
    page = shown(of_words((30, 12, 5), strata=np.array(['N', 'S'])[np.arange(50) % 2]), 390)
    bars = "[...document.querySelectorAll('.ntf-bar, .ntf-graph-tools')]"
    wide = f'{bars}.filter(e => e.scrollWidth > e.clientWidth)'
    drawn, options = page.get_by_label('Drawn as'), page.get_by_role('button', name='Options')
    for opened in ('false', 'true', 'false'):
        expect(options).to_have_attribute('aria-expanded', opened)
        expect(drawn).to_be_visible() if opened == 'true' else expect(drawn).to_be_hidden()
        assert page.evaluate(f'{wide}.length') == 0
        options.click()
    page.set_viewport_size(dict(width=1280, height=900))
    expect(options).to_be_hidden()
    expect(drawn).to_be_visible()


# --- Modes that are measured ---


def spectra(**kwargs):
    "Three components over two axes."
    x, y = np.arange(240, 460, 10), np.arange(300, 600, 10)
    bump = lambda a, at: np.exp(-((a - at) ** 2) / 800)
    W = np.random.default_rng(0).random((12, 3))
    A, B = (
        np.stack([bump(a, at) for at in ats], 1) for a, ats in ((x, (270, 310, 350)), (y, (340, 400, 450)))
    )
    labels = dict(excitation=[f'{v} nm' for v in x], emission=[f'{v} nm' for v in y])
    return TopicBrowser(
        CP((W, A, B)), labels=labels, unit='water', title='EEM', panel=0, front='core', **kwargs
    )


def test_contours_stand_between_their_curves(shown, axe):  # noqa: F811
    page = shown(spectra(kinds={('emission', 'excitation'): None}))
    cross = page.locator('.ntf-cross')
    size = cross.bounding_box()
    assert size['height'] < 450 and size['width'] < 700
    canvas = cross.locator('canvas').bounding_box()
    assert canvas['width'] > canvas['height'] > 140
    assert cross.locator('svg .ntf-p').count() == 2
    assert cross.locator('.ntf-axis').all_text_contents() == ['excitation (nm)', 'emission (nm)']
    assert page.locator('.ntf-list .ntf-word').all_text_contents() == [
        n for _, n in sorted(zip([-s for s in spectra().data.share], spectra().data.names))
    ]
    assert violations(page, axe) == []


@pytest.mark.parametrize('width', [700, 900])
def test_a_figure_fits_beside_the_list_after_all_topics(shown, width):  # noqa: F811
    "The page opens with all topics over its whole width; what is drawn next has less of it."
    b = spectra(kinds={('emission', 'excitation'): None})
    b.panel = 3
    page = shown(b, width)
    assert page.locator('.ntf-cross').bounding_box()['width'] > 200
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')


def test_all_topics_over_each_other(shown, axe):  # noqa: F811
    page = shown(spectra())
    page.get_by_role('button', name='emission', exact=True).click()
    page.get_by_role('button', name='all topics over each other').click()
    lines = page.locator('.ntf-centre .ntf-curve path.ntf-line')
    expect(lines).to_have_count(3)
    tops = lines.evaluate_all('all => all.map(e => Math.round(e.getBBox().y))')
    assert len(set(tops)) == 1  # each is a part of its own peak
    keys = page.locator('.ntf-keys button')
    expect(keys).to_have_count(3)
    keys.nth(2).click()
    expect(page.locator('.ntf-keys [aria-pressed=true]')).to_have_count(1)
    expect(page.locator('.ntf-curve').first).to_contain_text('emission (nm)')
    assert violations(page, axe) == []


def test_a_dashed_line_is_explained(shown):  # noqa: F811
    page = shown(spectra())
    keys = page.locator('.ntf-ordered .ntf-legend')
    expect(keys).to_contain_text('in all the data')
    expect(keys.locator('.ntf-dashed')).to_be_visible()
    page.get_by_role('button', name='all topics over each other').click()
    expect(keys).to_have_count(0)  # no such line there


@pytest.mark.parametrize('kinds', [None, {('emission', 'excitation'): None}])
def test_topics_without_words_in_the_overview(shown, kinds):  # noqa: F811
    "Pictures are large enough to be seen, the right way up, and the table is no wider than what it holds."
    page = shown(spectra(kinds=kinds), view='Overview')
    table = page.locator('.ntf-overview')
    assert table.bounding_box()['width'] < 700
    if kinds:
        picture = table.locator('canvas').first
        assert picture.bounding_box()['width'] >= 48
        assert 'ntf-turned' in picture.get_attribute('class')
    rows = table.locator('tbody tr').all()
    tree = table.locator('.ntf-tree-col svg').bounding_box()
    assert tree['height'] == pytest.approx(sum(r.bounding_box()['height'] for r in rows), abs=2)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media='print')
    for picture in page.locator('.ntf-summary canvas').all():
        box = picture.bounding_box()
        assert box['height'] < box['width'] <= 120


def test_samples_that_are_pictures(shown):  # noqa: F811
    rng = np.random.default_rng(0)
    b = TopicBrowser(
        [rng.random((8, 2)), rng.random((20, 2))],
        labels=dict(term=WORDS[:20]),
        samples=list(rng.random((8, 30, 20))),
        panel=0,
        front='core',
    )
    page = shown(b)
    pictures = page.locator('.ntf-samples canvas')
    expect(pictures).to_have_count(3)
    assert pictures.first.get_attribute('role') == 'img'
    box = pictures.first.bounding_box()
    assert box['height'] / box['width'] == pytest.approx(1.5, rel=0.1)


def computing(events, thread, what):
    "Milliseconds that tasks of a name took on the threads of a name, of the processor's own time."
    named = {
        (e['pid'], e['tid']) for e in events if e['name'] == 'thread_name' and e['args']['name'] == thread
    }
    took = [e for e in events if e['name'] == what and (e['pid'], e['tid']) in named]
    return sum(e.get('tdur', 0) for e in took) / 1000


@pytest.mark.slow
@pytest.mark.parametrize(
    'make, words', [(of_words, 'ba bak kot'), (of_curves, '4 45 600'), (of_topics, 'ba bak kot')]
)
def test_a_key_of_the_search_takes_less_than_fifty_milliseconds(shown, chromium, make, words):  # noqa: F811
    "A hundred topics, 30 and 10, or sixty in a list: what the page computes for a key, and what it paints."
    page = shown(make())
    page.wait_for_timeout(500)
    find = page.get_by_label('Find the topics of a word')
    chromium.start_tracing(page=page, categories=['toplevel', 'cc', 'disabled-by-default-devtools.timeline'])
    keys = 0
    for word in words.split():
        for n in [*range(1, len(word) + 1), *range(len(word) - 1, -1, -1)]:
            find.evaluate(TYPED, word[:n])
            page.wait_for_timeout(60)
            keys += 1
    events = json.loads(chromium.stop_tracing())['traceEvents']
    computed = computing(events, 'CrRendererMain', 'RunTask')
    painted = computing(events, 'ThreadPoolForegroundWorker', 'RasterTask')
    print(f'{computed / keys:.0f} + {painted / keys:.0f} ms a key')
    assert 0 < computed and 0 < painted and computed + painted < 50 * keys
