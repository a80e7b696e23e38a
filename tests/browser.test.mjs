// The page's pure functions, against Python where Python has the same:  node --test tests/browser.test.mjs
import test from 'node:test';
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import * as format from '../ntf_lit/static/browser/format.js';
import * as links from '../ntf_lit/static/browser/links.js';
import * as overview from '../ntf_lit/static/browser/overview.js';
import * as pageLayout from '../ntf_lit/static/browser/layout.js';
import * as kept from '../ntf_lit/static/browser/kept.js';
import * as publish from '../ntf_lit/static/browser/publish.js';
import * as reader from '../ntf_lit/static/browser/reader.js';
import * as samples from '../ntf_lit/static/browser/samples.js';
import * as pageState from '../ntf_lit/static/browser/state.js';

const m = {...format, ...kept, ...links, ...overview, ...reader, ...publish, ...samples, ...pageLayout, ...pageState};
const interpreter = process.env.PYTHON || 'python3';
const python = code => JSON.parse(execFileSync(interpreter, ['-c', code], {encoding: 'utf8'}));
const near = (a, b, eps) => a === b || Math.abs(a - b) <= eps * Math.max(1, Math.abs(a));
const close = (a, b, eps = 1e-9) => assert.ok(near(a, b, eps), `${a} is not ${b}`);

const words = {
  name: 'term', kind: 'words', items: ['war', 'tax', 'gold', 'peace treaty'],
  corpus: [
    [[.4, .3, .2, .1], [.5, .2, .2, .1], [.3, .4, .2, .1], [.4, .3, .2, .1]],
    [[.1, .2, .3, .4], [.1, .2, .3, .4], [.1, .2, .3, .4], [.1, .2, .3, .4]],
  ],
  p: [{at: [0, 3], v: [.8, .2]}, {at: [1, 2], v: [.5, .5]}, {at: [2], v: [1]}],
};
const data = {
  kind: 'topics', share: [.5, .3, .2], shares: [[.6, .2, .2], [.4, .4, .2]], names: ['war', 'tax', 'gold'],
  strata: ['a', 'b'], term: 0, modes: [words], key: 'k',
  sets: [{name: 'one', first: 0, count: 2}, {name: 'two', first: 2, count: 1}],
};
const start = m.initial(data);

test('relevance and saliency are those of ntf_lit.views', () => {
  const py = python(`import json, numpy as np
from ntf_lit.views import relevance, saliencies
p, c = np.array([.3, .1, .6]), np.array([.1, .2, .7])
P = np.array([[.1, .6], [.4, .3], [.5, .1]])
m = np.array([1., 3.])
w = P @ m / 4
relevant = [relevance(p, c, l).tolist() for l in (0, .25, .6, 1)]
print(json.dumps([relevant, (saliencies(P, m) / (m/4)).tolist(), w.tolist()]))`);
  const p = [.3, .1, .6], corpus = [.1, .2, .7];
  [0, .25, .6, 1].forEach((lam, l) =>
    p.forEach((x, i) => close(m.relevance(x, corpus[i], lam), py[0][l][i])));
  [[.1, .6], [.4, .3], [.5, .1]].forEach((row, i) =>
    row.forEach((x, j) => close(m.saliency(x, py[2][i]), py[1][i][j])));
  assert.equal(m.relevance(0, .5, .6), -Infinity);
});

test('every command in and out of range, as in Python', () => {
  const commands = python(`import json
from ntf_lit.browser_state import COMMANDS
print(json.dumps(sorted(COMMANDS)))`).filter(c => c !== 'samples');
  for (const cmd of commands) assert.doesNotThrow(() => m.reduce(data, start, {cmd}));
  const refused = [
    null, undefined, 'select', {}, {cmd: 'select'}, {cmd: 'select', topic: 3}, {cmd: 'select', topic: -1},
    {cmd: 'select', topic: 1.5}, {cmd: 'select', topic: '1'}, {cmd: 'toString'}, {cmd: '__proto__'},
    {cmd: 'constructor'}, {cmd: 'lam', value: NaN}, {cmd: 'lam', value: 2},
    {cmd: 'query', value: 'x'.repeat(201)}, {cmd: 'mode', mode: 1}, {cmd: 'merge', topic: 0, into: 0},
    {cmd: 'merge', topic: 0, into: 2}, {cmd: 'split', topic: 0}, {cmd: 'show', topic: 0}, {cmd: 'undo'},
    {cmd: 'versus', stratum: 0},
  ];
  for (const bad of refused) assert.equal(m.reduce(data, start, bad), start);
  const east = m.reduce(data, start, {cmd: 'stratum', stratum: 0});
  assert.equal(m.reduce(data, east, {cmd: 'versus', stratum: 0}), east); // nothing is compared with itself
});

