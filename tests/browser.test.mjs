// The pure functions of the page, against Python where Python has the same:  node --test tests/browser.test.mjs
import test from 'node:test';
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {execFileSync} from 'node:child_process';

const source = readFileSync(new URL('../ntf_lit/static/browser.js', import.meta.url));
const m = await import(`data:text/javascript;base64,${source.toString('base64')}`);
const python = code => JSON.parse(execFileSync(process.env.PYTHON || 'python3', ['-c', code], {encoding: 'utf8'}));
const close = (a, b, eps = 1e-9) => assert.ok(a === b || Math.abs(a - b) <= eps * Math.max(1, Math.abs(a)), `${a} is not ${b}`);

const data = {
  kind: 'topics', share: [.5, .3, .2], shares: [[.6, .2, .2], [.4, .4, .2]], names: ['war', 'tax', 'gold'], strata: ['a', 'b'], term: 0,
  sets: [{name: 'one', first: 0, count: 2}, {name: 'two', first: 2, count: 1}],
  modes: [{name: 'term', kind: 'words', items: ['war', 'tax', 'gold', 'peace treaty'], corpus: [[[.4, .3, .2, .1], [.5, .2, .2, .1], [.3, .4, .2, .1], [.4, .3, .2, .1]], [[.1, .2, .3, .4], [.1, .2, .3, .4], [.1, .2, .3, .4], [.1, .2, .3, .4]]],
    p: [{at: [0, 3], v: [.8, .2]}, {at: [1, 2], v: [.5, .5]}, {at: [2], v: [1]}]}],
};
const start = m.initial(data);

test('relevance and saliency are those of ntf_lit.topics', () => {
  const py = python(`import json, numpy as np
from ntf_lit.topics import relevance, saliencies
p, c = np.array([.3, .1, .6]), np.array([.1, .2, .7])
P = np.array([[.1, .6], [.4, .3], [.5, .1]]); m = np.array([1., 3.]); w = P @ m / 4
print(json.dumps([[relevance(p, c, l).tolist() for l in (0, .25, .6, 1)], (saliencies(P, m) / (m/4)).tolist(), w.tolist()]))`);
  [0, .25, .6, 1].forEach((lam, l) => [.3, .1, .6].forEach((p, i) => close(m.relevance(p, [.1, .2, .7][i], lam), py[0][l][i])));
  [[.1, .6], [.4, .3], [.5, .1]].forEach((row, i) => row.forEach((p, j) => close(m.saliency(p, py[2][i]), py[1][i][j])));
  assert.equal(m.relevance(0, .5, .6), -Infinity);
});

test('every command in and out of range, as in Python', () => {
  const ranges = python('import json\nfrom ntf_lit.topic_browser import COMMANDS\nprint(json.dumps(sorted(COMMANDS)))').filter(c => c !== 'samples');
  for (const cmd of ranges) assert.doesNotThrow(() => m.reduce(data, start, {cmd}));
  for (const bad of [null, undefined, 'select', {}, {cmd: 'select'}, {cmd: 'select', topic: 3}, {cmd: 'select', topic: -1}, {cmd: 'select', topic: 1.5}, {cmd: 'select', topic: '1'},
    {cmd: 'toString'}, {cmd: '__proto__'}, {cmd: 'constructor'}, {cmd: 'lam', value: NaN}, {cmd: 'lam', value: 2}, {cmd: 'query', value: 'x'.repeat(201)}, {cmd: 'mode', mode: 1},
    {cmd: 'merge', topic: 0, into: 0}, {cmd: 'merge', topic: 0, into: 2}, {cmd: 'split', topic: 0}, {cmd: 'show', topic: 0}, {cmd: 'undo'}, {cmd: 'versus', stratum: 0}]) assert.equal(m.reduce(data, start, bad), start);
});

test('edits can be undone, one by one', () => {
  const steps = [{cmd: 'name', topic: 0, value: 'WAR'}, {cmd: 'hide', topic: 1}, {cmd: 'merge', topic: 0, into: 1}];
  const end = steps.reduce((s, c) => m.reduce(data, s, c), start);
  assert.deepEqual([end.names[0], end.hidden, end.into, end.selected], ['WAR', [1], [1, 1, 2], 1]);
  const back = steps.reduce(s => m.reduce(data, s, {cmd: 'undo'}), end);
  assert.deepEqual([back.names, back.hidden, back.into, back.undo], [start.names, [], [0, 1, 2], []]);
  assert.equal(m.reduce(data, end, {cmd: 'name', topic: 0, value: ' '}).names[0], 'war');
  assert.equal(m.reduce(data, start, {cmd: 'select', topic: 2}).set, 1);
});

test('the page and Python do the same', () => {
  const steps = [['select', {topic: 1}], ['stratum', {stratum: 1}], ['versus', {stratum: 0}], ['name', {topic: 0, value: 'x'}], ['beside', {topic: 0}], ['merge', {topic: 0, into: 1}], ['hide', {topic: 1}], ['undo', {}], ['set', {set: 1}], ['undo', {}], ['undo', {}], ['order', {order: 2}], ['depth', {layer: 1}], ['stratum', {stratum: -1}]];
  const py = python(`import json, logging, sys
from ntf_lit.topic_browser import Browser
logging.disable(50)
class Front(__import__('ipywidgets').VBox):
    def __init__(self, b): super().__init__()
    def redraw(self, b): pass
class B(Browser): core_front = Front
b = B(json.loads(${JSON.stringify(JSON.stringify(data))}), None, front='core'); out = []
for cmd, args in json.loads(${JSON.stringify(JSON.stringify(steps))}): b.act(cmd, **args); out.append(b.state)
print(json.dumps(out))`);
  let s = start;
  steps.forEach(([cmd, args], n) => { s = m.reduce(data, s, {cmd, ...args}); for (const k of ['selected', 'beside', 'stratum', 'versus', 'order', 'set', 'depth', 'names', 'hidden', 'into', 'undo']) assert.deepEqual(s[k], py[n][k], `${k} after ${n}: ${cmd}`); });
});

