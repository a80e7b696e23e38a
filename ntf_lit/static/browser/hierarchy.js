import {features} from './compare.js';
import {bar, fillMenu, h, keyed, opener, svg, word} from './elements.js';
import {inWhat, spark, stacked, topicPicture} from './figures.js';
import {percent, typeAhead} from './format.js';
import {chain, children, layout, linked, nodeRows, parents, path} from './layout.js';
import {reading} from './reader.js';
import {drawSamples} from './samples.js';
import {listed, lower, profile, rows, setOf, share, wholeName} from './state.js';
import {chart, course, modeTabs, title} from './topic.js';

// ---------- What there is to see ----------

/** The layers in plain words: what the menu offers, the finest layer shown for each choice. */
export function layerWords(data) {
  const counts = data.sets.map(s => s.count).reverse(),
    n = counts.length;
  const list = a => (a.length > 1 ? `${a.slice(0, -1).join(', ')} and ${a.at(-1)}` : a[0]);
  return data.sets.map((_, i) => {
    const seen = list(counts.slice(0, n - i));
    return [i, `${i ? (i === n - 1 ? 'only the ' : 'the ') : 'all: '}${seen} topics`];
  });
}

/** The nodes that are mostly part of a node, in the layers shown, the largest first. */
export const mainChildren = (page, i) => {
  const {state} = page,
    g = linked(page.data, state);
  return children(g, i)
    .map(x => x[0])
    .filter(j => parents(g, j)[0]?.[0] === i && setOf(g, j) >= state.depth)
    .sort((a, b) => g.share[b] - g.share[a]);
};

export const visible = (page, i) => [
  i,
  ...(page.folded.has(i) ? [] : mainChildren(page, i).flatMap(j => visible(page, j))),
];

/** Where the tree begins: the coarsest layer, and whatever is part of nothing. */
export const roots = page => {
  const {data, state} = page,
    g = linked(data, state),
    top = data.sets.length - 1;
  const free = (_, j) =>
    state.into[j] === j &&
    (setOf(data, j) === top || (!parents(g, j).length && setOf(data, j) >= state.depth));
  return data.up
    .map((_, j) => j)
    .filter(j => free(null, j))
    .sort((a, b) => setOf(data, b) - setOf(data, a) || g.share[b] - g.share[a]);
};

/** All nodes that are shown, in the order of the tree: unfolded, and in the branch if only one is. */
function nodesShown(page) {
  const all = roots(page).flatMap(i => visible(page, i));
  if (page.only < 0) return all;
  const g = linked(page.data, page.state),
    inside = new Set([...chain(g, page.only), ...visible(page, page.only)]);
  return all.filter(i => inside.has(i));
}

/** A node that is asked for is shown: its branch is unfolded, and no other one is alone on the page. */
function uncover(page, i) {
  const above = chain(linked(page.data, page.state), i);
  for (const j of above.slice(0, -1)) page.folded.delete(j);
  if (page.only >= 0 && !nodesShown(page).includes(i)) page.only = -1;
}

// ---------- Made once ----------

const toolButton = (label, t, onclick) => h('button', {type: 'button', title: label, 'aria-label': label, onclick}, t);

/** The graph or tree and the tools above it: made once, filled by `drawGraph`. */
export function makeGraph(page) {
  Object.assign(page, {folded: new Set(), only: -1, row: 0, place: null, pinned: -1, nodes: new Map(), hits: []});
  page.graph = h('div', {
    class: 'ntf-graph',
    role: 'tree',
    tabindex: 0,
    'aria-label': 'Topics by layer; left and right follow the strongest link, up and down stay in the layer',
    onkeydown: e => treeKey(page, e),
    onclick: e => clicked(page, e),
    ondblclick: () => onlyBranch(page),
  });
  page.canvas = h('div', {class: 'ntf-scroll ntf-canvas'}, page.graph);
  watchCanvas(page);
  page.pick = h('select', {
    'aria-label': 'Show another topic beside',
    onchange: e => {
      page.pinned = -1;
      page.act('beside', {topic: +e.target.value});
    },
  });
  page.found = h('span', {class: 'ntf-note ntf-count'});
  if (page.tree)
    page.find.addEventListener('keydown', e => {
      if (e.key === 'Enter') nextHit(page);
    });
}