test('edits can be undone, one by one', () => {
  const rename = {cmd: 'name', topic: 0, value: 'WAR'};
  const steps = [rename, {cmd: 'hide', topic: 1}, {cmd: 'merge', topic: 0, into: 1}];
  const end = steps.reduce((s, c) => m.reduce(data, s, c), start);
  assert.deepEqual([end.names[0], end.hidden, end.into, end.selected], ['WAR', [1], [1, 1, 2], 1]);
  const back = steps.reduce(s => m.reduce(data, s, {cmd: 'undo'}), end);
  assert.deepEqual([back.names, back.hidden, back.into, back.undo], [start.names, [], [0, 1, 2], []]);
  assert.equal(m.reduce(data, end, {cmd: 'name', topic: 0, value: ' '}).names[0], 'war');
  assert.equal(m.reduce(data, start, {cmd: 'select', topic: 2}).set, 1);
});

const file = {
  ntf_lit: 'edits', version: 1, key: 'k', sets: [2, 1], names: {0: 'W\u0007'}, merged: {0: 1}, notes: {1: 'why'},
  hidden: [2], order: [1, 0], outlines: [],
};

test('the page and Python do the same', () => {
  const steps = [
    ['select', {topic: 1}], ['stratum', {stratum: 1}], ['versus', {stratum: 0}],
    ['name', {topic: 0, value: 'x'}], ['beside', {topic: 0}], ['merge', {topic: 0, into: 1}],
    ['hide', {topic: 1}], ['undo', {}], ['set', {set: 1}], ['undo', {}], ['undo', {}],
    ['order', {order: 2}], ['depth', {layer: 1}], ['stratum', {stratum: -1}],
    ['lam', {value: .25}], ['query', {value: 'tax'}], ['panel', {panel: 2}], ['other', {set: 0}],
    ['shape', {shape: 1}], ['name', {topic: 2, value: ' y '}], ['show', {topic: 0}], ['hide', {topic: 0}],
    ['show', {topic: 0}], ['mode', {mode: 0}], ['name', {topic: 2, value: ''}], ['undo', {}],
    ['merge', {topic: 0, into: 1}], ['select', {topic: 0}], ['split', {topic: 0}], ['undo', {}],
    ['note', {topic: 1, value: ' about\u202e it\n'}], ['note', {topic: 1, value: 'about it'}], ['undo', {}],
    ['arrange', {topics: [1, 0]}], ['arrange', {topics: [0]}], ['undo', {}], ['note', {topic: 0, value: 'n'}],
    ['edits', {value: JSON.stringify(file)}], ['edits', {value: JSON.stringify(file)}], ['undo', {}],
    ['edits', {value: '{'}], ['edits', {value: JSON.stringify({...file, merged: {0: 1, 1: 0}})}],
    ['edits', {value: JSON.stringify({...file, merged: {0: 2}})}],
    ['edits', {value: JSON.stringify({...file, key: 'other'})}], ['undo', {}], ['select', {topic: 1}], ['beside', {topic: 0}],
    ['edits', {value: JSON.stringify(file)}], ['undo', {}], ['select', {topic: 0}],
    ['edits', {value: JSON.stringify(file)}],
  ];
  const py = python(`import json
from dataclasses import fields
from ntf_lit.browser_data import PageData
from ntf_lit.browser_state import checked_command, first_state, next_state, sizes
given = json.loads(${JSON.stringify(JSON.stringify({data, steps}))})
data = PageData(**dict.fromkeys(f.name for f in fields(PageData)) | given['data'])
state, out = first_state(data, 0), []
for cmd, args in given['steps']:
    state = next_state(data, state, *checked_command(dict(cmd=cmd, **args), sizes(data)))
    out.append(state.to_dict())
print(json.dumps(out))`);
  let s = start;
  steps.forEach(([cmd, args], n) => {
    s = m.reduce(data, s, {cmd, ...args});
    for (const k of Object.keys(py[n])) assert.deepEqual(s[k], py[n][k], `${k} after ${n}: ${cmd}`);
  });
  assert.equal(Object.keys(py[0]).length, 19);
});

