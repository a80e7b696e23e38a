// All topics at once: a table of what each is, where and when; and the words that tell them apart.

import {dense, heat, upright} from './compare.js';
import {button, topicLink} from './controls.js';
import {h, linesOf, scrolled, svg, word} from './elements.js';
import {spark, topicPicture} from './figures.js';
import {argsort, percent, sum} from './format.js';
import {listed, members, profile, rows, share, stability} from './state.js';
import {markHere, shownModes} from './topic.js';

const ROW = 32, // pixels
  TALL = 58; // of a row with pictures

/** The topics of the set shown in an order of the overview: by likeness, share, name, stability, or a stratum. */
export function inOrder(page, by) {
  const {data, state} = page,
    plain = {...state, query: '', stratum: typeof by === 'number' ? by : -1};
  const ids = listed(data, plain)
    .map(f => f.id)
    .filter(i => !state.hidden.includes(i));
  if (by === 'name') return ids.sort((a, b) => page.name(a).localeCompare(page.name(b)));
  if (by === 'stability') return argsort(ids.map(i => stability(data, state, i) ?? -1)).map(n => ids[n]);
  const order = by === 'likeness' && data.likeness?.[state.set]?.order;
  if (!order) return ids;
  const {first} = data.sets[state.set];
  return order.map(i => first + i).filter(i => ids.includes(i));
}

/** Lines of a tree of topics, leaves in the middle of rows: [[x of a, y of a, x, y of b, x of b], ...]. */
export function branches(merges, leaves, width, row = ROW) {
  const n = merges.length + 1,
    most = Math.max(1e-300, ...merges.map(m => m[2])),
    at = new Map(leaves.map((i, k) => [i, {x: width, y: row * (k + 0.5)}])),
    lines = [];
  merges.forEach(([a, b, d], m) => {
    const [A, B] = [at.get(a), at.get(b)],
      x = width * (1 - d / most) + 2 * (d / most);
    if (A && B) lines.push([A.x, A.y, x, B.y, B.x]);
    if (A || B) at.set(n + m, A && B ? {x, y: (A.y + B.y) / 2} : (A ?? B));
  });
  return lines;
}

function dendrogram(page, ids, row) {
  const {merges} = page.data.likeness[page.state.set],
    {first} = page.data.sets[page.state.set],
    leaves = ids.map(i => i - first),
    height = row * ids.length;
  const d = branches(merges, leaves, 62, row).map(([x1, y1, x, y2, x2]) => `M${x1},${y1}H${x}V${y2}H${x2}`);
  const lines = svg('path', {d: d.join(''), class: 'ntf-branch'});
  const label = 'Topics joined by likeness: the further right two meet, the more alike they are';
  return svg('svg', {width: 64, height, role: 'img', 'aria-label': label}, lines);
}

/** Words that the name does not say. */
function moreWords(page, i, n = 4) {
  const {data, state} = page;
  if (data.term < 0) return '';
  const said = page.name(i).toLowerCase(),
    {items} = data.modes[data.term];
  const first = rows(data, {...state, order: 0, stratum: -1, versus: -1}, i, data.term).slice(0, 12);
  const words = first.map(r => items[r.item]).filter(w => !said.includes(w.toLowerCase()));
  return words.slice(0, n).join(' · ');
}

/** A topic as a small picture of a mode. */
function thumbnail(page, i, k) {
  const m = page.data.modes[k];
  if (m.kind === 'image') return topicPicture(m, i, TALL - 6);
  return spark(profile(page.data, page.state, i, k).v, '', 90, 24);
}

function overTime(page, i) {
  const {course} = page.data,
    parts = members(page.state, i),
    v = course.labels.map((_, b) => sum(parts.map(j => course.total[j][b] ?? 0)));
  const at = argsort(v)[0];
  return spark(v, `most in ${course.labels[at]}, ${percent(v[at])}`, 110, 24);
}

const smallModes = page => shownModes(page).filter(k => ['image', 'ordered'].includes(page.data.modes[k].kind)).slice(0, 3);

/** The columns of the overview: {head, sort, cell(i)}; strata get theirs from `strataColumns`. */
function columnsOf(page) {
  const {data, state} = page,
    words = data.term < 0 ? '' : `more ${data.modes[data.term].name === 'term' ? 'word' : data.modes[data.term].name}s`;
  const out = [{head: 'share', sort: 'share', end: true, cell: i => percent(share(data, state, i, -1))}];
  if (data.stability) {
    const cell = i => stability(data, state, i)?.toFixed(2) ?? '';
    out.push({head: 'stability', sort: 'stability', end: true, cell});
  }
  if (data.term >= 0) out.push({head: words, wide: true, cell: i => word(moreWords(page, i) || ' ')});
  for (const k of smallModes(page)) out.push({head: data.modes[k].name, cell: i => thumbnail(page, i, k)});
  if (data.course) out.push({head: `by ${data.course.name}`, cell: i => overTime(page, i)});
  return out;
}

function sortHead(page, sort, label, props = {}) {
  const now = page.by === sort;
  const choose = () => {
    page.by = sort;
    page.redraw();
    page.body.querySelector(`[data-sort="${sort}"]`)?.focus();
  };
  const say = now ? (sort === 'name' ? 'ascending' : 'descending') : null;
  return h('th', {scope: 'col', 'aria-sort': say, ...props}, [
    button([word(label), now && ' ▾'], choose, {class: 'ntf-link', 'data-sort': sort}),
  ]);
}