function clicked(page, e) {
  const o = e.target.closest('[data-id]'),
    t = e.target.closest('[data-fold]');
  if (t) fold(page, +t.dataset.fold);
  else if (o) page.act(e.shiftKey ? 'beside' : 'select', {topic: +o.dataset.id});
}

/** The left half of the page: how the graph is drawn, and the graph with a scroll of its own. */
export function graphSide(page) {
  const {shape, depth} = page.fields;
  page.foldButton = h('button', {type: 'button', onclick: () => fold(page, page.state.selected)});
  page.onlyButton = h('button', {type: 'button', onclick: () => onlyBranch(page)}, 'Only this branch');
  const zoom = h(
    'div',
    {class: 'ntf-tabs', role: 'group', 'aria-label': 'Size'},
    toolButton('Smaller', '−', () => resize(page, 1 / 1.5)),
    toolButton('Fit the whole graph into the window', 'Fit', () => resize(page, 0)),
    toolButton('Larger', '+', () => resize(page, 1.5)),
  );
  page.zoom = zoom;
  for (const o of [depth.box, shape.box]) o.classList.add('ntf-option');
  const tools = [page.data.sets.length > 1 && depth.box, shape.box, zoom, page.foldButton, page.onlyButton];
  return h('div', {class: 'ntf-graph-side'}, h('div', {class: 'ntf-graph-tools'}, tools), page.canvas);
}

/** The right half, which stays in view: on a phone a sheet from below that folds to a line. */
export function sheet(page) {
  page.handle = h('button', {
    type: 'button',
    class: 'ntf-handle',
    'aria-expanded': 'true',
    onclick: () => {
      const down = page.side.classList.toggle('ntf-down');
      page.handle.setAttribute('aria-expanded', String(!down));
    },
  });
  page.details = page.body = h('div', {}); // where a text is read, too
  page.editRow = h('div', {class: 'ntf-edit'});
  page.side.append(page.handle, h('div', {class: 'ntf-sheet'}, page.editRow, page.details, page.sampleBox));
  return page.side;
}

/** What is asked of a hierarchy, in the row above everything; on a phone most of it behind one button. */
export function treeTools(page) {
  const {fields, find, found, many, lam} = page,
    options = [...(many ? [fields.stratum.box, fields.versus.box] : []), fields.order.box, lam];
  for (const o of options) o.classList.add('ntf-option');
  return [find, opener(page, 'Options'), found, ...options];
}

// ---------- What a reader does ----------

function fold(page, i) {
  page.folded.has(i) ? page.folded.delete(i) : page.folded.add(i);
  drawGraph(page);
}

function onlyBranch(page) {
  page.only = page.only >= 0 ? -1 : page.state.selected;
  drawGraph(page, true);
}

function resize(page, by) {
  const now = Math.min(...Object.values(page.place?.at ?? {}).map(a => a.h), 400);
  page.row = by ? Math.max(5, Math.min(160, now * by)) : 5;
  drawGraph(page, true);
}

export const columnOf = (page, i) =>
  [...page.nodes.keys()]
    .filter(j => page.place.at[j]?.column === page.place.at[i]?.column)
    .sort((a, b) => page.place.at[a].y - page.place.at[b].y);

/** Where a key leads: a node, or nothing. */
function keyTarget(page, key) {
  const {state} = page,
    i = state.selected,
    g = linked(page.data, state);
  const line = state.shape ? [...page.nodes.keys()] : columnOf(page, i),
    at = line.indexOf(i);
  const kids = state.shape
    ? mainChildren(page, i)
    : children(g, i)
        .map(x => x[0])
        .filter(j => page.nodes.has(j));
  const up = parents(g, i)[0]?.[0];
  return {
    ArrowDown: line[at + 1],
    ArrowUp: line[at - 1],
    Home: line[0],
    End: line.at(-1),
    ArrowLeft: up,
    ArrowRight: kids[0],
  }[key];
}

/** Right unfolds what is folded; in the tree left folds it again. */
function foldedByKey(page, key) {
  const {selected: i, shape} = page.state;
  if (!mainChildren(page, i).length) return false;
  const opens = key === 'ArrowRight' && page.folded.has(i),
    closes = key === 'ArrowLeft' && shape === 1 && !page.folded.has(i);
  if (opens || closes) fold(page, i);
  return opens || closes;
}