test('merged topics are mixed by their shares', () => {
  const s = m.reduce(data, start, {cmd: 'merge', topic: 1, into: 0});
  const {at, v} = m.profile(data, s, 0, 0);
  assert.deepEqual(at, [0, 1, 2, 3]);
  [.5, .1875, .1875, .125].forEach((x, i) => close(v[i], x));
  close(m.share(data, s, 0), .8);
  close(m.share(data, s, 0, 1), .8);
});

test('rows, lists and search', () => {
  assert.deepEqual(m.rows(data, {...start, lam: 1}, 0, 0).map(r => r.item), [0, 3]);
  assert.deepEqual(m.rows(data, {...start, stratum: 1}, 0, 0).map(r => r.corpus), [.3, .1]);
  assert.deepEqual(m.rows(data, start, 2, 0).map(r => [r.corpus, r.whole]), [[.3, .3]]); // of its own set
  const salient = {...start, order: 2};
  for (const stratum of [-1, 0, 1]) assert.deepEqual(m.rows(data, {...salient, stratum}, 1, 0).map(r => r.item), [2, 1]);
  const steady = {...data, stability: [.9, null, .2]};
  assert.deepEqual([0, 1, 2].map(i => m.stability(steady, start, i)), [.9, null, .2]);
  assert.equal(m.stability(steady, m.reduce(data, start, {cmd: 'merge', topic: 1, into: 0}), 0), null);
  assert.equal(m.stability(data, start, 0), null);
  const alone = {...words, corpus: [[[.4, .3, .2, .1], [.1, .2, .3, .4]]]}; // one stratum: the data, and the model
  for (const stratum of [-1, 0]) assert.deepEqual(m.corpusOf(alone, 0, stratum), [.4, .3, .2, .1]);
  assert.deepEqual(m.listed(data, start).map(x => x.id), [0, 1]);
  assert.deepEqual(m.listed(data, {...start, stratum: 1, hidden: [0]}).map(x => x.id), [1, 0]);
  assert.deepEqual(m.listed(data, {...start, own_order: [1]}).map(x => x.id), [1, 0]);
  assert.deepEqual(m.listed(data, {...start, own_order: [1, 0]}).map(x => x.id), [1, 0]);
  assert.deepEqual(m.listed(data, {...start, own_order: [0, 1]}).map(x => x.id), [0, 1]);
  assert.deepEqual(m.listed(data, {...start, own_order: [1, 0], hidden: [1]}).map(x => x.id), [0, 1]);
  const found = m.listed(data, {...start, query: 'GOLD'});
  assert.deepEqual(found.map(x => [x.id, x.hits]), [[1, 1]]);
  close(found[0].share, .3 * .5 / .2); // of all there is of the word, whatever topics keep it
  const verse = {...start, names: ['verse', 'tax', 'gold'], query: 'VER'}; // by its name alone
  assert.deepEqual(m.listed(data, verse).map(x => [x.id, x.share]), [[0, 0]]);
  assert.deepEqual([...m.matching(data, ' WA')], [0]);
  assert.deepEqual([...m.matching(data, '')], []);
  assert.deepEqual(m.listed(data, {...start, query: 'qqq'}), []);
});

test('a link says what is looked at, and leads there', () => {
  const go = (s, commands) => commands.reduce((x, [cmd, args]) => m.reduce(data, x, {cmd, ...args}), s);
  const steps = [['select', {topic: 1}], ['panel', {panel: 0}], ['lam', {value: .4}], ['stratum', {stratum: 1}],
    ['versus', {stratum: 0}], ['beside', {topic: 0}], ['query', {value: 'a & b=c'}], ['order', {order: 2}]];
  const there = go(start, steps), again = go(start, m.fromLink(data, m.toLink(data, there)));
  assert.deepEqual(again, there);
  assert.equal(m.toLink(data, start), 'topic=0&panel=overview');
  assert.deepEqual(go(start, m.fromLink(data, 'topic=9&lambda=x&set=7&stratum=c&panel=z&mode=q')).selected, 0);
});