const enter = (page, i) =>
  page.acts([
    ['select', {topic: i}],
    ['panel', {panel: 0}],
  ]);

export function overview(page) {
  const {data, state} = page,
    ids = inOrder(page, page.by),
    columns = columnsOf(page),
    S = page.many ? data.strata.map((_, s) => s) : [],
    tall = smallModes(page).some(k => data.modes[k].kind === 'image') ? TALL : ROW,
    tree = page.by === 'likeness' && data.likeness && ids.length > 1;
  const values = ids.map(i => S.map(s => share(data, state, i, s))),
    most = Math.max(1e-300, ...values.flat());
  const heads = [
    h('th', {scope: 'col', class: 'ntf-tree-col', hidden: !tree}, h('span', {class: 'ntf-sr'}, 'likeness')),
    sortHead(page, 'name', 'topic'),
    columns.map(c => (c.sort ? sortHead(page, c.sort, c.head, {class: c.end ? 'ntf-end' : null}) : h('th', {scope: 'col', class: c.wide ? 'ntf-said' : null}, word(c.head)))),
    S.map(s => sortHead(page, s, data.strata[s], {class: upright(data)})),
  ];
  const row = (i, n) =>
    h(
      'tr',
      {'data-topic': i, onclick: () => enter(page, i)},
      tree && n === 0 && h('td', {class: 'ntf-tree-col', rowspan: ids.length}, dendrogram(page, ids, tall)),
      h('th', {scope: 'row'}, topicLink(page, i)),
      columns.map(c => h('td', {class: c.end ? 'ntf-value' : c.wide ? 'ntf-said' : null}, c.cell(i))),
      S.map(s => heat(values[n][s], most)),
    );
  const table = h(
    'table',
    {
      class: `ntf-matrix ntf-overview ${dense(data)} ${data.term < 0 ? '' : 'ntf-spread'}`,
      style: {'--ntf-row': `${tall}px`},
    },
    h('thead', {}, h('tr', {}, heads)),
    linesOf(page, ids, row, tall, () => markHere(page)),
  );
  const sorts = button('order by likeness', () => {
    page.by = 'likeness';
    page.redraw();
  });
  const said = S.length ? ' The darker a cell, the larger the share of the stratum.' : '';
  const hand = 'A click enters a topic, a head orders by its column.';
  const note = tree ? 'Topics that are alike stand together; the tree joins them.' : '';
  return h(
    'section',
    {},
    h('div', {class: 'ntf-above'}, [
      h('p', {class: 'ntf-note'}, `${note}${said}`, h('span', {class: 'ntf-hand'}, ` ${hand}`)),
      !tree && data.likeness && ids.length > 1 && sorts,
    ]),
    scrolled('Table of all topics', table),
  );
}

/** The words that tell the topics apart, a few of each, in the order of the topics that have most of them. */
export function tellingWords(page, ids, most = 80) {
  const {data, state} = page,
    each = Math.max(1, Math.min(6, Math.floor(most / Math.max(1, ids.length)))),
    best = new Map();
  const plain = {...state, order: 2, stratum: -1, versus: -1};
  ids.forEach((i, n) => {
    for (const r of rows(data, plain, i, data.term).slice(0, each)) {
      const before = best.get(r.item);
      if (!before || before.p < r.p) best.set(r.item, {n, p: r.p});
    }
  });
  return [...best.entries()].sort((a, b) => a[1].n - b[1].n || b[1].p - a[1].p).map(x => x[0]);
}

export function wordsByTopics(page) {
  const {data, state} = page,
    largest = new Set(inOrder(page, 'share').slice(0, 60)),
    ids = inOrder(page, 'likeness').filter(i => largest.has(i)),
    items = tellingWords(page, ids),
    {name, items: labels} = data.modes[data.term];
  const P = ids.map(i => {
    const {at, v} = profile(data, state, i, data.term);
    return new Map(v.map((p, n) => [at ? at[n] : n, p]));
  });
  const most = Math.max(1e-300, ...P.flatMap(p => items.map(x => p.get(x) ?? 0)));
  const cell = (x, n) => {
    const p = P[n].get(x) ?? 0,
      size = Math.round(26 * Math.sqrt(p / most));
    if (size < 2) return h('td');
    const title = `${labels[x]} in ${page.name(ids[n])}: ${percent(p)}`;
    return h('td', {title}, h('i', {class: 'ntf-dot', style: {'--ntf-size': `${size}px`}}), [
      h('span', {class: 'ntf-sr'}, percent(p)),
    ]);
  };
  const head = i => h('th', {scope: 'col', class: 'ntf-upright', 'data-topic': i}, topicLink(page, i));
  const row = x =>
    h(
      'tr',
      {},
      h('th', {scope: 'row'}, word(labels[x])),
      ids.map((_, n) => cell(x, n)),
    );
  const table = h(
    'table',
    {class: 'ntf-matrix ntf-dots'},
    h('thead', {}, h('tr', {}, h('th', {scope: 'col', class: 'ntf-end'}, name), ids.map(head))),
    linesOf(page, items, row, 26),
  );
  const few =
    ids.length < inOrder(page, 'share').length ? ` The ${ids.length} largest topics are shown.` : '';
  const note = `The most telling ${name}s; the area of a dot is the ${name}'s share of the topic.`;
  return h('section', {}, [
    h('p', {class: 'ntf-note'}, `${note} Topics that are alike stand together.${few}`),
    scrolled(`Table of ${name}s and topics`, table),
  ]);
}