function pin(page) {
  const {beside, selected: i} = page.state;
  page.act('beside', {topic: beside === i ? -1 : beside < 0 ? i : beside});
  page.pinned = page.pinned === i ? -1 : i;
  drawDetail(page);
  drawGraph(page);
  const stays = `${page.name(i)} stays on the side; pick another to see both`;
  page.say(page.pinned >= 0 ? stays : 'only one node is shown');
}

export function treeKey(page, e) {
  const plain = e.key.length === 1 && !e.ctrlKey && !e.metaKey && !e.altKey;
  const does = {
    Enter: () => pin(page),
    ' ': () => pin(page),
    F2: () => page.side.querySelector('.ntf-name')?.focus(),
    Delete: () => page.hide.click(),
    '+': () => resize(page, 1.5),
    '-': () => resize(page, 1 / 1.5),
  }[e.key];
  if (does) {
    e.preventDefault();
    does();
    return;
  }
  if (foldedByKey(page, e.key)) {
    e.preventDefault();
    return;
  }
  let to = keyTarget(page, e.key);
  if (plain) {
    page.keyed(e.key);
    const all = [...page.nodes.keys()];
    to = all[typeAhead(all.map(page.name), all.indexOf(page.state.selected), page.typed)];
  } else if (!['ArrowDown', 'ArrowUp', 'Home', 'End', 'ArrowLeft', 'ArrowRight'].includes(e.key)) return;
  e.preventDefault();
  if (to !== undefined) page.act('select', {topic: to});
}

// ---------- Search ----------

const seenWords = new WeakMap();

/** The first words of every node, in lower case, with how much of it they are; made once. */
function wordsOf(page) {
  const {data, state} = page,
    key = state.into,
    items = data.term < 0 ? [] : lower(data.modes[data.term]);
  if (seenWords.has(key)) return seenWords.get(key);
  const of = i => {
    if (data.term < 0 || state.into[i] !== i) return [];
    const {at, v} = profile(data, state, i, data.term),
      least = Float64Array.from(v).sort().at(-Math.min(20, v.length)) ?? 0;
    const top = v.flatMap((p, n) => (p >= least ? [[items[at ? at[n] : n], p]] : []));
    return top.sort((a, b) => b[1] - a[1]).slice(0, 20);
  };
  const found = data.share.map((_, i) => of(i));
  seenWords.set(key, found);
  return found;
}

/** The nodes with what is looked for in their name or among their first words, the best first. */
function lookFor(page) {
  const {state} = page,
    q = state.query.trim().toLowerCase();
  if (!q) return [];
  const words = wordsOf(page),
    scored = [];
  for (const i of page.nodes.keys()) {
    let score = page.name(i).toLowerCase().includes(q) ? 1 : 0;
    for (const [w, p] of words[i]) if (w.includes(q)) score += (w === q ? 2 : 1) * p;
    if (score > 0) scored.push([i, score]);
  }
  return scored.sort((a, b) => b[1] - a[1]).map(x => x[0]);
}

function nextHit(page) {
  const {hits, state} = page;
  if (hits.length) page.act('select', {topic: hits[(hits.indexOf(state.selected) + 1) % hits.length]});
}

function tellFound(page) {
  const {hits, state} = page,
    n = hits.length,
    at = hits.indexOf(state.selected);
  const where = at >= 0 ? `hit ${at + 1} of ${n}` : `${n} ${n === 1 ? 'topic' : 'topics'}`;
  const t = !state.query.trim() ? '' : n ? `${where} · Enter: ${at >= 0 ? 'next' : 'first'}` : 'no topic';
  if (page.found.textContent !== t) page.found.textContent = t;
}

// ---------- The graph ----------

/** What is drawn new when it changes; all else is done by classes. */
function structure(page) {
  const {state, room} = page;
  const chosen = ['shape', 'depth', 'mode', 'lam', 'order', 'stratum', 'names', 'hidden', 'into'].map(n => state[n]);
  return [...chosen, [...page.folded].join(), page.only, page.row, room.wide, room.high];
}