test('the tree of topics joins what is shown', () => {
  const merges = [[0, 1, .2], [2, 3, .4], [4, 5, 1]];
  const lines = m.branches(merges, [0, 1, 2, 3], 100, 10);
  assert.deepEqual(lines.map(l => l.slice(0, 2)), [[100, 5], [100, 25], [lines[0][2], 10]]);
  close(lines[2][3], 30);
  assert.deepEqual(m.branches(merges, [1, 3], 100, 10).map(l => [l[1], l[3]]), [[5, 15]]); // two are hidden
});

test('places of words', () => {
  const found = m.places('War, warm war-time;\npre-war WAR_x', 'war');
  assert.deepEqual(found.map(p => p.word), ['War', 'war', 'war']);
  assert.equal(found[0].before + found[0].word + found[0].after, 'War, warm war-time; pre-war WAR_x');
  assert.deepEqual(m.places('a peace  treaty, a Peace\nTreaty', 'peace treaty').map(p => p.word), ['peace treaty', 'Peace Treaty']);
  assert.deepEqual(m.places('über Äpfel', 'äpfel').length, 1);
  for (const odd of ['(', '[a', '\\\\', '*', 'a-b/c', '', ' ', '$^', '\u{1f642}']) assert.doesNotThrow(() => m.places('x', odd));
  assert.deepEqual(m.places('warm', 'war', {whole: false}).length, 1);
  assert.equal(m.places('a '.repeat(999), 'a', {most: 7}).length, 7);
});

test('what comes of texts is checked', () => {
  const good = {text: 'x', title: 'a\u202eb', shares: [.5, .3, .2], stratum: 1};
  assert.deepEqual(m.checkedText(data, good), {...good, title: 'ab'});
  for (const bad of [null, 1, 'x', {text: 1}, {text: {}}, {text: ['a']}]) assert.equal(m.checkedText(data, bad), null);
  const odd = {text: 'x', title: 7, shares: [1, 'a', NaN], stratum: 9};
  assert.deepEqual(m.checkedText(data, odd), {text: 'x', title: '', shares: [], stratum: -1});
  assert.deepEqual([...m.textsOf({...data, texts: {3: good, a: good, 4: {text: 2}}}).keys()], [3]);
  const place = {sample: 1, before: 'a', word: 'b', after: 'c'};
  assert.equal(m.checkedPassages([place, {...place, word: 1}, {...place, sample: 'x'}, null]).length, 1);
  assert.deepEqual(m.checkedPassages('no'), []);
});

test('a table as CSV', () => {
  assert.equal(m.csv([['a', 'b,"c"'], [1, null], ['x\ny', 'é']]), 'a,"b,""c"""\r\n1,\r\n"x\ny",é\r\n');
  assert.deepEqual(['=1+1', '-x', '@a', '+a', 'a=1'].map(m.csvCell), ["'=1+1", "'-x", "'@a", "'+a", 'a=1']);
});

test('type-ahead goes on from where it is', () => {
  const next = (from, typed) => m.typeAhead(['tax', 'war', 'Trade', 'treaty'], from, typed);
  assert.deepEqual([next(0, 't'), next(2, 't'), next(0, 'tre'), next(3, 'tre')], [2, 3, 3, 3]);
  assert.deepEqual([next(0, 'z'), m.typeAhead([], 0, 'a')], [-1, -1]);
});

test('marking keeps the text, whatever it is', () => {
  const weights = new Map([['war', 1], ['peace treaty', .5], ['שלום', .7]]);
  const texts = [
    'War, and a peace treaty.', 'a<b>war</b>', '', 'war', 'peace  treaty war', 'שלום war', '🙂 war 🙂',
    'peace treaty peace treaty', 'x'.repeat(9999),
  ];
  for (const t of texts) assert.equal(m.marked(t, weights).map(p => p.text).join(''), t);
  const found = m.marked('The War and peace treaty', weights).filter(p => p.weight).map(p => p.text);
  assert.deepEqual(found, ['War', 'peace treaty']);
});

