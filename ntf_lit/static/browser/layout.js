import {argsort, sum} from './format.js';
import {members, profile, root, rows, share} from './state.js';

const indexed = new WeakMap();
const largest = pairs => pairs.slice().sort((a, b) => b[1] - a[1]);

/** Links up and down of every node, each list with the largest first; made once for all links. */
function linksOf(data) {
  if (!data.up) return {up: [], down: []};
  if (indexed.has(data.up)) return indexed.get(data.up);
  const below = data.up.map(() => []);
  data.up.forEach((to, j) =>
    to.forEach(([i, part]) => {
      if (part * data.share[j] > 0) below[i].push([j, part * data.share[j]]);
    }),
  );
  const parts = of => {
    const total = sum(of.map(x => x[1])) || 1;
    return largest(of.map(([j, f]) => [j, f / total]));
  };
  const found = {up: data.up.map(largest), down: below.map(parts)};
  indexed.set(data.up, found);
  return found;
}

/** Where a node's links go, to the layer above: [[node, part], ...], the largest first. */
export const parents = (data, i) => linksOf(data).up[i] ?? [];

/** What a node is made of, in the same form. */
export const children = (data, i) => linksOf(data).down[i] ?? [];

const graphs = new WeakMap();

/** The links between topics as they were merged: those of merged topics together, by their shares. */
export function linked(data, state) {
  if (state.into.every((t, i) => t === i)) return data;
  if (graphs.has(state.into)) return graphs.get(state.into);
  const whole = data.share.map((_, i) => (state.into[i] === i ? share(data, state, i, -1) : 0));
  const up = data.up.map((_, i) => {
    const to = new Map();
    if (state.into[i] !== i) return [];
    for (const m of members(state, i))
      for (const [j, part] of data.up[m]) {
        const above = root(state, j);
        to.set(above, (to.get(above) ?? 0) + (part * data.share[m]) / (whole[i] || 1));
      }
    return [...to];
  });
  const graph = {...data, up, share: whole};
  graphs.set(state.into, graph);
  return graph;
}

/** The node itself and all that it reaches by links of at least `least`: node -> how much of it. */
export function path(data, i, least = 0.1) {
  const on = new Map([[i, 1]]);
  for (const next of [parents, children]) {
    let front = [[i, 1]];
    while (front.length)
      front = front
        .flatMap(([a, w]) => next(data, a).map(([b, part]) => [b, w * part]))
        .filter(([b, w]) => w >= least && (on.get(b) ?? 0) < w && (on.set(b, w), true));
  }
  return on;
}

export function chain(data, i) {
  const out = [i];
  while (parents(data, out[0]).length && out.length < 50) out.unshift(parents(data, out[0])[0][0]);
  return out;
}

/** All that is mostly made of a node: its branch, itself first. */
export const branch = (data, i) => [
  i,
  ...children(data, i)
    .map(x => x[0])
    .filter(j => parents(data, j)[0][0] === i)
    .flatMap(j => branch(data, j)),
];

/** Boxes of one height as near to where they would be as they can stand without overlap, in [0, height]. */
function apart(boxes, h, gap, height) {
  let y = 0;
  for (const b of boxes) {
    b.y = Math.max(b.y, y);
    y = b.y + h + gap;
  }
  let floor = height;
  for (const b of boxes.slice().reverse()) {
    b.y = Math.min(b.y, floor - h);
    floor = b.y - gap;
  }
}

/** The nodes of each layer from the coarsest, each layer in the order of what it is part of. */
function layerOrder(data, layers, shown) {
  const place = new Map();
  return layers.map((l, c) => {
    const {first, count} = data.sets[l];
    const ids = Array.from({length: count}, (_, n) => first + n).filter(shown);
    const centre = i => {
      const up = parents(data, i).filter(([j]) => place.has(j)),
        t = sum(up.map(x => x[1]));
      return t ? sum(up.map(([j, part]) => part * place.get(j))) / t : 2;
    };
    const key = c ? ids.map(i => -centre(i)) : ids.map(i => data.share[i]);
    const main = i => place.get(parents(data, i).find(([j]) => place.has(j))?.[0]) ?? 2;
    const order = argsort(key).map(n => ids[n]);
    order.sort((a, b) => main(a) - main(b)); // what is mostly part of one node stands together
    order.forEach((i, n) => place.set(i, (n + 0.5) / order.length));
    return order;
  });
}

/** Places of the nodes, coarsest layer on the left: {id: {x, y, w, h, column}}, and the size that is needed. */
export function layout(data, depth, width, options = {}) {
  const {row = 46, height: room = 0, most = 96, gap = 8, shown = () => true} = options;
  const layers = data.sets
      .map((_, l) => l)
      .filter(l => l >= depth)
      .reverse(),
    L = layers.length,
    narrow = width < 560,
    link = narrow ? 24 : 64,
    extra = narrow || L < 2 ? 1 : 1.35, // the finest layer, which has the most names, is wider
    w = Math.max(narrow ? 88 : 130, Math.min(360, (width - (L - 1) * link) / Math.max(1, L - 1 + extra))),
    last = Math.min(460, extra * w),
    step = L > 1 ? Math.max(w + link, (width - last) / (L - 1)) : 0;
  const columns = layerOrder(data, layers, shown),
    tall = n => Math.max(row, Math.min(most, (room + gap) / Math.max(1, n) - gap)),
    height = Math.max(row, ...columns.map(ids => ids.length * (tall(ids.length) + gap) - gap));
  const at = {};
  columns.forEach((ids, c) => {
    const half = (0.5 * (height + gap)) / Math.max(1, ids.length) - gap, // room for the links between them
      h = c === L - 1 ? tall(ids.length) : Math.max(tall(ids.length), Math.min(64, most, half)),
      spare = (height + gap) / Math.max(1, ids.length);
    ids.forEach((i, n) => {
      const y = n * spare + Math.max(0, spare - h - gap) / 2;
      at[i] = {x: c * step, y, w: c === L - 1 ? last : w, h, column: c};
    });
  });
  for (let c = L - 2; c >= 0; c--) {
    const boxes = columns[c].map(i => {
      const all = children(data, i).filter(([j]) => at[j]),
        main = all.filter(([j]) => parents(data, j)[0][0] === i),
        below = main.length ? main : all,
        t = sum(below.map(x => x[1]));
      if (t) at[i].y = sum(below.map(([j, part]) => part * (at[j].y + at[j].h / 2))) / t - at[i].h / 2;
      return at[i];
    });
    boxes.sort((a, b) => a.y - b.y);
    if (boxes.length) apart(boxes, boxes[0].h, gap, height);
  }
  return {at, height, width: L ? (L - 1) * step + last : width, layers};
}

/** How much of each of its words a node shares with those it is part of: the smaller of p and their mixture. */
function mixture(data, state, i, k) {
  const up = parents(linked(data, state), i),
    total = sum(up.map(x => x[1])) || 1,
    above = new Map();
  for (const [j, part] of up) {
    const {at, v} = profile(data, state, j, k);
    v.forEach((p, n) => {
      const x = at ? at[n] : n;
      above.set(x, (above.get(x) ?? 0) + (p * part) / total);
    });
  }
  return above;
}

/** A node's words as `rows` has them, each with what is its own and what is inherited. */
export function nodeRows(data, state, i, k) {
  const above = mixture(data, state, i, k);
  return rows(data, state, i, k).map(r => {
    const inherited = Math.min(r.p, above.get(r.item) ?? 0);
    return {...r, inherited, own: r.p - inherited};
  });
}
