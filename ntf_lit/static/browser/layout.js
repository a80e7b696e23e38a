import {argsort, sum} from './format.js';

/** Where a node's links go, to the layer above: [[node, part], ...], the largest first. */
export const parents = (data, i) => (data.up?.[i] ?? []).slice().sort((a, b) => b[1] - a[1]);

/** What a node is made of, in the same form. */
export function children(data, i) {
  const below = data.up
    .map((to, j) => [j, (to.find(([k]) => k === i)?.[1] ?? 0) * data.share[j]])
    .filter(x => x[1] > 0);
  const total = sum(below.map(x => x[1])) || 1;
  return below.map(([j, f]) => [j, f / total]).sort((a, b) => b[1] - a[1]);
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

/** Places of the nodes, coarsest layer on the left: {id: {x, y, w, h}}, and the height that is needed. */
export function layout(data, depth, width, {gap = 8, low = 46, column = 150, link = 70} = {}) {
  const layers = data.sets
      .map((s, l) => l)
      .filter(l => l >= depth)
      .reverse(),
    L = layers.length,
    at = {};
  const w = Math.max(column, (width - (L - 1) * link) / Math.max(1, L)),
    step = L > 1 ? (Math.max(width, w * L + link * (L - 1)) - w) / (L - 1) : 0;
  const most = Math.max(1, ...layers.map(l => data.sets[l].count)),
    height = Math.max(360, most * (low + gap) - gap);
  layers.forEach((l, c) => {
    const {first, count} = data.sets[l],
      ids = Array.from({length: count}, (_, i) => first + i);
    const centre = i => {
      const up = parents(data, i).filter(([j]) => at[j]);
      const t = sum(up.map(x => x[1]));
      return t ? sum(up.map(([j, f]) => f * (at[j].y + at[j].h / 2))) / t : Infinity;
    };
    const order = c
      ? ids
          .map(i => [centre(i), i])
          .sort((a, b) => a[0] - b[0] || a[1] - b[1])
          .map(x => x[1])
      : argsort(ids.map(i => data.share[i])).map(n => ids[n]);
    const spare = Math.max(0, height - count * low - (count - 1) * gap),
      total = sum(ids.map(i => data.share[i])) || 1;
    let y = 0;
    for (const i of order) {
      const h = low + (spare * data.share[i]) / total;
      at[i] = {x: c * step, y, w, h, column: c};
      y += h + gap;
    }
  });
  return {at, height, width: L ? (L - 1) * step + w : width, layers};
}

/** A node's words {item, p, own, inherited}; inherited is the smaller of p and the parents' mixture. */
export function ownWords(data, state, i, k, first = 'own') {
  const {at, v} = data.modes[k].p[i],
    above = new Map(),
    up = parents(data, i),
    total = sum(up.map(x => x[1])) || 1;
  for (const [j, part] of up) {
    const P = data.modes[k].p[j];
    P.v.forEach((p, n) => {
      const x = P.at ? P.at[n] : n;
      above.set(x, (above.get(x) ?? 0) + (p * part) / total);
    });
  }
  const out = v
    .map((p, n) => {
      const x = at ? at[n] : n,
        inherited = Math.min(p, above.get(x) ?? 0);
      return {item: x, p, inherited, own: p - inherited};
    })
    .filter(r => r.p > 0);
  return argsort(out.map(r => (first === 'own' && up.length ? r.own : r.p))).map(n => out[n]);
}