export function drawGraph(page, anew = false) {
  const {state, graph} = page;
  if (state.selected < 0) {
    graph.replaceChildren(h('p', {class: 'ntf-note'}, 'This model has no topics.'));
    return;
  }
  uncover(page, state.selected);
  const key = structure(page),
    built = page.built;
  if (anew || !built || key.some((x, n) => x !== built[n])) {
    buildNodes(page);
    page.built = structure(page);
  }
  const before = page.query;
  page.hits = lookFor(page);
  page.query = state.query;
  mark(page);
  tellFound(page);
  const sought = before !== state.query && page.hits.length ? page.hits[0] : state.selected;
  bringIntoView(page, sought);
}

/** Scroll the box of the graph, not the page. Places are known; nothing is measured while the page changes. */
function bringIntoView(page, i) {
  const {nodes, canvas, state, place, room} = page;
  if (!nodes.has(i)) return;
  const e = nodes.get(i),
    a = state.shape ? {x: 0, y: e.offsetTop, w: 0, h: e.offsetHeight} : place.at[i],
    low = a.y + a.h + 14 - room.high,
    right = a.x + a.w + 14 - room.wide,
    {top, left} = page.scrolled ?? {top: canvas.scrollTop, left: canvas.scrollLeft};
  const down = top < low || top > a.y,
    across = left < right || left > a.x;
  if (down) canvas.scrollTop = Math.max(0, a.y - (room.high - a.h) / 2);
  if (across) canvas.scrollLeft = Math.max(0, a.x - 8);
  if (down || across) page.scrolled = null;
}

/** How large the box of the graph is, and how far it is scrolled: measured when that changes, null until then. */
function watchCanvas(page) {
  const {canvas} = page;
  page.scrolled = {top: 0, left: 0};
  page.room = {wide: 720, high: 600, side: 320};
  canvas.addEventListener('scroll', () => {
    page.scrolled = {top: canvas.scrollTop, left: canvas.scrollLeft};
  });
}

function measure(page) {
  const {canvas, side} = page;
  page.room = {wide: canvas.clientWidth || 720, high: canvas.clientHeight || 600, side: side.clientWidth || 320};
}

/** The words of a node that its name does not say already. */
function furtherWords(page, i, n) {
  const {data, state} = page;
  if (data.term < 0 || data.modes[data.term].kind !== 'words') return '';
  const said = new Set(page.name(i).split(' · ').map(t => t.toLowerCase()));
  const items = data.modes[data.term].items;
  return rows(data, {...state, versus: -1}, i, data.term)
    .map(r => items[r.item])
    .filter(t => !said.has(t.toLowerCase()))
    .slice(0, n)
    .join(' · ');
}

/** One node, without what changes by a click. */
function node(page, i, props, ...kids) {
  const {data, state} = page,
    {first, count} = data.sets[setOf(data, i)];
  const e = h(
    'div',
    {
      role: 'treeitem',
      id: page.id(i),
      'data-id': i,
      'aria-level': data.sets.length - setOf(data, i),
      'aria-setsize': count,
      'aria-posinset': i - first + 1,
      'aria-selected': 'false',
      class: 'ntf-node',
      title: page.name(i),
      ...props,
    },
    h('span', {class: 'ntf-sr'}, `layer ${setOf(data, i)}, topic `),
    kids,
  );
  e.classList.toggle('ntf-hidden', state.hidden.includes(i));
  page.nodes.set(i, e);
  return e;
}

const foldMark = (page, i) => {
  if (!mainChildren(page, i).length) return null;
  return h('span', {class: 'ntf-fold', 'data-fold': i, 'aria-hidden': 'true'}, page.folded.has(i) ? '▸' : '▾');
};

const opened = (page, i) => (mainChildren(page, i).length ? String(!page.folded.has(i)) : null);

function buildNodes(page) {
  const {graph, state} = page;
  page.nodes = new Map();
  page.marks = new Map();
  graph.classList.toggle('ntf-outline', state.shape === 1);
  page.zoom.hidden = state.shape === 1;
  const ids = nodesShown(page);
  const most = Math.max(1e-300, ...ids.map(i => share(page.data, state, i)));
  if (state.shape === 1) buildOutline(page, ids, most);
  else buildGraph(page, ids);
}