test('merged topics are mixed by their shares', () => {
  const s = m.reduce(data, start, {cmd: 'merge', topic: 1, into: 0}), {at, v} = m.profile(data, s, 0, 0);
  assert.deepEqual(at, [0, 1, 2, 3]); [.5, .1875, .1875, .125].forEach((x, i) => close(v[i], x)); close(m.share(data, s, 0), .8); close(m.share(data, s, 0, 1), .8);
});

test('rows, lists and search', () => {
  assert.deepEqual(m.rows(data, {...start, lam: 1}, 0, 0).map(r => r.item), [0, 3]);
  assert.deepEqual(m.rows(data, {...start, stratum: 1}, 0, 0).map(r => r.corpus), [.3, .1]);
  assert.deepEqual(m.listed(data, start).map(x => x.id), [0, 1]); assert.deepEqual(m.listed(data, {...start, stratum: 1, hidden: [0]}).map(x => x.id), [1, 0]);
  assert.deepEqual(m.listed(data, {...start, query: 'GOLD'}).map(x => [x.id, x.share]), [[1, 1]]); assert.deepEqual(m.listed(data, {...start, query: 'qqq'}), []);
});

test('type-ahead goes on from where it is', () => {
  const names = ['tax', 'war', 'Trade', 'treaty'];
  assert.deepEqual([m.typeAhead(names, 0, 't'), m.typeAhead(names, 2, 't'), m.typeAhead(names, 0, 'tre'), m.typeAhead(names, 3, 'tre'), m.typeAhead(names, 0, 'z'), m.typeAhead([], 0, 'a')], [2, 3, 3, 3, -1, -1]);
});

test('marking keeps the text, whatever it is', () => {
  const weights = new Map([['war', 1], ['peace treaty', .5], ['שלום', .7]]);
  for (const t of ['War, and a peace treaty.', 'a<b>war</b>', '', 'war', 'peace  treaty war', 'שלום war', '🙂 war 🙂', 'peace treaty peace treaty', 'x'.repeat(9999)]) {
    assert.equal(m.marked(t, weights).map(p => p.text).join(''), t);
  }
  assert.deepEqual(m.marked('The War and peace treaty', weights).filter(p => p.weight).map(p => p.text), ['War', 'peace treaty']);
});

const tree = {...data, kind: 'hierarchy', share: [.5, .3, .2, .6, .4], sets: [{first: 0, count: 3}, {first: 3, count: 2}], up: [[[3, 1]], [[4, .75], [3, .25]], [[4, 1]], [], []],
  modes: [{...data.modes[0], p: [...data.modes[0].p, {at: [0, 1, 3], v: [.5, .3, .2]}, {at: [2], v: [1]}]}]};

test('links, paths and own words', () => {
  assert.deepEqual(m.parents(tree, 1), [[4, .75], [3, .25]]); assert.deepEqual(m.children(tree, 3).map(x => x[0]), [0, 1]); close(m.children(tree, 3)[0][1], .5 / .575);
  assert.deepEqual(m.chain(tree, 1), [4, 1]); assert.deepEqual([...m.path(tree, 2).keys()].sort(), [2, 4]);
  const own = m.ownWords(tree, m.initial(tree), 0, 0); own.forEach(r => close(r.own + r.inherited, r.p)); close(own.find(r => r.item === 0).own, .3);
  m.ownWords(tree, m.initial(tree), 3, 0).forEach(r => close(r.own, r.p));
});

test('the graph has room for every node', () => {
  for (const width of [320, 800, 2000]) {
    const {at, height, width: w} = m.layout(tree, 0, width), boxes = Object.values(at);
    assert.equal(boxes.length, 5); for (const b of boxes) assert.ok(b.y >= 0 && b.y + b.h <= height + 1e-6 && b.x + b.w <= w + 1e-6 && b.h >= 46);
    for (const a of boxes) for (const b of boxes) assert.ok(a === b || a.column !== b.column || a.y + a.h <= b.y || b.y + b.h <= a.y);
  }
  assert.equal(Object.keys(m.layout(tree, 1, 800).at).length, 2);
});

test('ticks and percents', () => {
  assert.deepEqual(m.ticks(Array.from({length: 101}, (_, i) => `${1900 + i}`), 6).map(x => x[1]), ['1900', '1920', '1940', '1960', '1980', '2000']);
  assert.equal(m.common(['part 1 of 8', 'part 2 of 8']), 5); assert.equal(m.common(['1861', '1865']), 0); assert.equal(m.common(['a']), 0);
  assert.deepEqual([m.percent(.5), m.percent(.0123), m.percent(.00123), m.percent(1e-9), m.percent(0), m.percent(null), m.percent(NaN)], ['50 %', '1.2 %', '0.12 %', '< 0.01 %', '0.00 %', '–', '–']);
});