const above = [{at: [0, 1, 3], v: [.5, .3, .2]}, {at: [2], v: [1]}];
const tree = {
  ...data, kind: 'hierarchy', share: [.5, .3, .2, .6, .4], modes: [{...words, p: [...words.p, ...above]}],
  sets: [{first: 0, count: 3}, {first: 3, count: 2}],
  up: [[[3, 1]], [[4, .75], [3, .25]], [[4, 1]], [], []],
};

test('links, paths and own words', () => {
  assert.deepEqual(m.parents(tree, 1), [[4, .75], [3, .25]]);
  assert.deepEqual(m.children(tree, 3).map(x => x[0]), [0, 1]);
  close(m.children(tree, 3)[0][1], .5 / .575);
  assert.deepEqual(m.chain(tree, 1), [4, 1]);
  assert.deepEqual([...m.path(tree, 2).keys()].sort(), [2, 4]);
  const own = m.nodeRows(tree, m.initial(tree), 0, 0);
  own.forEach(r => close(r.own + r.inherited, r.p));
  close(own.find(r => r.item === 0).own, .3);
  m.nodeRows(tree, m.initial(tree), 3, 0).forEach(r => close(r.own, r.p));
});

test('the graph has room for every node', () => {
  const apart = (a, b) => a.column !== b.column || a.y + a.h <= b.y || b.y + b.h <= a.y;
  for (const width of [320, 800, 2000]) {
    const {at, height, width: w} = m.layout(tree, 0, width), boxes = Object.values(at);
    assert.equal(boxes.length, 5);
    for (const b of boxes) assert.ok(b.y >= 0 && b.y + b.h <= height + 1e-6 && b.h >= 46);
    for (const b of boxes) assert.ok(b.x + b.w <= w + 1e-6);
    for (const a of boxes) for (const b of boxes) assert.ok(a === b || apart(a, b));
  }
  assert.equal(Object.keys(m.layout(tree, 1, 800).at).length, 2);
});

test('ticks and percents', () => {
  const years = Array.from({length: 101}, (_, i) => `${1900 + i}`);
  assert.deepEqual(m.ticks(years, 6).map(x => x[1]), ['1900', '1920', '1940', '1960', '1980', '2000']);
  const starts = [['part 1 of 8', 'part 2 of 8'], ['1861', '1865'], ['a']];
  assert.deepEqual(starts.map(m.common), [5, 0, 0]);
  const shown = [.5, .0123, .00123, 1e-9, 0, null, NaN].map(m.percent);
  assert.deepEqual(shown, ['50 %', '1.2 %', '0.12 %', '< 0.01 %', '0.00 %', '–', '–']);
});

test('a name given late is cleaned as in Python', () => {
  const names = ['tax', ' tax  war ', '', ' ', '\u202e', 'a\u202eb\u2066c', 'a\nb\tc', 'a\u0007b\u0000', '\u200d', 'a\u200db',
    '\ufeffx', 'x'.repeat(200), 'é\u0301', '<b>', '\u{1f468}\u200d\u{1f469}', 'a\u0085b\u001cc', '\ue000', 'a\u00a0b', '\u2028z'];
  const py = python(`import json
from ntf_lit.views import shown
print(json.dumps([shown(x, 200) for x in json.loads(${JSON.stringify(JSON.stringify(names))})]))`);
  names.forEach((x, i) => assert.equal(m.cleaned(x) || '(empty)', py[i], JSON.stringify(x)));
});

test('layers that can be fitted have fewer topics than those below', () => {
  const one = {name: 'a', first: 0, count: 4}, two = {name: 'b', first: 4, count: 3}, three = {name: 'c', first: 7, count: 1};
  const tree = {sets: [one, two, three]}, into = merged => ({into: [0, 1, 2, 3, 4, 5, 6, 7].map(j => merged[j] ?? j)});
  assert.deepEqual([-1, 0, 1, 2].map(l => m.shrinks(tree, into({}), l)), [true, true, false, true]);
  assert.deepEqual([{1: 0}, {5: 4}, {5: 4, 6: 4}, {1: 0, 5: 4}].map(x => m.shrinks(tree, into(x))), [false, true, false, true]);
  assert.ok(m.shrinks({...tree, grows: true}, into({1: 0})));
});