/** The tree: every node below the one that has most of it, with words and how much goes there. */
function buildOutline(page, ids, most) {
  const {data, state, graph} = page,
    g = linked(data, state);
  page.place = layout(g, state.depth, 800, {shown: i => ids.includes(i)});
  const line = i => {
    const above = chain(g, i),
      part = parents(g, i)[0]?.[1];
    return node(
      page,
      i,
      {
        'aria-expanded': opened(page, i),
        'aria-level': above.length,
        style: {paddingLeft: `${0.4 + 1.4 * (above.length - 1)}rem`},
      },
      foldMark(page, i) ?? h('span', {class: 'ntf-fold'}),
      h('span', {class: 'ntf-number'}, page.digit(i)),
      h('span', {class: 'ntf-line-words'}, word(page.name(i)), h('small', {}, furtherWords(page, i, 8))),
      h(
        'span',
        {class: 'ntf-strength', title: part ? `${percent(part)} of it is part of ${page.name(above.at(-2))}` : null},
        part ? percent(part) : '',
      ),
      h('span', {class: 'ntf-track'}, bar('ntf-p', share(data, state, i) / most)),
      h('span', {class: 'ntf-value'}, percent(share(data, state, i))),
    );
  };
  graph.style.height = graph.style.width = '';
  graph.replaceChildren(...ids.map(line));
}

/** A topic without words shows its curve or its picture, small where there is little room. */
function nodeFace(page, i, a) {
  const {data, state} = page,
    m = data.modes[state.mode] ?? {};
  if (m.kind === 'image') return h('span', {class: 'ntf-face'}, topicPicture(m, i, Math.max(16, Math.min(64, a.h - 8))));
  if (m.kind !== 'ordered' || a.h < 34) return null;
  return h('span', {class: 'ntf-face'}, spark(profile(data, state, i, state.mode).v, '', a.w - 20, Math.min(64, a.h - 30)));
}

function nodeBox(page, i, a, most) {
  const {data, state} = page,
    kind = data.modes[state.mode]?.kind ?? 'words',
    s = share(data, state, i);
  const tall = a.h >= 44,
    listed = kind === 'words' || kind === 'labels',
    lines = Math.max(1, Math.floor((a.h - 30) / 15));
  const pictured = kind === 'image';
  const fits = tall || (a.h >= 20 && a.w > 200 + 7.5 * page.name(i).length); // beside the name, or below it
  const words = fits && listed ? furtherWords(page, i, tall ? 6 * lines : 6) : '';
  const said = words && h('span', {class: 'ntf-node-words', 'aria-hidden': 'true'}, h('bdi', {}, words));
  if (said && tall) said.style.webkitLineClamp = lines;
  return node(
    page,
    i,
    {
      'aria-expanded': opened(page, i),
      class: pictured ? 'ntf-node ntf-pictured' : 'ntf-node',
      style: {left: `${a.x}px`, top: `${a.y}px`, width: `${a.w}px`, height: `${a.h}px`},
    },
    pictured && nodeFace(page, i, a),
    h(
      'span',
      {class: 'ntf-node-head'},
      h('span', {class: 'ntf-number'}, page.digit(i)),
      word(page.name(i)),
      !tall && said,
      h('span', {class: 'ntf-value'}, percent(s)),
      foldMark(page, i),
    ),
    tall && said,
    kind === 'ordered' && nodeFace(page, i, a),
    h('i', {class: 'ntf-p ntf-part', style: {width: `${Math.min(100, (100 * s) / most)}%`}}),
  );
}

const WIDTHS = [1, 2, 4, 8, 14, 22];

/** A link as part of a path: from the right side of the parent to the left side of the child. */
function curveTo(b, a) {
  const x1 = b.x + b.w,
    x2 = a.x,
    y1 = (b.y + b.h / 2).toFixed(1),
    y2 = (a.y + a.h / 2).toFixed(1),
    c = ((x1 + x2) / 2).toFixed(1);
  return `M${x1.toFixed(1)},${y1}C${c},${y1} ${c},${y2} ${x2.toFixed(1)},${y2}`;
}

