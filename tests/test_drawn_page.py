"""What the page draws, in Node without a browser: every cell, bar and dot against the model added up."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from test_shown_properties import (
    as_shown,
    close,
    corpus,
    declared,
    features_of,
    hierarchies,
    joined,
    labels_of,
    layer_shares,
    models,
    order_key,
    over,
    profile,
    random_factor,
    ratio,
    raw_models,
    share,
)

from ntf_lit import tables
from ntf_lit.browser_data import Samples, page_data
from ntf_lit.browser_state import checked_command, first_state, next_state, sizes
from ntf_lit.hierarchy_browser import HierarchyBrowser
from ntf_lit.views import view

BROWSER = Path(str(files('ntf_lit'))) / 'static/browser'
MODULES = 'state format layout compare topic overview publish samples reader figures links kept list'.split()
MODULES += ['hierarchy']

# As much of a document as the page's modules ask for, then one answer per line
HARNESS = """
class Node {
  constructor(tag, own = '') { Object.assign(this, {tag, own, kids: [], at: {}, dataset: {}}); }
  style = {setProperty: (k, v) => (this.style[k] = v)};
  append(...kids) { this.kids.push(...kids.map(k => (k instanceof Node ? k : new Node('', String(k))))); }
  replaceChildren(...kids) { this.kids = []; this.append(...kids); }
  setAttribute(k, v) { this.at[k] = String(v); }
  getAttribute(k) { return this.at[k] ?? null; }
  addEventListener(what, f) { this[`on${what}`] = f; }
  getBoundingClientRect() { return {left: 0, width: this.viewBox.baseVal.width}; }
  get viewBox() { return {baseVal: {width: +this.at.viewBox.split(' ')[2]}}; }
  all() { return [this, ...this.kids.flatMap(k => k.all())]; }
  querySelectorAll() { return []; }
  querySelector() { return null; }
  getContext() {
    const draw = (w, h) => (this.pixels = new Uint8ClampedArray(4 * w * h));
    return {createImageData: (w, h) => ({data: draw(w, h)}), putImageData() {}};
  }
  get children() { return this.kids; }
  get options() { return this.kids; }
  get classList() { return {add() {}, toggle() {}}; }
  get textContent() { return this.own + this.kids.map(k => k.textContent).join(''); }
  set textContent(t) { this.kids = [new Node('', t)]; }
}
const make = tag => new Node(tag);
globalThis.Node = Node;
const texts = {createTextNode: t => new Node('', t)};
globalThis.document = {createElement: make, createElementNS: (_, t) => make(t), ...texts};
globalThis.window = {innerHeight: 1000};
const m = Object.assign({}, ...(await Promise.all(MODULES.map(name => import(name)))));
const known = {
  table: p => m.tableShown(p), sets: p => m.setsCompared(p),
  strata: (p, sorted = -1) => m.strataCompared(Object.assign(p, {sorted})),
  overlaid: (p, i, k) => m.overlay(p, i, k, 600, 190),
  node: (p, i) => m.nodeDetail(Object.assign(p, {tree: true}), i, 500),
  features: p => m.features(p), overview: p => m.overview(p), words: p => m.wordsByTopics(p),
  terms: (p, i, k) => m.terms(p, i, k), course: (p, i) => m.course(p, i, 600),
  figure: (p, i, k) => m.orderedFigure(p, i, k, 600, 190),
  picture: (p, i, k) => m.pictureFigure(p, i, k, 300),
  pointed: (p, i, k, x) => {
    const e = m.orderedFigure(p, i, k, 600, 190), s = e.all().find(y => y.onpointermove);
    s.onpointermove({clientX: x});
    return s.all().find(y => y.at.class === 'ntf-readout').textContent;
  },
  samples: (p, i) => m.samplesOf(p, i), hot: (p, i) => [...m.hotWords(p, i)],
  telling: (p, ids) => m.tellingWords(p, ids),
  order: (p, by) => m.inOrder(p, by), listed: p => m.listed(p.data, p.state),
  text: (p, x) => m.checkedText(p.data, x),
  reader: (p, reader, sent = []) => m.reading(Object.assign(p, {reader, passages: new Map(sent)})),
  branches: (p, ...args) => m.branches(...args), state: p => p.state,
  linked: p => m.linked(p.data, p.state).up,
  list: p => {
    for (const name of ['list', 'hint', 'mergeInto', 'besides', 'hide', 'undo']) p[name] = make('div');
    p.lines = new Map();
    m.drawList(p);
    const wide = x => x.all().find(y => y.tag === 'i').style.width;
    const rows = p.list.kids.map(x => [+x.at['data-id'], shown(x).values[0], wide(x)]);
    return {said: p.hint.textContent, rows};
  },
  found: (p, word) => m.foundTexts(p, word),
  link: p => [m.toLink(p.data, p.state), m.fromLink(p.data, m.toLink(p.data, p.state))],
};
const shown = e => {
  if (!(e instanceof Node)) return e;
  const all = e.all(), of = tag => all.filter(x => x.tag === tag), text = x => x.textContent;
  const cells = row => row.kids.filter(x => ['td', 'th'].includes(x.tag));
  return {
    marks: of('text').map(text), labels: all.map(x => x.at['aria-label']).filter(Boolean),
    text: text(e), rows: of('tr').map(r => cells(r).map(text)), titles: of('title').map(text),
    heat: of('tr').map(r => cells(r).map(c => +(c.style['--ntf-v'] ?? NaN))),
    paths: of('path').map(p => p.at.d),
    pixels: of('canvas').map(c => [...c.pixels]),
    values: all.filter(x => x.at.class === 'ntf-value').map(text),
    drawn: of('rect').map(r => [+r.at.y, +r.at.height]),
    sides: of('rect').map(r => [+r.at.x, +r.at.x + +r.at.width]),
    tips: all.map(x => x.at.title).filter(Boolean),
    dots: of('tr').map(r => cells(r).map(c => parseInt(c.kids[0]?.style['--ntf-size'] ?? 0))),
    notes: all.filter(x => x.at.class === 'ntf-note').map(text),
  };
};
const {createInterface} = await import('node:readline');
for await (const line of createInterface({input: process.stdin})) {
  const {data, commands, asked} = JSON.parse(line);
  const state = commands.reduce((s, [cmd, args]) => m.reduce(data, s, {cmd, ...args}), m.initial(data));
  const first = i => data.sets[m.setOf(data, i)].first, nothing = () => {};
  const page = () => ({
    data, state, by: 'share', sorted: -1, sub: 'h3', more: 99, many: data.strata.length > 1, tree: false,
    passages: new Map(),
    samples: new Map(Object.entries(data.samples ?? {})), texts: m.textsOf(data), reader: null,
    name: i => state.names[i],
    digit: i => `${i - first(i)}`, id: String, act: nothing, acts: nothing, redraw: nothing,
  });
  console.log(JSON.stringify(asked.map(([what, ...args]) => shown(known[what](page(), ...args)))));
}
"""


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    "`drawn(data, commands, (what, ...), ...)`: what the page's modules make of it."
    node = shutil.which('node') or pytest.skip('no node here, which draws the page')
    script = tmp_path_factory.mktemp('page') / 'draw.mjs'
    names = json.dumps([(BROWSER / f'{name}.js').as_uri() for name in MODULES])
    script.write_text(HARNESS.replace('MODULES', names, 1))
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding='utf-8')
    process = subprocess.Popen([node, script], **pipes)

    def ask(data, commands, *asked):
        process.stdin.write(json.dumps(dict(data=data, commands=commands, asked=asked)) + '\n')
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.communicate(timeout=10)


def payload(views, **kw):
    return json.loads(json.dumps(page_data(views, **kw).to_dict()))


def number(text):
    "What is meant by '12 %', '< 0.01 %', '+3.4 %', '×2.5', and half of its last digit."
    if text.strip() in ('–', ''):
        return 0.0, 0.0
    digits = re.search(r'\d+(?:\.(\d+))?', text)
    unit = 0.01 if '%' in text else 1.0
    half = 1.0 if '<' in text else 0.5  # '< 0.01 %' is anything below
    value = 0.0 if '<' in text else float(digits[0]) * (-1 if '−' in text else 1)
    return value * unit, 1.02 * half * unit * 10.0 ** -len(digits[1] or '')


def says(texts, values, rtol=2e-3, atol=0.0):
    "Whether texts are numbers as they are rounded."
    texts, values = list(texts), np.asarray(values, float)
    assert len(texts) == len(values)
    for text, value in zip(texts, values):
        found, most = number(text)
        assert abs(found - value) <= most + rtol * abs(value) + atol, (text, value)


# --- shares of topics, by strata ---


@given(models(), st.data())
def test_topics_and_strata_in_tables(drawn, m, draw):
    "All topics with their shares of the whole and of each stratum; merged ones have theirs together."
    v, S = m.view, range(len(m.view.strata))
    commands, groups = [], [[j] for j in range(m.rank)]
    if m.rank > 1 and draw.draw(st.booleans()):
        i, j = draw.draw(st.permutations(range(m.rank)))[:2]
        commands.append(['merge', dict(topic=i, into=j)])
        groups = [sorted((i, x)) if x == j else [x] for x in range(m.rank) if x != i]
    where = draw.draw(st.integers(-1, len(S) - 1))
    commands.append(['stratum', dict(stratum=where)])
    whole, names = joined(m, groups), [v.names[g[0]] if len(g) == 1 else None for g in groups]
    name = {j if len(g) == 2 else g[0]: n for n, g in enumerate(groups)}
    of = lambda topic, s: share(whole, name[topic], slice(None) if s < 0 else m.stratum == s)
    asked = ['table'], ['overview'], ['strata'], ['order', 'share']
    table, overview, strata, ids = drawn(payload(v), [*commands, ['panel', dict(panel=3)]], *asked)
    assert table[0] == ['topic', 'name', 'share', *(v.strata if len(S) > 1 else [])]
    assert [int(r[0]) for r in table[1:]] == ids and sorted(ids) == sorted(name)
    close([of(i, -1) for i in ids], sorted((of(i, -1) for i in ids), reverse=True), rtol=1e-3)
    for i, row, shown in zip(ids, table[1:], overview['rows'][1:]):
        want = [of(i, s) for s in (-1, *(S if len(S) > 1 else ()))]
        close(row[2:], want, rtol=1e-3)
        says([x for x in shown if x.endswith('%')], want)
        assert names[name[i]] in (None, row[1])
    if len(S) < 2:
        return
    head, *rows = strata['rows']
    assert len(rows) == len(ids)
    at = lambda row: int(re.match(r'\d+', row[0])[0])
    if len(S) == 2:
        a = max(0, where)
        b = 1 - a
        assert [v.strata[a] in head[1], v.strata[b] in head[2]] == [True, True]
        gaps = [of(at(r), a) - of(at(r), b) for r in rows]
        for r, gap in zip(rows, gaps):
            says([r[1], r[4], r[5]], [of(at(r), a), of(at(r), b), gap])
        close(gaps, sorted(gaps, reverse=True), rtol=2e-3, atol=2e-4)
    else:
        for r in rows:
            says(r[1:], [of(at(r), s) for s in (-1, *S)])
        by = draw.draw(st.sampled_from([-1, *S]))
        [sorted_by] = drawn(payload(v), commands, ['strata', by])
        column = [of(at(r), by) for r in sorted_by['rows'][1:]]
        close(column, sorted(column, reverse=True), rtol=1e-3, atol=1e-4)


@given(models())
def test_features_of_the_strata(drawn, m):
    v = m.view
    [found] = drawn(payload(v), [], ['features'])
    own = [[share(m, c, m.stratum == s) for c in features_of(m, s)] for s in range(len(v.strata))]
    if not sum(x > 0 for shares in own for x in shares):
        assert found is None
        return
    want = [[sum(shares), *sorted((x for x in shares if x > 0), reverse=True)] for shares in own]
    says([re.sub(' of it', '', t) for t in found['values']], sum(want, []))
    bare = replace(v, sizes=0 * v.sizes)
    both = payload([bare, v], sets=['one', 'two'])
    asked = [drawn(both, [['set', dict(set=n)]], ['features'])[0] for n in range(2)]
    assert asked[0] is None and asked[1]['values'] == found['values']  # of the run shown


# --- words ---


@given(models(), st.data())
def test_words_of_a_topic_beside_the_corpus(drawn, m, draw):
    "Its share, how many times that of the corpus it is, and the difference of two strata."
    v, k = m.view, m.view.term_mode
    i = draw.draw(st.integers(0, m.rank - 1))
    S, commands = range(len(v.strata)), [['select', dict(topic=i)]]
    s = draw.draw(st.integers(-1, len(S) - 1)) if len(S) > 1 else -1
    versus = draw.draw(st.sampled_from([-1, *(x for x in S if x != s)])) if s >= 0 else -1
    commands += [['stratum', dict(stratum=s)], ['versus', dict(stratum=versus)], ['panel', dict(panel=0)]]
    data = payload(v)
    drawn_terms, table = drawn(data, commands, ['terms', i, 0], ['table'])
    p, whole = profile(m, i, k), corpus(m, k)
    inside = lambda s: corpus(m._replace(data=m.parts[:, m.stratum == s].sum(0)), k)
    here = whole if s < 0 else inside(s)
    if not p.any():
        assert 'no weight' in drawn_terms['text']
        return
    assert [r[0] for r in drawn_terms['rows'][1:]] == [r[0] for r in table[1:]]
    for shown, row in zip(drawn_terms['rows'][1:], table[1:]):
        w = v.labels[k].index(row[0])
        close(row[1], p[w], rtol=5e-3)
        close(row[2], here[w], rtol=5e-3, atol=1e-9)
        says([shown[2]], [p[w]], 1e-2)
        if versus >= 0:
            close(row[3], inside(versus)[w], rtol=5e-3, atol=1e-9)
            there = inside(versus)[w]  # both travel with three digits
            says([shown[3]], [here[w] - there], atol=5e-3 * (here[w] + there))
        elif here[w] > 0:
            says([shown[3]], [p[w] / here[w]], 2e-2)


@given(models(), st.data())
def test_words_by_topics_and_what_tells_topics_apart(drawn, m, draw):
    "The area of a dot is a word's share of the topic; a word stands at the topic that has most of it."
    v, k, data = m.view, m.view.term_mode, payload(m.view)
    assume(m.rank > 1 and m.parts[: m.rank].any())
    ids = draw.draw(st.permutations(range(m.rank)))
    dots, telling, csv = drawn(data, [['panel', dict(panel=4)]], ['words'], ['telling', ids], ['table'])
    P = np.array([profile(m, j, k) for j in range(m.rank)])
    of = [v.labels[k].index(data['modes'][0]['items'][x]) for x in telling]
    home = []  # of words that the topic with most of them lists for sure: the first four of six, and no tie
    for w in of:
        n = max(range(m.rank), key=lambda n: P[ids[n], w])
        key = order_key(m, ids[n], k, 'saliency', 1)
        if (key > key[w]).sum() < 4 and np.sort(P[:, w])[-2] < 0.99 * P[:, w].max():
            home.append(n)
    assert home == sorted(home)
    columns = [int(re.match(r'\d+', t)[0]) for t in dots['rows'][0][1:]]
    words = [r[0] for r in dots['rows'][1:]]
    at = [v.labels[k].index(w) for w in words]
    want = np.sqrt(P[np.ix_(columns, at)].T / P[np.ix_(columns, at)].max()) * 26
    for row, size in zip(dots['dots'][1:], want):
        assert all(abs(a - b) < 0.6 or (b < 2.6 and a <= 2) for a, b in zip(row[1:], size))
    assert [v.names.index(x) for x in csv[0][1:]] == drawn(data, [], ['order', 'share'])[0]
    for row in csv[1:]:
        close(row[1:], [P[v.names.index(x), v.labels[k].index(row[0])] for x in csv[0][1:]], rtol=5e-3)


@given(models(), st.data())
def test_a_search_does_not_depend_on_the_stratum(drawn, m, draw):
    v, k = m.view, m.view.term_mode
    word, s = draw.draw(st.sampled_from(v.labels[k])), draw.draw(st.integers(0, len(v.strata) - 1))
    query = ['query', dict(value=word)]
    data = payload(v)
    [one], [two] = (drawn(data, c, ['listed']) for c in ([query], [['stratum', dict(stratum=s)], query]))
    assert one == two


# --- runs ---


@given(raw_models(), st.integers(1, 4), st.data())
def test_runs_beside_each_other(drawn, raw, rank, draw):
    "Likeness of every pair, and the order of each run by its own tree."
    W, H, V, sizes, rng = raw
    a = as_shown(W, H, [x[:, :, :0] for x in V], [len(W)]).view
    F = [random_factor(rng, 0.2, d, rank) for d in a.shape]
    b = view(F, labels=labels_of(H), samples=list(a.labels[0]), names=[f'other {j}' for j in range(rank)])
    data = payload([a, b], sets=['one', 'two'])
    n = draw.draw(st.integers(0, 1))
    v, w = (a, b) if n == 0 else (b, a)
    commands = [['set', dict(set=n)], ['other', dict(set=1 - n)], ['panel', dict(panel=2)]]
    table, sets, order, link = drawn(data, commands, ['table'], ['sets'], ['order', 'likeness'], ['link'])
    assert order == [n * a.rank + j for j in data['likeness'][n]['order']]
    likeness = np.array(data['similar'][n][1 - n])
    assert table[0][2:] == list(w.names) and len(table) == v.rank + 1
    for row in table[1:]:
        close(row[2:], likeness[int(row[0])])
        assert row[1] == v.names[int(row[0])]
    columns = [int(x) for x in sets['rows'][0][1:-1]]
    assert [t for t in sets['tips'] if t in w.names][: len(columns)] == [w.names[j] for j in columns]
    for row, heat in zip(sets['rows'][1:], sets['heat'][1:]):
        i = int(re.match(r'\d+', row[0])[0])
        close(heat[1:-1], likeness[i][columns])
        partner = data['match'][n][1 - n][i]
        assert row[-1] == ('none' if partner < 0 else f'{partner}{w.names[partner]}')
    state = dict(pair.split('=') for pair in link[0].split('&'))
    chosen = [args['topic'] for cmd, args in link[1] if cmd == 'select']
    assert int(state.get('topic', 0)) < v.rank and chosen == [n * a.rank + int(state['topic'])]


# --- samples and texts ---


@given(models(), st.data())
def test_typical_samples_of_merged_topics(drawn, m, draw):
    "A sample's weight in a merged topic is the sum; a stratum has samples of its own, the largest first."
    v, S = m.view, range(len(m.view.strata))
    assume(m.rank > 1)
    i, j = draw.draw(st.permutations(range(m.rank)))[:2]
    all_of = Samples((v,))
    data = payload(v) | dict(samples={f'{t}/-1': all_of.best(t, -1, 99) for t in range(m.rank)})
    s = draw.draw(st.integers(-1, len(S) - 1))
    commands = [['merge', dict(topic=i, into=j)], ['stratum', dict(stratum=s)]]
    [found], [hot] = drawn(data, commands, ['samples', j]), drawn(data, commands, ['hot', j])
    w = over(m.parts[i] + m.parts[j], 0)
    w = np.where((s < 0) | (m.stratum == s), w, 0)
    close([x['weight'] for x in found], np.sort(w[w > 0])[::-1], rtol=2e-3)
    close([x['weight'] for x in found], w[[x['id'] for x in found]], rtol=2e-3)
    weights = [x for _, x in hot]
    assert weights == sorted(weights, reverse=True) and (not weights or weights[0] == 1)


@given(models(), st.data())
def test_samples_of_a_stratum_that_none_were_sent_for(drawn, m, draw):
    "A file has no lists for each of many strata: then its whole texts of the stratum, those with most first."
    i, s = draw.draw(st.integers(0, m.rank - 1)), draw.draw(st.integers(0, len(m.view.strata) - 1))
    parts = {n: [share(m, j, [n]) for j in range(m.rank)] for n in range(len(m.stratum))}
    text = lambda n: dict(text='tax ' * 100, shares=parts[n], title=f't{n}', stratum=int(m.stratum[n]))
    data = payload(m.view) | dict(samples={}, texts={str(n): text(n) for n in parts})
    [found] = drawn(data, [['stratum', dict(stratum=s)]], ['samples', i])
    want = {n: p[i] for n, p in parts.items() if m.stratum[n] == s and p[i] > 0.005}
    close(
        sorted(x['part'] for x in found if x['part'] > 0.006), sorted(x for x in want.values() if x > 0.006)
    )
    assert [x['part'] for x in found] == sorted((x['part'] for x in found), reverse=True)
    assert all(x['stratum'] == s and x['text'].endswith('…') and len(x['text']) < 260 for x in found)


@given(models(), st.data())
def test_a_text_and_the_places_of_a_word(drawn, m, draw):
    "Its topics are those of the set shown; places are counted by the strata, and stay in the one chosen."
    v, S = m.view, range(len(m.view.strata))
    data, n = payload([v, v], sets=['one', 'two']), len(m.stratum)
    part = [[share(m, j, [i]) for j in range(m.rank)] for i in range(n)]
    lines = draw.draw(
        st.lists(st.sampled_from(['tax', 'the tax, a Tax', 'taxes', 'war']), min_size=n, max_size=n)
    )
    one = lambda i: dict(
        text=lines[i], shares=[0.0] * m.rank + part[i], title=f't{i}', stratum=int(m.stratum[i])
    )
    data |= dict(texts={str(i): one(i) for i in range(n)}, samples={})
    s, i = draw.draw(st.integers(-1, len(S) - 1)), draw.draw(st.integers(0, n - 1))
    commands = [['set', dict(set=1)], ['stratum', dict(stratum=s)]]
    items = data['modes'][0]['items']
    asked = [['reader', dict(kind='text', sample=i, list=[i])], ['found', 'tax']]
    asked += [['reader', dict(kind='word', item=items.index('tax'))]] if 'tax' in items else []
    short = dict(text='x', title='', shares=[0.1] * (2 * m.rank + 1), stratum=0)
    place = lambda word: dict(list=[dict(sample=0, before='', word=word, after='')], total=7)
    sent = [[f'0/0/{x}', place('mine' if x == s else 'other')] for x in range(-1, len(S))]
    text, found, *rest = drawn(data, commands, *asked, ['text', short])
    [told] = drawn(data | dict(ask=True), commands, ['reader', dict(kind='word', item=0), sent])
    assert rest[-1]['shares'] == []  # of other topics than there are
    shown = sorted((x for x in part[i] if x > 0.005), reverse=True)[:6]
    says([r[-1] for r in text['rows']], shown)
    inside = [x for x in range(n) if s < 0 or m.stratum[x] == s]
    assert [x['sample'] for x in found] == [x for x in inside if 'tax' in lines[x]]
    assert told['text'].count('mine') == 1 and told['notes'][0].startswith('1 of 7 place')
    if len(rest) > 1:
        count = [lines[x].lower().replace('taxes', '').count('tax') for x in inside]
        assert rest[0]['notes'][0].startswith(f'{sum(count)} place')
        for t in S if s < 0 and len(S) > 1 else ():
            own = sum(c for x, c in zip(inside, count) if m.stratum[x] == t)
            assert (f'{v.strata[t]} {own}' in rest[0]['notes'][0]) == (own > 0)


# --- curves and pictures ---


@given(models(), st.data())
def test_courses_of_merged_topics(drawn, m, draw):
    "The columns of every period say the share of both topics together."
    v = m.view
    assume(m.rank > 1)
    times = draw.draw(st.lists(st.sampled_from([1990, 1991, 1995]), min_size=v.shape[0], max_size=v.shape[0]))
    i, j = draw.draw(st.permutations(range(m.rank)))[:2]
    s = draw.draw(st.integers(-1, len(v.strata) - 1))
    commands = [['merge', dict(topic=i, into=j)], ['stratum', dict(stratum=s)]]
    data = payload(v, times=('year', times))
    [found], [all_] = drawn(data, commands, ['course', j]), drawn(data, commands[:1], ['overview'])
    course = data['course']
    parts = [a + b for a, b in zip(course['total'][i], course['total'][j])]
    most = f'most in {course["labels"][int(np.argmax(parts))]}, '
    said = [x.removeprefix(most) for x in all_['labels'] if x.startswith('most in ')]
    assert any(abs(number(x)[0] - max(parts)) <= number(x)[1] + 2e-3 for x in said if 'most' not in x)
    gone = course | dict(all=[False, *course['all'][1:]], has=[[False, *h[1:]] for h in course['has']])
    [left] = drawn(data | dict(course=gone), commands, ['course', j])
    assert not any(x.startswith(f'{course["labels"][0]}:') for x in left['titles'])  # nothing is no zero
    inside = np.ones(len(m.stratum), bool) if s < 0 else m.stratum == s
    for title in found['titles']:
        when, said = title.split(': ')
        year, *name = when.split(', ')
        at = inside & (np.array(times) == int(year))
        if name:
            at &= m.stratum == v.strata.index(name[0])
        says([said], [share(m, i, at) + share(m, j, at)], 1e-2)


@given(models(), st.data())
@settings(max_examples=20)
def test_a_curve_and_the_corpus_behind_it(drawn, m, draw):
    "Columns as high as the entries, a line as high as the corpus of the stratum."
    v, k = m.view, m.view.term_mode
    j = draw.draw(st.integers(0, m.rank - 1))
    s = draw.draw(st.integers(-1, len(v.strata) - 1)) if len(v.strata) > 1 else -1
    data = payload(v, kinds={v.modes[k]: 'ordered'})
    at = next(n for n, mode in enumerate(data['modes']) if mode['name'] == v.modes[k])
    commands = [
        ['stratum', dict(stratum=s)],
        ['select', dict(topic=j)],
        ['mode', dict(mode=at)],
        ['panel', dict(panel=0)],
    ]
    found, table = drawn(data, commands, ['figure', j, at], ['table'])
    p = profile(m, j, k)
    line = corpus(m if s < 0 else m._replace(data=m.parts[:, m.stratum == s].sum(0)), k)
    assume(p.any() and len(p) > 1)
    top = max(p.max(), line.max())
    base = found['drawn'][0][0] + found['drawn'][0][1]
    close([h for _, h in found['drawn']], (base - 8) * p / top, rtol=1e-2, atol=0.06)
    heights = [base - float(y) for y in re.findall(r'[LM][-\d.]+,([-\d.]+)H', found['paths'][-1])]
    close(heights, (base - 8) * line / top, rtol=1e-2, atol=0.06)
    assert found['marks'][0] == '0'
    says(found['marks'][1:3], [top / 2, top], 1e-2)
    kept = [w for w, x in zip(v.labels[k], p) if x > 0]
    assert [r[0] for r in table[1:]] == kept  # in the order of the mode


@given(models(), st.data())
@settings(max_examples=20)
def test_a_picture_of_merged_topics(drawn, m, draw):
    "As bright as the profile of the sum."
    v, k = m.view, m.view.term_mode
    assume(m.rank > 1)
    i, j = draw.draw(st.permutations(range(m.rank)))[:2]
    data = payload(v, kinds={v.modes[k]: (1, v.shape[k])})
    at = next(n for n, mode in enumerate(data['modes']) if mode['kind'] == 'image')
    [found] = drawn(data, [['merge', dict(topic=i, into=j)]], ['picture', j, at])
    p = over(m.parts[i] + m.parts[j], k)
    green = np.array(found['pixels'][0]).reshape(-1, 4)[:, 1]  # it rises with the grey, from 34 to 232
    scale = [34, 53, 73, 93, 113, 134, 156, 179, 204, 232]
    want = np.interp(9 * ratio(p, p.max()), range(10), scale)
    np.testing.assert_allclose(green, want, atol=3)


@given(st.integers(0, 99))
@settings(max_examples=10)
def test_a_picture_of_two_curves(drawn, seed):
    "Bright where both are high: columns from the left, rows from below; names of the two are its axes."
    rng = np.random.default_rng(seed)
    bump = lambda n: np.exp(-((np.arange(n) - rng.uniform(0, n - 1)) ** 2) / 8)[:, None] + 0.01
    F = rng.random((3, 1)), bump(12), bump(17)
    labels = dict(down=[f'{x} nm' for x in range(12)], along=[f'{x} s' for x in range(17)])
    data = payload(view(list(F), labels=labels), kinds={('down', 'along'): None})
    at = next(n for n, mode in enumerate(data['modes']) if mode['kind'] == 'image')
    [found] = drawn(data, [], ['picture', 0, at])
    wide = 300 - 58 - 44 - 8
    high = round(min(280, max(150, 0.62 * wide)))
    green = np.array(found['pixels'][0]).reshape(high, wide, 4)[:, :, 1]
    finer = lambda f, m: np.interp((np.arange(m) + 0.5) * len(f) / m - 0.5, np.arange(len(f)), f[:, 0])
    p = finer(F[1], high)[::-1, None] * finer(F[2], wide)
    level = np.minimum(11, np.floor(12 * p / p.max()))
    want = np.interp(
        9 * np.round(255 * level / 11) / 255, range(10), [34, 53, 73, 93, 113, 134, 156, 179, 204, 232]
    )
    assert (abs(green - want) < 3).mean() > 0.98  # but for pixels on the edge of a level


@given(st.integers(61, 150), st.integers(0, 99), st.data())
@settings(max_examples=10)
def test_what_is_under_the_pointer(drawn, n, seed, draw):
    "A long curve says the name and the share of the column that is pointed at."
    rng = np.random.default_rng(seed)
    v = view([rng.random((3, 2)), rng.random((n, 2))], labels=dict(time=[f'{x} s' for x in range(n)]))
    data, i = payload(v, kinds=dict(time='ordered')), draw.draw(st.integers(0, n - 1))
    at = next(k for k, mode in enumerate(data['modes']) if mode['name'] == 'time')
    left, width = 46, 600 - 46 - 6
    [said] = drawn(data, [], ['pointed', 1, at, left + width * (i + 0.5) / n])
    name, part = said.split(': ')
    assert name == f'{i} s'
    says([part], [v.topics[0][i, 1]], 5e-3)


@given(models(), st.data())
def test_the_list_of_topics(drawn, m, draw):
    "Shares of what the line above it says, bars by the largest; a search says its part of the word."
    v, k, data = m.view, m.view.term_mode, payload(m.view)
    s = draw.draw(st.integers(-1, len(v.strata) - 1))
    word = draw.draw(st.sampled_from(['', *v.labels[k]]))
    [found] = drawn(data, [['stratum', dict(stratum=s)], ['query', dict(value=word)]], ['list'])
    at, w = (slice(None) if s < 0 else m.stratum == s), v.labels[k].index(word) if word else 0
    mass = np.array([over(p, k)[w] for p in m.parts])
    want = [ratio(mass[j], mass.sum()) if word else share(m, j, at) for j, _, _ in found['rows']]
    says([said for _, said, _ in found['rows']], want, 1e-2)
    widths = [float(width[:-1]) / 100 for _, _, width in found['rows']]
    close(widths, np.array(want) / max([*want, 1e-300]), rtol=2e-2, atol=1e-3)
    of = word if word else 'everything' if s < 0 else v.strata[s]
    assert of in found['said'] or (not found['rows'] and word in found['said'])


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(0, 99))
def test_the_tree_of_topics_by_their_distance(drawn, distances, seed):
    "The less two topics are apart the further right they meet; halfway between what is joined."
    rng, known, merges = np.random.default_rng(seed), list(range(len(distances) + 1)), []
    for n, d in enumerate(sorted(distances)):
        a, b = (known.pop(rng.integers(len(known))) for _ in range(2))
        merges.append([a, b, d])
        known.append(len(distances) + 1 + n)
    leaves = rng.permutation(len(distances) + 1).tolist()
    [lines] = drawn(
        payload(view([np.ones((2, 1)), np.ones((2, 1))])), [], ['branches', merges, leaves, 100, 10]
    )
    place = {j: (100.0, 10 * (leaves.index(j) + 0.5)) for j in leaves}
    for n, ((a, b, _), line) in enumerate(zip(merges, lines)):
        (xa, ya), (xb, yb) = place[a], place[b]
        close([line[0], line[1], line[3], line[4]], [xa, ya, yb, xb])
        assert line[2] <= min(xa, xb) + 1e-9
        place[len(leaves) + n] = line[2], (ya + yb) / 2
    at = [line[2] for line in lines]
    assert at == sorted(at, reverse=True) and at[0] > 0 and at[-1] < 10


# --- what a reader does ---


def words_of_a_file(draw, key, sets, names):
    "Edits as a file holds them, of this model or not."
    n = sum(sets)
    some = lambda values: {str(j): draw(values) for j in draw(st.sets(st.integers(0, n - 1), max_size=2))}
    topic, text = st.integers(0, n - 1), st.sampled_from([*names, 'x', '', '\u202e'])
    few = lambda: draw(st.lists(topic, unique=True, max_size=n))
    inside = lambda j: st.integers(j, sets[0] * (1 + j // sets[0]) - 1)  # of one set, and no circle
    merged = {str(j): draw(inside(j)) for j in range(n) if draw(st.booleans())}
    if not draw(st.integers(0, 2)):
        merged = some(topic)
    told = dict(ntf_lit='edits', version=1, key=key, sets=sets, outlines=[], merged=merged)
    return json.dumps(told | dict(names=some(text), notes=some(text), hidden=few(), order=few()))


@given(models(), st.data())
def test_the_page_and_python_go_the_same_way(drawn, m, draw):
    "Any commands, one after the other: both have the same state, and list the same topics."
    v = m.view
    page = page_data([v, v], sets=['one', 'two'])
    data, n = json.loads(json.dumps(page.to_dict())), 2 * m.rank
    topic, stratum, text = (
        st.integers(-1, n),
        st.integers(-1, len(v.strata)),
        st.sampled_from(['', 'a', 'tax', ' b ']),
    )
    sets, small, sent = st.integers(0, 2), st.integers(0, 5), []
    args = dict(
        select=dict(topic=topic), beside=dict(topic=topic), stratum=dict(stratum=stratum),
        versus=dict(stratum=stratum), mode=dict(mode=small), lam=dict(value=st.floats(0, 1)),
        order=dict(order=small), query=dict(value=text), panel=dict(panel=small), set=dict(set=sets),
        other=dict(set=sets), name=dict(topic=topic, value=text),
        hide=dict(topic=topic), show=dict(topic=topic), merge=dict(topic=topic, into=topic),
        split=dict(topic=topic), note=dict(topic=topic, value=text),
        arrange=dict(topics=st.lists(topic, unique=True, max_size=n)), undo={}, edits=dict(value=st.none()),
    )  # fmt: skip
    state = first_state(page, data['sets'][0]['first'] + int(np.argmax(data['share'][: m.rank])))
    often = ['merge', 'edits', 'select', 'undo', 'arrange', 'hide']
    for cmd in draw.draw(st.lists(st.sampled_from([*args, *often * 2]), max_size=12)):
        given_args = {name: draw.draw(x) for name, x in args[cmd].items()}
        if cmd == 'edits':
            given_args = dict(value=words_of_a_file(draw.draw, page.key, [m.rank] * 2, ['n', 'tax']))
        sent.append([cmd, given_args])
        if checked := checked_command(dict(cmd=cmd, **given_args), sizes(page)):
            state = next_state(page, state, *checked)
    [there], [listed] = (
        drawn(data, sent, ['state']),
        drawn(data, [*sent, ['query', dict(value='')]], ['listed']),
    )
    want = json.loads(json.dumps(state.to_dict()))
    assert {name: there[name] for name in want} == want

    def whole(j):
        return j if there['into'][j] == j else whole(there['into'][j])

    s, first = there['stratum'], there['set'] * m.rank
    shares = data['share'] if s < 0 else data['shares'][s]
    mass = {j: sum(shares[i] for i in range(n) if whole(i) == j) for j in range(n) if whole(j) == j}
    place = lambda j: there['own_order'].index(j) if j in there['own_order'] else n
    mine = [j for j in range(first, first + m.rank) if whole(j) == j]
    order = sorted(mine, key=lambda j: (j in there['hidden'], place(j), -mass[j], j))
    assert [x['id'] for x in listed] == order


@given(hierarchies(), st.data())
def test_links_of_merged_topics(drawn, h, draw):
    "What goes from a merged topic to one above is the sum of what its parts send there, by their shares."
    t, layers = h
    data = json.loads(json.dumps(HierarchyBrowser(t, front='core').data.to_dict()))
    start = np.cumsum([0, *t.ranks])
    l = draw.draw(st.integers(0, len(layers) - 2))
    assume(t.ranks[l] > 1)
    i, j = draw.draw(st.permutations(range(t.ranks[l])))[:2]
    merge = dict(topic=int(start[l] + i), into=int(start[l] + j))
    [up] = drawn(data, [['merge', merge]], ['linked'])
    share, part = layer_shares(layers)[l], declared(layers[l + 1])
    assume(share[i] + share[j] > 1e-3)
    flow = (share[i] * part[i] + share[j] * part[j]) / (share[i] + share[j])
    found = {a: x for a, x in up[start[l] + j]}
    close([found.get(int(start[l + 1]) + a, 0) for a in range(t.ranks[l + 1])], flow, rtol=2e-2, atol=2e-3)
    assert up[start[l] + i] == []


@given(models(), st.data())
@settings(max_examples=20)
def test_topics_laid_over_each_other(drawn, m, draw):
    "Each as a part of its own peak, and none that is hidden."
    v, k = m.view, m.view.term_mode
    data = payload(v, kinds={v.modes[k]: 'ordered'})
    at = next(n for n, mode in enumerate(data['modes']) if mode['name'] == v.modes[k])
    j, hidden = (draw.draw(st.integers(0, m.rank - 1)) for _ in range(2))
    shown = [i for i in range(m.rank) if i == j or i != hidden]
    [found] = drawn(data, [['hide', dict(topic=hidden)]], ['overlaid', j, at])
    assert len(found['paths']) == len(shown)
    curves = [[float(y) for y in re.findall(r'[ML][-\d.]+,([-\d.]+)', d)] for d in found['paths']]
    base = 190 - 34
    want = [base - (base - 8) * ratio(p, p.max()) for p in (profile(m, i, k) for i in shown)]
    close(np.sort(np.round(curves, 0), axis=0), np.sort(np.round(want, 0), axis=0), atol=1.1)
    assert sorted(found['marks'][:3]) == ['0', '0.5', '1']


@given(models(), st.data())
@settings(max_examples=20)
def test_topics_in_the_order_of_their_stability(drawn, m, draw):
    data = payload(m.view)
    data['stability'] = draw.draw(st.lists(st.floats(0, 1), min_size=m.rank, max_size=m.rank))
    by, names = drawn(data, [], ['order', 'stability'], ['order', 'name'])
    steady = [data['stability'][i] for i in by]
    assert steady == sorted(steady, reverse=True) and sorted(by) == list(range(m.rank))
    assert [data['names'][i] for i in names] == sorted(data['names'])


@given(hierarchies())
@settings(max_examples=20)
def test_what_is_told_of_a_node(drawn, h):
    "Its words with their own part, what it is made of, and what it is part of."
    t, layers = h
    data = json.loads(json.dumps(HierarchyBrowser(t, front='core').data.to_dict()))
    start, shares = np.cumsum([0, *t.ranks]), layer_shares(layers)
    for l, j in [(l, j) for l, layer in enumerate(layers) for j in range(layer.rank)]:
        [found] = drawn(data, [['select', dict(topic=int(start[l] + j))]], ['node', int(start[l] + j)])
        up = declared(layers[l + 1])[j] if l + 1 < len(layers) else np.zeros(0)
        flow = shares[l - 1] * declared(layers[l])[:, j] if l else np.zeros(0)
        made, part = np.sort(ratio(flow, flow.sum()))[::-1], np.sort(up)[::-1]
        links = [r for r in found['rows'] if len(r) == 3 and re.match(r'\d', r[0])]
        if any(((x > 5e-4) & (x < 3e-3)).any() for x in (made, part)):
            continue  # whether such a one is shown lies in its rounding
        want = [*made[made > 1e-3], *part[part > 1e-3]]
        links = [r for r in links if number(r[2])[0] > 1.5e-3]
        says([r[2] for r in links], want, 1e-2, atol=2e-3)
        own = dict(zip(*(tables.node_words(t, l, j, 99)[c] for c in ('term', 'own'))))
        p = dict(zip(*(tables.node_words(t, l, j, 99)[c] for c in ('term', 'probability'))))
        for r in found['rows'] if up.any() else ():
            if len(r) == 4 and r[0] in own and p[r[0]] > 0.02:
                says([r[3]], [own[r[0]] / p[r[0]]], atol=0.03)


@given(st.integers(0, 99), st.integers(-1, 2))
@settings(max_examples=10)
def test_more_strata_than_two(drawn, seed, by):
    "A head orders the table by its column; a period without samples is left out of the course of all."
    rng = np.random.default_rng(seed)
    W, H = rng.random((6, 4)), [rng.random((5, 4))]
    m = as_shown(W, H, [np.zeros((3, 5, 0))], [2, 2, 2])
    data = payload(m.view, times=('year', [1990, 1991, 1992] * 2))
    [table] = drawn(data, [], ['strata', by])
    column = [share(m, int(r[0][0]), slice(None) if by < 0 else m.stratum == by) for r in table['rows'][1:]]
    close(column, sorted(column, reverse=True), rtol=1e-3)
    says([r[by + 2] for r in table['rows'][1:]], column)
    [whole] = drawn(data, [], ['course', 0])
    gone = data | dict(course=data['course'] | dict(all=[True, False, True]))
    [left] = drawn(gone, [], ['course', 0])
    [beside] = drawn(data, [['stratum', dict(stratum=0)], ['versus', dict(stratum=1)]], ['course', 0])
    for found in (whole, left, beside):  # no column stands on another
        sides = sorted(found['sides'])
        assert sides and all(a[1] <= b[0] + 0.1 for a, b in zip(sides, sides[1:]))
    years = lambda found: [x.split(': ')[0] for x in found['titles']]
    assert years(whole) == ['1990', '1991', '1992'] and years(left) == ['1990', '1992']