test('a file of edits is believed in nothing', () => {
  const taken = m.readEdits(data, JSON.stringify(file));
  assert.deepEqual([taken.names[0], taken.into, taken.notes[1], taken.hidden], ['W\ufffd', [1, 1, 2], 'why', [2]]);
  const bad = {
    'no edits': {ntf_lit: 'x'}, 'another version': {version: 2}, 'another model': {key: 'x'},
    'of another model': {sets: [3]}, 'names has': {names: {0: 'x'.repeat(201)}}, 'names is': {names: [1]},
    'notes has': {notes: {7: 'x'}}, 'merged has': {merged: {0: '1'}}, 'that are none': {merged: {0: 2}},
    'topics that': {hidden: [0, 0]}, 'topics that are none': {order: [true]}, 'merged is': {merged: null, names: {}},
  };
  for (const [why, change] of Object.entries(bad)) {
    if (change.merged === null) continue;
    assert.throws(() => m.readEdits(data, JSON.stringify({...file, ...change})), new RegExp(why), why);
  }
  assert.throws(() => m.readEdits(data, '['));
  assert.throws(() => m.readEdits(data, ' '.repeat(2 ** 21 + 1)), /2 MB/);
  assert.throws(() => m.readEdits(data, JSON.stringify({...file, names: {__proto__x: 'y'}})), /names has/);
});

test('edits saved on the page are those that Python reads', () => {
  const state = m.reduce(data, start, {cmd: 'edits', value: JSON.stringify(file)});
  const py = python(`import json
from ntf_lit.edits import as_edits
e = as_edits(json.loads(${JSON.stringify(JSON.stringify(m.editsOf(data, state, true)))}))
print(json.dumps([e.names, e.merged, e.notes, list(e.hidden), list(e.order), list(e.outlines)]))`);
  assert.deepEqual(py.slice(0, 5), [{0: 'W\ufffd'}, {0: 1}, {1: 'why'}, [2], [1, 0]]);
  assert.deepEqual(py[5][0], {term: {war: .8, 'peace treaty': .2}});
});

test('samples of two topics: the smaller part counts, and what merged topics have is added', () => {
  const texts = new Map([
    [7, {title: 'g', stratum: 0, text: 'long '.repeat(100), shares: [0.3, 0.3, 0.4]}],
    [8, {title: 'h', stratum: 1, text: 'x', shares: [0.6, 0.02, 0.38]}],
  ]);
  const samples = new Map([
    ['0/-1', [{id: 1, weight: 2, part: 0.8}, {id: 2, weight: 1, part: 0.5}]],
    ['1/-1', [{id: 2, weight: 3, part: 0.4}]],
  ]);
  const page = {data: {}, texts, samples, also: 1, state: {selected: 0, stratum: -1, into: [0, 1, 2]}};
  assert.deepEqual(m.samplesOfBoth(page, 0, 1).map(s => [s.id, ...s.parts]), [[2, 0.5, 0.4], [7, 0.3, 0.3]]);
  const merged = {...page, state: {...page.state, into: [0, 2, 2]}};
  assert.deepEqual(m.samplesOfBoth(merged, 0, 2).map(s => [s.id, ...s.parts].map(x => +x.toFixed(9))),
    [[2, 0.5, 0.4], [8, 0.6, 0.4], [7, 0.3, 0.7]]);
  const together = m.samplesOf({...page, state: {...page.state, into: [1, 1, 2]}}, 1);
  assert.deepEqual(together.map(s => [s.id, s.weight, s.part]), [[2, 4, 0.9], [1, 2, 0.8]]);
  const south = {...page, state: {...page.state, stratum: 1}};
  assert.deepEqual(m.samplesOfBoth(south, 0, 2).map(s => s.id), [8]);
  assert.deepEqual(m.samplesOfBoth({...page, data: {ask: true}}, 0, 1), []);
});