const widthOf = (g, i, part) => {
  const want = 60 * Math.sqrt(part * g.share[i]);
  return WIDTHS.reduce((a, b) => (Math.abs(b - want) < Math.abs(a - want) ? b : a));
};

function buildGraph(page, ids) {
  const {data, state, graph} = page,
    g = linked(data, state),
    kind = data.modes[state.mode]?.kind ?? 'words';
  const row = page.row || (kind === 'ordered' || kind === 'image' ? 46 : page.room.wide < 560 ? 32 : 26);
  const room = Math.max(200, page.room.high - 14),
    inside = new Set(ids);
  const size = {row, height: room, gap: row < 12 ? 1 : 5, most: Math.max(96, row), shown: i => inside.has(i)};
  page.place = layout(g, state.depth, Math.max(280, page.room.wide - 16), size);
  const {at, height, width} = page.place,
    paths = new Map();
  for (const i of ids)
    for (const [j, part] of parents(g, i)) {
      if (!at[j] || !at[i] || part < 0.02) continue;
      const w = widthOf(g, i, part);
      paths.set(w, (paths.get(w) ?? '') + curveTo(at[j], at[i]));
    }
  page.lit = svg('g', {});
  const lines = [...paths].map(([w, d]) => svg('path', {d, class: 'ntf-edge', 'stroke-width': w}));
  const s = svg('svg', {width, height, 'aria-hidden': 'true'}, lines, page.lit);
  const most = {};
  for (const i of ids) most[setOf(data, i)] = Math.max(most[setOf(data, i)] ?? 1e-300, share(data, state, i));
  const leaf = Math.min(...ids.map(i => at[i]?.h ?? 99));
  graph.classList.toggle('ntf-tiny', leaf < 17);
  graph.style.height = `${height + 4}px`;
  graph.style.width = `${width}px`;
  graph.replaceChildren(s, ...ids.filter(i => at[i]).map(i => nodeBox(page, i, at[i], most[setOf(data, i)])));
}

/** What a click changes: classes of nodes, and the links of what is selected. */
function mark(page) {
  const {data, state, graph, nodes, marks, hits} = page,
    g = linked(data, state),
    on = path(g, state.selected),
    found = new Set(hits),
    q = state.query.trim() !== '';
  for (const [i, e] of nodes) {
    const flags = [on.has(i), found.has(i), q && !found.has(i), i === state.beside, i === state.selected];
    const now = flags.join(),
      was = marks.get(i);
    if (now === was) continue;
    marks.set(i, now);
    ['ntf-on', 'ntf-hit', 'ntf-dim', 'ntf-beside'].forEach((c, n) => e.classList.toggle(c, flags[n]));
    e.setAttribute('aria-selected', String(flags[4]));
  }
  graph.setAttribute('aria-activedescendant', page.id(state.selected));
  if (state.shape === 0) light(page, g, on);
  const any = mainChildren(page, state.selected).length > 0;
  page.foldButton.disabled = !any;
  page.foldButton.textContent = page.folded.has(state.selected) ? 'Unfold' : 'Fold';
  page.onlyButton.textContent = page.only >= 0 ? 'All branches' : 'Only this branch';
  page.onlyButton.setAttribute('aria-pressed', String(page.only >= 0));
}

/** The links on the way through the node selected, and how strong its own are. */
function light(page, g, on) {
  const {at} = page.place,
    one = page.state.selected,
    parts = [],
    labels = [],
    of = c => Object.values(at).find(a => a.column === c),
    gap = (of(1)?.x ?? 0) - (of(0)?.w ?? 0);
  for (const i of on.keys())
    for (const [j, part] of parents(g, i)) {
      if (!at[i] || !at[j] || !on.has(j) || part < 0.02) continue;
      const own = i === one || j === one;
      const p = svg('path', {
        d: curveTo(at[j], at[i]),
        class: 'ntf-edge ntf-lit',
        'stroke-width': widthOf(g, i, part),
        'stroke-opacity': own ? 0.5 + 0.4 * part : 0.3,
      });
      const t = svg('title');
      t.textContent = `${percent(part)} of ${page.name(i)} is part of ${page.name(j)}`;
      p.append(t);
      parts.push(p);
      if (!own || gap < 50 || part < 0.05) continue;
      const there = i === one ? at[j] : at[i],
        right = i === one;
      const label = svg('text', {
        x: right ? there.x + there.w + 4 : there.x - 4,
        y: there.y + there.h / 2 - 3,
        'text-anchor': right ? 'start' : 'end',
        class: 'ntf-part-label',
      });
      label.textContent = percent(part);
      labels.push(label);
    }
  page.lit.replaceChildren(...parts, ...labels);
}

// ---------- What is shown of the node selected ----------

function linkTable(page, title, pairs, verb) {
  if (!pairs.length) return null;
  const line = ([j, part]) =>
    h(
      'tr',
      {},
      h('th', {scope: 'row'}, toNode(page, j)),
      h('td', {class: 'ntf-bars'}, h('span', {class: 'ntf-track'}, bar('ntf-p', part))),
      h('td', {class: 'ntf-value', title: verb}, percent(part)),
    );
  const columns = h('colgroup', {}, h('col', {class: 'ntf-wide-col'}), h('col'), h('col', {class: 'ntf-value-col'}));
  const body = h('tbody', {}, pairs.slice(0, 8).map(line));
  const rest = pairs.length > 8 && h('p', {class: 'ntf-note'}, `and ${pairs.length - 8} smaller parts`);
  return h('section', {}, h(page.sub, {class: 'ntf-h'}, title), h('table', {class: 'ntf-terms'}, columns, body), rest);
}

const toNode = (page, j) =>
  h(
    'button',
    {type: 'button', class: 'ntf-link', onclick: () => page.act('select', {topic: j})},
    h('span', {class: 'ntf-number'}, page.digit(j)),
    word(page.name(j)),
  );

function wordLegend(page, above) {
  const {data, state} = page,
    {stratum: s, versus: t} = state;
  return h(
    'div',
    {class: 'ntf-legend'},
    keyed(t < 0 ? 'ntf-p' : 'ntf-p ntf-t', above ? 'its own' : 'in the topic'),
    above && keyed('ntf-c ntf-hatched', 'shared with its supertopics'),
    t < 0 && keyed('ntf-t', inWhat(data, s)),
    t >= 0 && [keyed('ntf-a', inWhat(data, s)), keyed('ntf-b', inWhat(data, t))],
  );
}

/** A node's words: what is its own, what it shares with those above, and the corpus below. */
function nodeTerms(page, i, k) {
  const {data, state} = page,
    mode = data.modes[k],
    above = parents(linked(data, state), i).length > 0,
    list = nodeRows(data, state, i, k).slice(0, Math.min(page.more, 16)),
    two = state.versus >= 0;
  if (!list.length) return h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
  const most = Math.max(1e-300, ...list.flatMap(r => [r.p, r.corpus, r.versus ?? 0]));
  const topic = two ? 'ntf-p ntf-t' : 'ntf-p';
  const times = r => (r.corpus > 0 ? `, ${(r.p / r.corpus).toFixed(1)} times its share of the ${wholeName(data)}` : '');
  const line = r =>
    h(
      'tr',
      {title: `${mode.items[r.item]}: ${percent(r.p)} of the topic${times(r)}`},
      h('th', {scope: 'row'}, word(mode.items[r.item])),
      h(
        'td',
        {class: 'ntf-bars'},
        h('span', {class: 'ntf-track ntf-stack'}, bar(topic, r.own / most), bar('ntf-c', r.inherited / most)),
        h('span', {class: 'ntf-thin'}, bar(two ? 'ntf-a' : 'ntf-p ntf-t', r.corpus / most)),
        two && h('span', {class: 'ntf-thin'}, bar('ntf-b', r.versus / most)),
      ),
      h('td', {class: 'ntf-value'}, percent(r.p)),
      above && h('td', {class: 'ntf-value'}, `${Math.round((100 * r.own) / r.p)} %`),
    );
  const names = [mode.name, '', 'share', ...(above ? ['its own'] : [])];
  const columns = ['ntf-word-col', null, 'ntf-value-col', ...(above ? ['ntf-value-col'] : [])];
  const head = names.map(t => (t ? h('th', {scope: 'col'}, t) : h('td', {})));
  return h(
    'div',
    {},
    wordLegend(page, above),
    h(
      'table',
      {class: 'ntf-terms ntf-node-terms'},
      h('colgroup', {}, columns.map(c => h('col', {class: c}))),
      h('thead', {}, h('tr', {}, head)),
      h('tbody', {}, list.map(line)),
    ),
    mode.hint && h('p', {class: 'ntf-note'}, mode.hint),
  );
}

export function nodeDetail(page, i, width) {
  const {data, state} = page,
    g = linked(data, state),
    k = state.mode,
    way = chain(g, i).slice(0, -1);
  const listed = ['words', 'labels'].includes(data.modes[k]?.kind);
  const step = (j, n) => [n ? ' › ' : '', toNode(page, j)];
  return h(
    'section',
    {class: 'ntf-detail', 'aria-label': `Topic ${page.digit(i)}`},
    title(page, i),
    way.length > 0 && h('p', {class: 'ntf-path'}, 'in ', way.map(step)),
    data.modes.length > 0 && (listed ? nodeTerms(page, i, k) : chart(page, i, k, width, 180)),
    stacked(page, i, k, width),
    data.course && course(page, i, width),
    linkTable(page, 'Made of', children(g, i), 'part of this topic'),
    linkTable(page, 'Part of', parents(g, i), 'part that goes there'),
  );
}

function fillMenus(page, one, two) {
  const {data, state, pick, mergeInto} = page,
    alive = data.share.map((_, i) => i).filter(i => state.into[i] === i);
  const option = i => [i, `${page.digit(i)} ${page.name(i)}`, i !== one];
  const same = listed(data, {...state, query: '', set: setOf(data, one)}).map(f => f.id);
  fillMenu(pick, [[-1, 'Show beside …'], ...alive.map(option)]);
  fillMenu(mergeInto, [['', 'Merge into …'], ...same.map(option)]);
  pick.firstChild.textContent = two < 0 ? 'Show beside …' : 'Nothing beside';
  pick.value = two;
  mergeInto.value = '';
  page.hide.textContent = state.hidden.includes(one) ? 'Show' : 'Hide';
  page.undo.disabled = !state.undo.length;
}

export function drawDetail(page) {
  const {state} = page,
    one = state.selected;
  const beside = page.pinned >= 0 && page.pinned !== one ? page.pinned : state.beside;
  const two = beside >= 0 && beside !== one && state.into[beside] === beside ? beside : -1;
  if (one < 0) {
    page.details.replaceChildren();
    return;
  }
  if (page.main.classList.contains('ntf-two') !== two >= 0) {
    page.main.classList.toggle('ntf-two', two >= 0);
    measure(page);
  }
  const half = two >= 0 && page.room.side > 560 ? 2 : 1,
    width = Math.max(240, page.room.side / half - 40);
  if (page.tabsOf !== state.mode) {
    page.tabsOf = state.mode;
    const listed = ['words', 'labels'].includes(page.data.modes[state.mode]?.kind);
    page.lam.hidden = page.fields.order.box.hidden = !listed; // they order words
    page.editRow.replaceChildren(...[modeTabs(page) || '', page.hide, page.mergeInto, page.pick, page.undo].filter(Boolean));
  }
  fillMenus(page, one, two);
  page.handle.textContent = `${page.digit(one)} ${page.name(one)}`;
  page.details.className = two >= 0 ? 'ntf-pair' : '';
  const parts = [one, two].filter(i => i >= 0).map(i => nodeDetail(page, i, width));
  page.details.replaceChildren(...(page.reader ? [reading(page)] : parts));
  const below = `${state.stratum},${state.versus}`;
  if (page.footOf !== below) {
    page.footOf = below;
    page.foot.replaceChildren(...[features(page)].filter(Boolean));
  }
}

/** The whole page of a hierarchy; `old` is the state before. Where only the search is new, the rest stays. */
export function drawHierarchy(page, old) {
  const {state} = page,
    others = ['query', 'seq', 'page', 'depth', 'shape'];
  const same = old && old !== state && Object.keys(state).every(n => state[n] === old[n] || others.includes(n));
  if (!old || old === state) measure(page);
  if (!same) {
    drawDetail(page);
    drawSamples(page);
  }
  drawGraph(page);
  if (old && old.selected !== state.selected) page.side.querySelector('.ntf-sheet').scrollTop = 0;
}
