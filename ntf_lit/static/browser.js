// The page of both browsers, one module: live in Jupyter (anywidget) and in a single file without a kernel.
// `data` never changes while the page is open; `state` is what the reader chose; everything drawn is a function of the two.
// Words from a corpus reach the page as text nodes only, never as markup.

// ---------- pure functions: no page needed, tested with node ----------

const int = (v, low, high) => Number.isInteger(v) && v >= low && v < high;
const number = v => typeof v === 'number' && v >= 0 && v <= 1;
const text = v => typeof v === 'string' && v.length <= 200;
// As `shown` of ntf_lit.views: one line, no control or direction characters; '' where nothing is left
export const cleaned = word => {
  const seen = [...[...word].slice(0, 1600).join('').replace(/(?![\u200c\u200d])\p{Cf}/gu, '')]
    .map(c => /[\s\x1c-\x1f\x85]/u.test(c) ? ' ' : /[\p{Cc}\p{Cs}\p{Cn}\p{Co}]/u.test(c) ? '\ufffd' : c).join('');
  const line = [...(/[^ \u200c\u200d]/u.test(seen) ? seen.replace(/ +/g, ' ').replace(/^ | $/g, '') : '')];
  return line.length <= 200 ? line.join('') : line.slice(0, 199).join('').replace(/ $/, '') + '…';
};
const sum = a => a.reduce((x, y) => x + y, 0);
const argsort = key => key.map((v, i) => [v, i]).sort((a, b) => b[0] - a[0] || a[1] - b[1]).map(x => x[1]);

/** Sievert & Shirley 2014, eq. 1: 1 is by probability, 0 by lift. */
export const relevance = (p, corpus, lam) =>
  p > 0 ? Math.log(p) - (1 - lam) * Math.log(corpus > 0 ? corpus : 1) : -Infinity;

/** The topic's part of a term's saliency (Chuang, Manning & Heer 2012), but for the topic's share, which is the same for all its terms. */
export const saliency = (p, whole) => p > 0 ? p * Math.log(whole > 0 ? p / whole : 1) : -Infinity;

export const percent = x => x == null || !(x >= 0) ? '–' : x >= .0995 ? `${(100 * x).toFixed(0)} %` : x >= .00995 ? `${(100 * x).toFixed(1)} %`
  : x > 0 && x < .00005 ? '< 0.01 %' : `${(100 * x).toFixed(2)} %`;

/** The first state of a page; what Python sends goes over it. */
export const initial = data => ({
  selected: data.share.length ? argsort(data.share.slice(0, data.sets[0].count))[0] : -1, beside: -1, stratum: -1, versus: -1, mode: data.start ?? 0,
  lam: .6, order: 0, query: '', panel: 0, set: 0, other: data.sets.length > 1 ? 1 : 0, depth: 0, shape: 0,
  names: data.names.slice(), hidden: [], into: data.share.map((_, i) => i), undo: [], seq: 0, ...(data.state ?? {})});

export const setOf = (data, i) => data.sets.findIndex(s => i >= s.first && i < s.first + s.count);

/** The topic that a topic has been merged into, itself if it has not. */
export function root(state, i) {
  for (let n = 0; n < state.into.length && state.into[i] !== i; n++) i = state.into[i];
  return i;
}
export const members = (state, i) => state.into.map((_, j) => j).filter(j => root(state, j) === i);

/** The whole of what can be asked for. Each command checks its arguments and gives what changes, or nothing. */
const COMMANDS = {
  select: (d, s, {topic}) => int(topic, 0, d.share.length) && {selected: root(s, topic), set: setOf(d, topic), ...(s.beside === topic && {beside: -1})},
  beside: (d, s, {topic}) => int(topic, -1, d.share.length) && {beside: topic === s.selected ? -1 : topic},
  stratum: (d, s, {stratum}) => int(stratum, -1, d.strata.length) && {stratum, ...(stratum < 0 || stratum === s.versus) && {versus: -1}},
  versus: (d, s, {stratum}) => int(stratum, -1, d.strata.length) && s.stratum >= 0 && stratum !== s.stratum && {versus: stratum},
  mode: (d, s, {mode}) => int(mode, 0, d.modes.length) && {mode},
  lam: (d, s, {value}) => number(value) && {lam: value},
  order: (d, s, {order}) => int(order, 0, 3) && {order},
  query: (d, s, {value}) => text(value) && {query: value},
  panel: (d, s, {panel}) => int(panel, 0, 3) && {panel},
  set: (d, s, {set}) => int(set, 0, d.sets.length) && {set, selected: best(d, s, set), beside: -1},
  other: (d, s, {set}) => int(set, 0, d.sets.length) && {other: set},
  depth: (d, s, {layer}) => int(layer, 0, d.sets.length) && {depth: layer, ...setOf(d, s.selected) < layer && {selected: best(d, s, layer), set: layer}},
  shape: (d, s, {shape}) => int(shape, 0, 2) && {shape},
  name: (d, s, {topic, value}) => int(topic, 0, d.share.length) && text(value) && value !== s.names[topic] &&
    {names: s.names.map((n, i) => i === topic ? cleaned(value) || d.names[i] : n), back: {cmd: 'name', topic, value: s.names[topic]}},
  hide: (d, s, {topic}) => int(topic, 0, d.share.length) && !s.hidden.includes(topic) && {hidden: [...s.hidden, topic], back: {cmd: 'show', topic}},
  show: (d, s, {topic}) => int(topic, 0, d.share.length) && s.hidden.includes(topic) && {hidden: s.hidden.filter(i => i !== topic), back: {cmd: 'hide', topic}},
  merge: (d, s, {topic, into}) => int(topic, 0, d.share.length) && int(into, 0, d.share.length) && topic !== into && root(s, topic) === topic && root(s, into) === into
    && setOf(d, topic) === setOf(d, into) && {into: s.into.map((t, i) => i === topic ? into : t), selected: s.selected === topic ? into : s.selected,
      beside: s.beside === topic || s.beside === into ? -1 : s.beside, back: {cmd: 'split', topic}},
  split: (d, s, {topic}) => int(topic, 0, d.share.length) && s.into[topic] !== topic &&
    {into: s.into.map((t, i) => i === topic ? i : t), selected: topic, back: {cmd: 'merge', topic, into: s.into[topic]}},
};
const best = (data, state, set) => {
  const {first, count} = data.sets[set];
  const seen = Array.from({length: count}, (_, i) => first + i).filter(i => root(state, i) === i);
  return seen.length ? seen[argsort(seen.map(i => data.share[i]))[0]] : state.selected;
};

/** The state after a command; the same state if the command is unknown or out of range. */
export function reduce(data, state, command) {
  if (command?.cmd === 'undo') {
    const last = state.undo.at(-1);
    return last ? {...reduce(data, state, last), undo: state.undo.slice(0, -1)} : state;
  }
  const change = Object.hasOwn(COMMANDS, command?.cmd ?? '') && COMMANDS[command.cmd](data, state, command);
  if (!change) return state;
  const {back, ...rest} = change;
  if (rest.selected >= 0 && rest.selected !== state.selected) rest.set = setOf(data, rest.selected);
  return {...state, ...rest, undo: back ? [...state.undo, back].slice(-50) : state.undo};
}

/** A topic's share of everything or of one stratum; merged topics have theirs together. */
export const share = (data, state, i, stratum = state.stratum) =>
  sum(members(state, i).map(j => stratum < 0 ? data.share[j] : data.shares[stratum][j]));

/** A topic's distribution in a mode, {at, v}; merged ones are mixed by their shares. */
export function profile(data, state, i, k) {
  const parts = members(state, i), P = data.modes[k].p;
  if (parts.length === 1) return P[i];
  const w = parts.map(j => data.share[j]), total = sum(w) || 1, mixed = new Map();
  parts.forEach((j, n) => P[j].v.forEach((v, x) => { const at = P[j].at ? P[j].at[x] : x; mixed.set(at, (mixed.get(at) ?? 0) + v * w[n] / total); }));
  const at = [...mixed.keys()].sort((a, b) => a - b), v = at.map(x => mixed.get(x));
  return P[i].at ? {at, v} : {v};
}

/** The rows of a bar chart, best first: {item, p, corpus, versus}. */
export function rows(data, state, i, k) {
  const mode = data.modes[k], {at, v} = profile(data, state, i, k), all = mode.corpus[setOf(data, i)];
  const corpus = all[1 + state.stratum] ?? all[0], other = state.versus >= 0 ? all[1 + state.versus] : null, whole = all.at(-1);
  const out = v.map((p, n) => { const x = at ? at[n] : n; return {item: x, p, corpus: corpus[x], versus: other && other[x], whole: whole[x]}; }).filter(r => r.p > 0);
  const key = [r => relevance(r.p, r.corpus, state.lam), r => r.p, r => saliency(r.p, r.whole)][state.order];
  return argsort(out.map(key)).map(n => out[n]);
}

/** The topics to be listed, in order: by share, or by what part of the words looked for they explain. */
export function listed(data, state) {
  const {first, count} = data.sets[state.set], q = state.query.trim().toLowerCase(), k = data.term;
  const ids = Array.from({length: count}, (_, i) => first + i).filter(i => root(state, i) === i);
  if (!q) { const s = ids.map(i => (state.hidden.includes(i) ? -2 : 0) + share(data, state, i)); return argsort(s).map(n => ({id: ids[n], share: share(data, state, ids[n])})); }
  const items = k < 0 ? [] : data.modes[k].items.map((t, n) => [t.toLowerCase(), n]), exact = items.filter(([t]) => t === q);
  const hits = new Set((exact.length ? exact : items.filter(([t]) => t.includes(q))).map(x => x[1]));
  const mass = ids.map(i => { const {at, v} = k < 0 ? {v: []} : profile(data, state, i, k); return share(data, state, i) * sum(v.filter((_, n) => hits.has(at ? at[n] : n))); });
  const total = sum(mass) || 1, named = i => state.names[i].toLowerCase().includes(q);
  return argsort(mass).filter(n => mass[n] > 0 || named(ids[n])).map(n => ({id: ids[n], share: mass[n] / total, hits: hits.size}));
}

/** The next entry after `from` whose label starts with what was typed. */
export function typeAhead(labels, from, typed) {
  const t = typed.toLowerCase(), n = labels.length;
  for (let step = typed.length > 1 ? 0 : 1; step <= n; step++) { const i = (from + step + n) % n; if (labels[i].toLowerCase().startsWith(t)) return i; }
  return -1;
}

/** A text in pieces {text, weight}; words of `weights` (lower case -> 0..1) carry their weight, two-word terms too. */
export function marked(body, weights) {
  const out = [], word = /[\p{L}\p{N}][\p{L}\p{M}\p{N}_'’]*/gu; let end = 0, before = null;
  for (const m of body.matchAll(word)) {
    const w = m[0].toLowerCase(), alone = weights.get(w), pair = before && weights.get(`${before.w} ${w}`);
    if (pair && !before.marked) { const tail = out.pop(); out.push({text: tail.text.slice(0, tail.text.length - (end - before.at)), weight: 0}); end = before.at; }
    if (pair || alone) {
      const at = pair ? Math.min(before.at, m.index) : m.index;
      if (!(pair && before.marked)) { if (at > end) out.push({text: body.slice(end, at), weight: 0}); out.push({text: body.slice(at, m.index + m[0].length), weight: Math.max(pair || 0, alone || 0)}); }
      else { const last = out.pop(); out.push({text: last.text + body.slice(end, m.index + m[0].length), weight: Math.max(last.weight, pair)}); }
      end = m.index + m[0].length;
    } else { out.push({text: body.slice(end, m.index + m[0].length), weight: 0}); end = m.index + m[0].length; }
    before = {w, at: m.index, marked: !!(pair || alone)};
  }
  if (end < body.length) out.push({text: body.slice(end), weight: 0});
  return out.filter(p => p.text).reduce((a, p) => { if (a.length && !p.weight && !a.at(-1).weight) a.at(-1).text += p.text; else a.push({...p}); return a; }, []);
}

/** Where a node's links go: [[node, part], ...], the largest first. `up`: to the layer above; otherwise what it is made of. */
export const parents = (data, i) => (data.up?.[i] ?? []).slice().sort((a, b) => b[1] - a[1]);
export function children(data, i) {
  const below = data.up.map((to, j) => [j, (to.find(([k]) => k === i)?.[1] ?? 0) * data.share[j]]).filter(x => x[1] > 0);
  const total = sum(below.map(x => x[1])) || 1;
  return below.map(([j, f]) => [j, f / total]).sort((a, b) => b[1] - a[1]);
}
/** The node itself, its strongest chain upwards, and all that it reaches by links of at least `least`: node -> how much of it. */
export function path(data, i, least = .1) {
  const on = new Map([[i, 1]]);
  for (const next of [parents, children]) {
    let front = [[i, 1]];
    while (front.length) front = front.flatMap(([a, w]) => next(data, a).map(([b, part]) => [b, w * part])).filter(([b, w]) => w >= least && (on.get(b) ?? 0) < w && (on.set(b, w), true));
  }
  return on;
}
export function chain(data, i) { const out = [i]; while (parents(data, out[0]).length && out.length < 50) out.unshift(parents(data, out[0])[0][0]); return out; }

/** Places of the nodes, coarsest layer on the left: {id: {x, y, w, h}}, and the height that is needed. */
export function layout(data, depth, width, {gap = 8, low = 46, column = 150, link = 70} = {}) {
  const layers = data.sets.map((s, l) => l).filter(l => l >= depth).reverse(), L = layers.length, at = {};
  const w = Math.max(column, (width - (L - 1) * link) / Math.max(1, L)), step = L > 1 ? (Math.max(width, w * L + link * (L - 1)) - w) / (L - 1) : 0;
  const most = Math.max(1, ...layers.map(l => data.sets[l].count)), height = Math.max(360, most * (low + gap) - gap);
  layers.forEach((l, c) => {
    const {first, count} = data.sets[l], ids = Array.from({length: count}, (_, i) => first + i);
    const centre = i => { const up = parents(data, i).filter(([j]) => at[j]); const t = sum(up.map(x => x[1])); return t ? sum(up.map(([j, f]) => f * (at[j].y + at[j].h / 2))) / t : Infinity; };
    const order = c ? ids.map(i => [centre(i), i]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(x => x[1]) : argsort(ids.map(i => data.share[i])).map(n => ids[n]);
    const spare = Math.max(0, height - count * low - (count - 1) * gap), total = sum(ids.map(i => data.share[i])) || 1; let y = 0;
    for (const i of order) { const h = low + spare * data.share[i] / total; at[i] = {x: c * step, y, w, h, column: c}; y += h + gap; }
  });
  return {at, height, width: L ? (L - 1) * step + w : width, layers};
}

/** A node's words against its parents: {item, p, own, inherited}; inherited = min(p, the parents' mixture). */
export function ownWords(data, state, i, k, first = 'own') {
  const {at, v} = data.modes[k].p[i], above = new Map(), up = parents(data, i), total = sum(up.map(x => x[1])) || 1;
  for (const [j, part] of up) { const P = data.modes[k].p[j]; P.v.forEach((p, n) => { const x = P.at ? P.at[n] : n; above.set(x, (above.get(x) ?? 0) + p * part / total); }); }
  const out = v.map((p, n) => { const x = at ? at[n] : n, inherited = Math.min(p, above.get(x) ?? 0); return {item: x, p, inherited, own: p - inherited}; }).filter(r => r.p > 0);
  return argsort(out.map(r => first === 'own' && up.length ? r.own : r.p)).map(n => out[n]);
}

/** The length of what all names begin with, numbers left whole: 5 for 'part 1', 'part 2'. */
export function common(items) {
  if (items.length < 2) return 0;
  const [a, b] = [items[0], items.at(-1)]; let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  n = a.slice(0, n).replace(/[\d.-]+$/, '').length;
  return items.every(t => t.startsWith(a.slice(0, n))) ? n : 0;
}

/** Which indices of an ordered mode to name, at most `room`: round numbers if its names are numbers. */
export function ticks(items, room) {
  const n = items.length, same = common(items), x = items.map(t => parseFloat(t.slice(same))), rising = n > 12 && x.every((v, i) => v === v && (!i || v > x[i - 1]));
  if (rising) {
    const span = x[n - 1] - x[0], power = 10 ** Math.floor(Math.log10(span / room)), step = [1, 2, 5, 10, 20].map(f => f * power).find(f => span / f <= room), out = [];
    for (let i = 0, next = Math.ceil(x[0] / step - 1e-9) * step; i < n; i++) if (x[i] >= next || (i + 1 < n && x[i + 1] > next)) { out.push([i, items[i].slice(0, same) + +next.toPrecision(12)]); while (next <= x[i] || (i + 1 < n && next < x[i + 1])) next += step; }
    return out;
  }
  const each = Math.max(1, Math.ceil(n / room));
  return items.map((t, i) => [i, t]).filter(([i]) => i % each === 0);
}

/** Bytes of a picture, 0..255, from base64. */
export const bytes = b64 => Uint8Array.from(atob(b64), c => c.charCodeAt(0));

// ---------- small makers of page elements ----------

let pages = 0;
/** An item in sight: by its box alone, or by the page too if a user is moving in the box. */
function reveal(item, box) {
  if (!item?.scrollIntoView) return;
  if (box.contains(document.activeElement)) return item.scrollIntoView({block: 'nearest', inline: 'nearest'});
  const a = item.getBoundingClientRect(), b = box.getBoundingClientRect();
  box.scrollTop += Math.max(0, a.bottom - b.bottom) + Math.min(0, a.top - b.top);
  box.scrollLeft += Math.max(0, a.right - b.right) + Math.min(0, a.left - b.left);
}

/** An element; `on...` are listeners, the rest attributes; children are elements or plain text. */
function h(tag, props = {}, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (k === 'style') for (const [n, x] of Object.entries(v)) { if (n.startsWith('--')) e.style.setProperty(n, x); else e.style[n] = x; }
    else if (v === true) e.setAttribute(k, '');
    else if (v != null && v !== false) e.setAttribute(k, v);
  }
  e.append(...kids.flat(Infinity).filter(x => x != null && x !== false).map(x => x instanceof Node ? x : document.createTextNode(String(x))));
  return e;
}
function svg(tag, props = {}, ...kids) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [k, v] of Object.entries(props)) if (v != null) e.setAttribute(k, v);
  e.append(...kids.flat(Infinity));
  return e;
}
const bar = (cls, part) => h('i', {class: cls, style: {width: `${Math.max(0, Math.min(100, 100 * part))}%`}});
const word = (t, cls = '') => h('bdi', {class: `ntf-word ${cls}`, title: t}, t || '(empty)');
const columns = () => h('colgroup', {}, h('col', {class: 'ntf-word-col'}), h('col'), h('col', {class: 'ntf-value-col'}), h('col', {class: 'ntf-value-col'}));
const CIVIDIS = [[0, 34, 78], [18, 53, 112], [59, 73, 108], [87, 93, 109], [112, 113, 115], [138, 134, 120], [165, 156, 116], [195, 179, 105], [225, 204, 85], [254, 232, 56]];
const LETTERS = 'AB';

function picture(b64, [rows, columns], label, size) {
  const c = h('canvas', {width: columns, height: rows, ...(label ? {role: 'img', 'aria-label': label} : {'aria-hidden': 'true'}), class: 'ntf-picture', style: {width: `${size}px`, aspectRatio: `${columns}/${rows}`}});
  const ctx = c.getContext('2d'), px = ctx.createImageData(columns, rows), v = bytes(b64);
  v.forEach((x, n) => { const t = x / 255 * (CIVIDIS.length - 1), a = Math.min(CIVIDIS.length - 2, t | 0), f = t - a;
    for (let j = 0; j < 3; j++) px.data[4 * n + j] = CIVIDIS[a][j] * (1 - f) + CIVIDIS[a + 1][j] * f; px.data[4 * n + 3] = 255; });
  ctx.putImageData(px, 0, 0);
  return c;
}

/** Columns or an area over an ordered mode, the corpus as a line. `series`: [{v, cls, name}], one or two. */
function curve(series, items, {corpus, width = 600, height = 170, label, unit = ''} = {}) {
  const n = items.length, left = 46, foot = 20, W = Math.max(220, width), H = height, plot = W - left - 6, base = H - foot;
  const top = Math.max(1e-300, ...series.flatMap(s => s.v.map(x => x ?? 0)), ...(corpus ?? [])), X = i => left + plot * i / n, Y = v => base - (base - 8) * v / top;
  const s = svg('svg', {viewBox: `0 0 ${W} ${H}`, width: W, height: H, role: 'img', 'aria-label': label, class: 'ntf-curve'});
  for (const t of [0, .5, 1]) { const y = Y(t * top), e = svg('text', {x: left - 6, y: y + 4, 'text-anchor': 'end'}); e.textContent = t ? percent(t * top) : '0'; s.append(svg('line', {x1: left, x2: W - 6, y1: y, y2: y, class: 'ntf-grid'}), e); }
  const w = plot / n / series.length, thin = Math.min(.18 * w, 3);
  series.forEach((c, k) => c.v.forEach((v, i) => { if (v == null) return;
    const r = svg('rect', {x: X(i) + k * w + thin, y: Y(v), width: Math.max(.8, w - 2 * thin), height: Math.max(0, base - Y(v)), class: c.cls});
    const t = svg('title'); t.textContent = `${items[i]}${c.name ? ', ' + c.name : ''}: ${percent(v)}`; r.append(t); s.append(r); }));
  if (corpus) s.append(svg('path', {class: 'ntf-corpus-line', d: corpus.map((v, i) => `${i ? 'L' : 'M'}${X(i)},${Y(v)}H${X(i + 1)}`).join('')}));
  const same = common(items);
  for (const [i, full] of ticks(items, Math.max(2, Math.floor(plot / (n > 12 ? 56 : 90))))) {
    const t = full.slice(same), e = svg('text', {x: Math.min(X(i + .5), W - 24), y: H - 5, 'text-anchor': 'middle'}); e.textContent = t.length > 14 ? t.slice(0, 13) + '…' : t; s.append(e); }
  return s;
}

// ---------- the page ----------

export function render({model, el}) {
  const data = model.get('data'), page = `ntf${++pages}`, own = Math.floor(Math.random() * 2 ** 30), clean = [];
  let state = initial(data), sent = 0, docs = 3, typed = '', typing = 0, more = 18, timer = 0;
  Object.assign(state, model.get('state') ?? {});
  const samples = new Map(Object.entries(data.samples ?? {}));
  const listen = (name, f) => { model.on(name, f); clean.push(() => model.off?.(name, f)); };

  /** Do it here at once, and tell Python, whose answer overrules unless it is to an older command. */
  function act(cmd, args = {}) {
    const next = reduce(data, state, {cmd, ...args});
    if (next === state) return;
    const old = state; state = {...next, seq: ++sent};
    model.send?.({cmd, ...args, seq: sent, page: own});
    draw(old);
  }
  listen('change:state', () => {
    const s = model.get('state') ?? {};
    if (s.page === own && (s.seq ?? 0) < sent) return;
    const old = state; state = {...state, ...s, seq: sent}; draw(old);
  });
  listen('msg:custom', m => {
    if (m?.kind === 'samples' && typeof m.key === 'string' && Array.isArray(m.list)) { samples.set(m.key, m.list); drawSamples(); }
  });

  const sub = data.alone && data.title ? 'h2' : 'h3', many = data.strata.length > 1, tree = data.kind === 'hierarchy', id = i => `${page}-${i}`;
  const name = i => state.names[i] || data.names[i];
  const digit = i => { const s = setOf(data, i); return data.sets.length > 1 && tree ? `${s}.${i - data.sets[s].first}` : `${i - data.sets[s].first}`; };

  // --- controls that stay while the rest is redrawn ---
  const live = h('div', {class: 'ntf-sr', role: 'status', 'aria-live': 'polite'});
  const select = (label, options, value, f) => { const s = h('select', {onchange: e => f(+e.target.value)}, options.map(([v, t]) => h('option', {value: v}, t))); s.value = value; return {box: h('label', {class: 'ntf-field'}, h('span', {}, label), s), el: s}; };
  const stratum = select('Stratum', [[-1, 'All'], ...data.strata.map((s, i) => [i, s])], state.stratum, v => act('stratum', {stratum: v}));
  const versus = select('against', [[-1, 'nothing'], ...data.strata.map((s, i) => [i, s])], state.versus, v => act('versus', {stratum: v}));
  const set = select(data.axis ?? 'Model', data.sets.map((s, i) => [i, s.name]), state.set, v => act('set', {set: v}));
  const order = select('Order', [[0, 'relevance'], [1, 'probability'], [2, 'saliency']], state.order, v => act('order', {order: v}));
  const depth = select('Layers', data.sets.map((s, i) => [i, i ? `${data.sets.length - 1} to ${i}` : 'all']), state.depth, v => act('depth', {layer: v}));
  const shape = select('Drawn as', [[0, 'graph'], [1, 'tree']], state.shape, v => act('shape', {shape: v}));
  const lamValue = e => { const v = Math.max(0, Math.min(1, +e.target.value)); if (e.target.value !== '' && !Number.isNaN(v)) act('lam', {value: v}); };
  const slide = h('input', {type: 'range', min: 0, max: 1, step: .05, 'aria-label': 'Relevance λ, slider', oninput: lamValue});
  const exact = h('input', {type: 'number', min: 0, max: 1, step: .05, 'aria-label': 'Relevance λ', onchange: lamValue, title: '1: by probability; 0: by lift'});
  const lam = h('div', {class: 'ntf-field', role: 'group', 'aria-label': 'Relevance'}, h('span', {}, 'Relevance λ'), slide, exact);
  const find = h('input', {type: 'search', maxlength: 200, placeholder: data.term >= 0 ? `Find a ${data.modes[data.term].name}` : 'Find a topic', 'aria-label': 'Find the topics of a word', oninput: e => act('query', {value: e.target.value})});
  const panels = [[0, 'Topics'], ...(many ? [[1, 'Strata compared']] : []), ...(data.sets.length > 1 ? [[2, `${data.axis ?? 'Model'}s compared`]] : [])];
  const tabs = h('div', {class: 'ntf-tabs', role: 'group', 'aria-label': 'View'}, panels.map(([v, t]) => h('button', {type: 'button', 'data-panel': v, onclick: () => act('panel', {panel: v})}, t)));
  const top = h('div', {class: 'ntf-bar'}, ...(tree
    ? [depth.box, many && stratum.box, shape.box, find]
    : [data.sets.length > 1 && set.box, many && stratum.box, many && versus.box, find, order.box, lam, panels.length > 1 && tabs]));

  // --- the list of topics ---
  const hint = h('p', {class: 'ntf-note'});
  const list = h('div', {class: 'ntf-list', role: 'listbox', tabindex: 0, 'aria-label': 'Topics', onkeydown: listKey,
    onclick: e => { const o = e.target.closest('[data-id]'); if (o) act('select', {topic: +o.dataset.id}); }});
  const mergeInto = h('select', {'aria-label': 'Merge the topic into', onchange: e => { if (e.target.value !== '') act('merge', {topic: state.selected, into: +e.target.value}); }});
  const besides = h('select', {'aria-label': 'Show another topic beside', onchange: e => act('beside', {topic: +e.target.value})});
  const hide = h('button', {type: 'button', onclick: () => act(state.hidden.includes(state.selected) ? 'show' : 'hide', {topic: state.selected})});
  const undo = h('button', {type: 'button', onclick: () => { const last = state.undo.at(-1); act('undo'); say(`Undone. ${last ? name(last.topic) : ''}`); }}, 'Undo');
  const edits = h('div', {class: 'ntf-edit'}, hide, h('label', {}, mergeInto), h('label', {}, besides), undo);

  function listKey(e) {
    const ids = [...list.querySelectorAll('[data-id]')].map(o => +o.dataset.id), at = ids.indexOf(state.selected);
    const step = {ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8}[e.key];
    let to = step ? Math.max(0, Math.min(ids.length - 1, at + step)) : e.key === 'Home' ? 0 : e.key === 'End' ? ids.length - 1 : -1;
    if (e.key === 'F2' || e.key === 'Enter') { e.preventDefault(); main.querySelector('.ntf-name')?.focus(); return; }
    if (e.key === 'Delete') { e.preventDefault(); hide.click(); return; }
    if (to < 0 && e.key.length === 1 && !e.ctrlKey && !e.metaKey && !e.altKey) { keyed(e.key); to = typeAhead(ids.map(i => name(i)), at, typed); if (to < 0 && /^\d+$/.test(typed)) to = ids.findIndex(i => digit(i) === typed); }
    else if (to < 0) return;
    e.preventDefault();
    if (ids[to] !== undefined) act('select', {topic: ids[to]});
  }
  function keyed(k) { typed = Date.now() - typing < 800 ? typed + k : k; typing = Date.now(); }

  function drawList() {
    const found = listed(data, state), most = Math.max(1e-300, ...found.map(f => f.share));
    list.replaceChildren(...found.map(({id: i, share: s}) => h('div', {role: 'option', id: id(i), 'data-id': i, 'aria-selected': String(i === state.selected), class: state.hidden.includes(i) ? 'ntf-hidden' : null},
      h('span', {class: 'ntf-number'}, digit(i)), word(name(i)), h('span', {class: 'ntf-value'}, percent(s)), h('span', {class: 'ntf-track'}, bar('ntf-p', s / most)),
      state.hidden.includes(i) && h('small', {}, 'hidden'), members(state, i).length > 1 && h('small', {}, `${members(state, i).length} merged`))));
    list.setAttribute('aria-activedescendant', found.some(f => f.id === state.selected) ? id(state.selected) : '');
    const q = state.query.trim();
    hint.replaceChildren(...(data.share.length === 0 ? ['This model has no topics.'] : q ? [found.length ? 'Share of ' : 'No topic has ', word(q), found.length ? ` (${found[0].hits} ${found[0].hits === 1 ? 'match' : 'matches'}) among the topics` : ' among its first words'] : [state.stratum < 0 ? `Share of the ${data.whole ?? 'model'}` : `Share of ${data.strata[state.stratum]}`]));
    reveal(list.querySelector('[aria-selected=true]'), list);
    const others = listed(data, {...state, query: ''}).map(f => f.id).filter(i => i !== state.selected);
    mergeInto.replaceChildren(h('option', {value: ''}, 'Merge into …'), ...others.map(i => h('option', {value: i}, `${digit(i)} ${name(i)}`)));
    besides.replaceChildren(h('option', {value: -1}, state.beside < 0 ? 'Show beside …' : 'Nothing beside'), ...others.map(i => h('option', {value: i}, `${digit(i)} ${name(i)}`)));
    besides.value = state.beside;
    hide.textContent = state.hidden.includes(state.selected) ? 'Show' : 'Hide'; undo.disabled = !state.undo.length; hide.disabled = mergeInto.disabled = besides.disabled = state.selected < 0;
  }

  // --- one topic in one mode ---
  const modeTabs = () => data.modes.length > 1 && h('div', {class: 'ntf-tabs', role: 'group', 'aria-label': 'Mode'},
    data.modes.map((m, k) => h('button', {type: 'button', 'aria-pressed': String(k === state.mode), 'data-mode': k, onclick: () => { act('mode', {mode: k}); main.querySelector(`[data-mode="${k}"]`)?.focus(); }}, word(m.name))));

  function title(i) {
    const box = h('input', {class: 'ntf-name', 'aria-label': `Name of topic ${digit(i)}`, maxlength: 200, dir: 'auto', title: 'Click to rename',
      onchange: e => { act('name', {topic: i, value: e.target.value}); say(`Topic ${digit(i)} is now called ${name(i)}`); },
      onkeydown: e => { if (e.key === 'Enter') { e.target.blur(); list.focus?.(); } if (e.key === 'Escape') { e.target.value = name(i); (tree ? graph : list).focus(); } }});
    box.value = name(i);
    const parts = members(state, i);
    return h('div', {class: 'ntf-title'}, h('span', {class: 'ntf-number'}, digit(i)), box,
      h('span', {class: 'ntf-value'}, percent(share(data, state, i)), !tree && state.versus >= 0 ? ` | ${percent(share(data, state, i, state.versus))}` : ''),
      parts.length > 1 && h('div', {class: 'ntf-merged'}, 'with ', parts.filter(j => j !== i).map(j => h('button', {type: 'button', onclick: () => act('split', {topic: j}), title: 'Take apart again'}, `${digit(j)} ${name(j)} ×`))));
  }

  function terms(i, k) {
    const mode = data.modes[k], all = rows(data, state, i, k), list = all.slice(0, more), two = state.versus >= 0;
    if (!all.length) return h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
    const most = Math.max(...list.flatMap(r => [r.p, r.corpus, r.versus ?? 0])), A = state.stratum < 0 ? 'corpus' : data.strata[state.stratum];
    const head = h('div', {class: 'ntf-legend'}, h('span', {class: `ntf-key ${two ? 'ntf-t' : 'ntf-p'}`}), 'in the topic', h('span', {class: `ntf-key ${two ? 'ntf-a' : 'ntf-c'}`}), two ? word(`in ${A}`) : state.stratum < 0 ? 'in the corpus' : word(`in ${A}`), two && h('span', {class: 'ntf-key ntf-b'}), two && word(`in ${data.strata[state.versus]}`));
    const table = h('table', {class: 'ntf-terms'}, columns(), h('thead', {class: 'ntf-sr'}, h('tr', {}, h('th', {scope: 'col'}, mode.name), h('th', {scope: 'col'}, 'bars'), h('th', {scope: 'col'}, 'share of the topic'), h('th', {scope: 'col'}, two ? 'difference of the strata' : 'times its share of the corpus'))),
      h('tbody', {}, list.map(r => h('tr', {title: `${mode.items[r.item]}: ${percent(r.p)} of the topic, ${percent(r.corpus)} of ${A}`}, h('th', {scope: 'row'}, word(mode.items[r.item])),
        h('td', {class: 'ntf-bars'}, h('span', {class: 'ntf-track'}, bar(two ? 'ntf-p ntf-t' : 'ntf-p', r.p / most), bar(two ? 'ntf-a' : 'ntf-c', r.corpus / most), two && bar('ntf-b', r.versus / most))),
        h('td', {class: 'ntf-value'}, percent(r.p)), h('td', {class: 'ntf-value'}, two ? signed(r.corpus - r.versus) : r.corpus > 0 ? `×${r.p / r.corpus < 10 ? (r.p / r.corpus).toFixed(1) : (r.p / r.corpus).toFixed(0)}` : '')))));
    return h('div', {}, head, table, all.length > list.length && h('button', {type: 'button', class: 'ntf-more', onclick: () => { more += 48; draw(state); }}, `More (${all.length - list.length})`));
  }
  const signed = x => { const t = (100 * Math.abs(x)).toFixed(Math.abs(x) < .0095 ? 2 : Math.abs(x) < .0995 ? 1 : 0); return `${+t === 0 ? '±' : x > 0 ? '+' : '−'}${t} %`; };

  function ordered(i, k, width, height) {
    const mode = data.modes[k], {v} = profile(data, state, i, k), at = argsort(v)[0];
    const corpus = mode.corpus[setOf(data, i)];
    if (!(Math.max(...v) > 0)) return h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
    return curve([{v, cls: 'ntf-p'}], mode.items, {corpus: corpus[1 + (tree ? -1 : state.stratum)], width, height, label: `${mode.name}: most at ${mode.items[at]}, ${percent(v[at])}; the line is the corpus`});
  }

  function images(i, k, size) {
    const mode = data.modes[k], {first, count} = data.sets[setOf(data, i)];
    const others = size < 200 ? [] : listed(data, {...state, query: '', set: setOf(data, i)}).slice(0, 60);
    return h('div', {class: 'ntf-images'}, picture(mode.img[i], mode.shape, `${name(i)} as a picture, ${mode.shape[0]} by ${mode.shape[1]}`, size),
      h('p', {class: 'ntf-note'}, `dark: 0, bright: ${percent(mode.top[i])} at one pixel`),
      others.length > 1 && h('div', {class: 'ntf-gallery', role: 'group', 'aria-label': 'All topics as pictures'}, others.map(({id: j}) => h('button', {type: 'button', 'aria-pressed': String(j === state.selected), 'aria-label': `Topic ${digit(j)}, ${name(j)}`, onclick: () => act('select', {topic: j})}, picture(mode.img[j], mode.shape, '', 56)))));
  }
  const chart = (i, k, width, height = 190) => ({words: () => terms(i, k), labels: () => terms(i, k), ordered: () => ordered(i, k, width, height), image: () => images(i, k, Math.min(300, width))})[data.modes[k].kind]();

  const small = (i, k) => { const m = data.modes[k];
    if (m.kind === 'image') return images(i, k, 110);
    if (m.kind === 'ordered') return ordered(i, k, Math.min(side.clientWidth || 300, 340), 96);
    return h('ol', {class: 'ntf-few'}, rows(data, state, i, k).slice(0, 5).map(r => h('li', {}, word(m.items[r.item]), h('span', {class: 'ntf-value'}, percent(r.p))))); };

  function course(i, width) {
    const c = data.course; if (!c) return null;
    const parts = members(state, i), value = s => c.labels.map((_, b) => c.has[s][b] ? sum(parts.map(j => c.v[j][s][b])) : null);
    const shownS = state.stratum < 0 ? data.strata.map((_, s) => s) : state.versus < 0 ? [state.stratum] : [state.stratum, state.versus];
    const use = shownS.length > 2 || !c.v.length ? [] : shownS, cls = use.length > 1 ? ['ntf-a', 'ntf-b'] : ['ntf-p'];
    const series = use.length ? use.map((s, n) => ({v: value(s), cls: cls[n], name: many ? data.strata[s] : ''})) : [{v: c.labels.map((_, b) => c.all[b] ? sum(parts.map(j => c.total[j][b])) : null), cls: 'ntf-p'}];
    const flat = series.flatMap(s => s.v.map((v, b) => [v ?? -1, c.labels[b]])).sort((a, b) => b[0] - a[0])[0];
    return h('section', {}, h(sub, {class: 'ntf-h'}, `By ${c.name}`, many && use.length > 1 && h('span', {class: 'ntf-legend'}, use.map((s, n) => [h('span', {class: `ntf-key ${cls[n]}`}), word(data.strata[s])]))),
      curve(series, c.labels, {width, height: 130, label: `Share by ${c.name}: most in ${flat?.[1]}, ${percent(flat?.[0])}`}));
  }

  // --- samples ---
  const sampleKey = i => `${i}/${state.stratum}`;
  function samplesOf(i) {
    const all = new Map();
    for (const j of members(state, i)) {
      const have = samples.get(`${j}/${state.stratum}`) ?? (samples.get(`${j}/-1`) ?? []).filter(s => state.stratum < 0 || s.stratum === state.stratum);
      for (const s of have) all.set(s.id, {...s, weight: s.weight + (all.get(s.id)?.weight ?? 0)});
    }
    return [...all.values()].sort((a, b) => b.weight - a.weight);
  }
  const sampleBox = h('section', {class: 'ntf-samples', 'aria-label': `Most typical ${data.units || 'samples'}`});
  function askSamples(i) {
    if (!data.ask || i < 0) return;
    clearTimeout(timer);
    timer = setTimeout(() => members(state, i).filter(j => !samples.has(`${j}/${state.stratum}`)).forEach(j => model.send?.({cmd: 'samples', topic: j, stratum: state.stratum})), 60);
  }
  function drawSamples() {
    const i = state.selected, found = i < 0 ? [] : samplesOf(i), k = data.term;
    const hot = new Map(); if (k >= 0 && i >= 0) { const r = rows(data, {...state, order: 0}, i, k).slice(0, 60); r.forEach((x, n) => hot.set(data.modes[k].items[x.item].toLowerCase(), 1 - n / r.length)); }
    if (!found.length && !data.ask) { sampleBox.replaceChildren(); return; }
    sampleBox.replaceChildren(h(sub, {class: 'ntf-h'}, `Most typical ${data.units || 'samples'}`), found.length ? h('div', {class: 'ntf-articles'}, found.slice(0, docs).map(s => h('article', {},
      h('div', {class: 'ntf-sample'}, h('strong', {}, word(s.name)), many && h('span', {class: 'ntf-chip'}, word(data.strata[s.stratum])), s.where && h('span', {class: 'ntf-note'}, word(s.where)), h('span', {class: 'ntf-value', title: 'part of the sample that is this topic'}, percent(s.part))),
      s.text && h('p', {dir: 'auto'}, marked(s.text, hot).map(p => p.weight ? h('mark', {class: p.weight > .66 ? 'ntf-m3' : p.weight > .33 ? 'ntf-m2' : 'ntf-m1'}, p.text) : p.text)),
      s.image && data.sampleShape && picture(s.image, data.sampleShape, s.name, 96)))) : h('p', {class: 'ntf-note'}, 'none'), found.length > docs && h('button', {type: 'button', class: 'ntf-more', onclick: () => { docs = 9; drawSamples(); sampleBox.querySelector('article')?.focus?.(); }}, 'More') || '');
  }

  // --- what a stratum has for itself; comparisons ---
  function features() {
    const use = state.versus >= 0 ? [state.stratum, state.versus] : state.stratum >= 0 ? [state.stratum] : data.strata.map((_, s) => s).slice(0, 6);
    const own = data.features?.[tree ? 0 : state.set];
    if (!own?.some(f => f.length)) return null;
    return h('section', {class: 'ntf-features'}, use.map(s => h('div', {}, h(sub, {class: 'ntf-h'}, 'Only in ', word(data.strata[s]), h('span', {class: 'ntf-value'}, ` ${percent(sum(own[s].map(f => f.share)))} of it`)),
      own[s].map((f, n) => h('div', {class: 'ntf-feature'}, h('span', {class: 'ntf-value'}, percent(f.share)),
        h('span', {class: 'ntf-minis'}, data.modes.map((m, k) => m.kind === 'ordered' && f.modes[k]?.v ? spark(f.modes[k].v, `${m.name}: most at ${m.items[argsort(f.modes[k].v)[0]]}`) : m.kind === 'image' && f.modes[k]?.img ? picture(f.modes[k].img, m.shape, `feature ${n} of ${data.strata[s]} as a picture`, 72) : null)),
        h('span', {class: 'ntf-words'}, data.modes.map((m, k) => f.modes[k]?.top?.map((t, x) => [x ? ' · ' : '', word(t)]))))))));
  }
  function spark(v, label, width = Math.min(120, Math.max(64, v.length * 6)), height = 26) {
    const s = svg('svg', {viewBox: `0 0 ${width} ${height}`, width, height, class: 'ntf-spark', ...(label ? {role: 'img', 'aria-label': label} : {'aria-hidden': 'true'})}), most = Math.max(...v) || 1, w = width / v.length, gap = Math.min(1, w / 5);
    v.forEach((x, i) => s.append(svg('rect', {x: i * w + gap / 2, width: w - gap, y: height - 1 - (height - 2) * x / most, height: (height - 2) * x / most + 1, class: 'ntf-p'})));
    return s;
  }
  const button = i => h('button', {type: 'button', class: 'ntf-link', onclick: () => { act('panel', {panel: 0}); act('select', {topic: i}); }}, h('span', {class: 'ntf-number'}, digit(i)), word(name(i)));
  function strataCompared() {
    const a = Math.max(0, state.stratum), b = state.versus >= 0 ? state.versus : a === 0 ? 1 : 0, ids = listed(data, {...state, query: ''}).map(f => f.id).filter(i => !state.hidden.includes(i));
    const sa = ids.map(i => share(data, state, i, a)), sb = ids.map(i => share(data, state, i, b)), most = Math.max(1e-300, ...sa, ...sb);
    return h('section', {}, h(sub, {class: 'ntf-h'}, 'Topics by the difference of their shares'), h('div', {class: 'ntf-scroll', tabindex: 0, role: 'group', 'aria-label': 'Table of topics'}, h('table', {class: 'ntf-compare'},
      h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, 'topic'), h('th', {scope: 'col', colspan: 2}, h('span', {class: 'ntf-key ntf-a'}), word(data.strata[a])), h('th', {scope: 'col', colspan: 2}, h('span', {class: 'ntf-key ntf-b'}), word(data.strata[b])), h('th', {scope: 'col'}, 'difference'))),
      h('tbody', {}, argsort(sa.map((x, n) => x - sb[n])).map(n => h('tr', {}, h('th', {scope: 'row'}, button(ids[n])), h('td', {class: 'ntf-value'}, percent(sa[n])), h('td', {class: 'ntf-side ntf-left'}, h('span', {class: 'ntf-track'}, bar('ntf-a', sa[n] / most))), h('td', {class: 'ntf-side'}, h('span', {class: 'ntf-track'}, bar('ntf-b', sb[n] / most))), h('td', {class: 'ntf-value'}, percent(sb[n])), h('td', {class: 'ntf-value'}, signed(sa[n] - sb[n]))))))));
  }
  function setsCompared() {
    const a = state.set, b = state.other === a ? (a + 1) % data.sets.length : state.other, C = data.similar[a][b], A = data.sets[a], B = data.sets[b];
    const pick = select(`${data.sets[a].name} against`, data.sets.map((s, i) => [i, s.name]).filter(([i]) => i !== a), b, v => act('other', {set: v}));
    const match = data.match[a][b], cell = x => h('td', {class: 'ntf-heat', style: {'--ntf-v': x}}, x >= .995 ? '1' : x < .005 ? '·' : x.toFixed(2).slice(1));
    const columns = [...new Set([...match.filter(j => j >= 0), ...Array.from({length: B.count}, (_, j) => j)])], rows = Array.from({length: A.count}, (_, i) => i).sort((x, y) => (C[y][match[y]] ?? -1) - (C[x][match[x]] ?? -1));
    const cols = [...new Set([...rows.map(i => match[i]).filter(j => j >= 0), ...columns])];
    return h('section', {}, pick.box, h('p', {class: 'ntf-note'}, 'How alike two topics are: the product of their cosines, one for equal topics. Partners of the best one-to-one matching stand on the diagonal.'),
      h('div', {class: 'ntf-scroll', tabindex: 0, role: 'group', 'aria-label': 'Table of likeness'}, h('table', {class: 'ntf-matrix'}, h('thead', {}, h('tr', {}, h('th', {scope: 'col'}, word(A.name)), cols.map(j => h('th', {scope: 'col', title: name(B.first + j)}, digit(B.first + j))), h('th', {scope: 'col'}, 'partner in ', word(B.name)))),
        h('tbody', {}, rows.map(i => h('tr', {}, h('th', {scope: 'row'}, button(A.first + i)), cols.map(j => cell(C[i][j])), h('td', {}, match[i] >= 0 ? button(B.first + match[i]) : 'none')))))));
  }

  // --- the hierarchy ---
  const graph = h('div', {class: 'ntf-graph', role: 'tree', tabindex: 0, 'aria-label': 'Topics by layer; left and right follow the strongest link, up and down stay in the layer', onkeydown: treeKey,
    onclick: e => { const o = e.target.closest('[data-id]'), t = e.target.closest('[data-fold]'); if (t) fold(+t.dataset.fold); else if (o) act(e.shiftKey ? 'beside' : 'select', {topic: +o.dataset.id}); }});
  const folded = new Set();
  const fold = i => { folded.has(i) ? folded.delete(i) : folded.add(i); drawGraph(); };
  let place = null;
  const mainChildren = i => data.up.map((_, j) => j).filter(j => parents(data, j)[0]?.[0] === i && setOf(data, j) >= state.depth).sort((a, b) => data.share[b] - data.share[a]);
  const visible = i => [i, ...(folded.has(i) ? [] : mainChildren(i).flatMap(visible))];
  const roots = () => { const {first, count} = data.sets.at(-1), all = data.up.map((_, j) => j).filter(j => (j >= first && j < first + count) || (!parents(data, j).length && setOf(data, j) >= state.depth)); return all.sort((a, b) => setOf(data, b) - setOf(data, a) || data.share[b] - data.share[a]); };
  const columnOf = i => Object.keys(place.at).map(Number).filter(j => place.at[j].column === place.at[i]?.column).sort((a, b) => place.at[a].y - place.at[b].y);

  function treeKey(e) {
    const i = state.selected, line = state.shape ? roots().flatMap(visible) : columnOf(i), at = line.indexOf(i), kids = state.shape ? mainChildren(i) : children(data, i).map(x => x[0]).filter(j => place.at[j]), up = parents(data, i)[0]?.[0];
    let to = {ArrowDown: line[at + 1], ArrowUp: line[at - 1], Home: line[0], End: line.at(-1), ArrowLeft: up, ArrowRight: kids[0]}[e.key];
    if (state.shape && e.key === 'ArrowRight' && kids.length && folded.has(i)) { e.preventDefault(); fold(i); return; }
    if (state.shape && e.key === 'ArrowLeft' && kids.length && !folded.has(i)) { e.preventDefault(); fold(i); return; }
    if (e.key === 'Enter' || e.key === ' ') { e.preventDefault(); act('beside', {topic: state.beside === i ? -1 : state.beside < 0 ? i : state.beside}); pinned = pinned === i ? -1 : i; drawDetail(); drawGraph(); say(pinned >= 0 ? `${name(i)} stays on the side; pick another to see both` : 'only one node is shown'); return; }
    if (e.key === 'F2') { e.preventDefault(); main.querySelector('.ntf-name')?.focus(); return; }
    if (to === undefined && e.key.length === 1 && !e.ctrlKey && !e.metaKey && !e.altKey) { keyed(e.key); const all = state.shape ? line : Object.keys(place.at).map(Number), n = typeAhead(all.map(name), all.indexOf(i), typed); to = all[n]; }
    else if (to === undefined && !['ArrowDown', 'ArrowUp', 'Home', 'End', 'ArrowLeft', 'ArrowRight'].includes(e.key)) return;
    e.preventDefault();
    if (to !== undefined) act('select', {topic: to});
  }
  let pinned = -1;

  const node = (i, on, props, ...kids) => { const {first, count} = data.sets[setOf(data, i)], q = state.query.trim().toLowerCase();
    const hit = q && (name(i).toLowerCase().includes(q) || (data.term >= 0 && rows(data, {...state, order: 1, stratum: -1, versus: -1}, i, data.term).slice(0, 20).some(r => data.modes[data.term].items[r.item].toLowerCase().includes(q))));
    return h('div', {role: 'treeitem', id: id(i), 'data-id': i, 'aria-level': data.sets.length - setOf(data, i), 'aria-setsize': count, 'aria-posinset': i - first + 1, 'aria-selected': String(i === state.selected),
      class: ['ntf-node', on > 0 && 'ntf-on', hit && 'ntf-hit', q && !hit && 'ntf-dim', i === state.beside && 'ntf-beside'].filter(Boolean).join(' '), ...props}, h('span', {class: 'ntf-sr'}, `layer ${setOf(data, i)}, topic `), kids); };
  const firstWords = (i, n) => data.term >= 0 && data.modes[data.term].kind === 'words' && !data.plain ? rows(data, {...state, order: 0, stratum: -1, versus: -1}, i, data.term).slice(0, n).map(r => data.modes[data.term].items[r.item]).join(' · ') : '';

  /** A topic without words shows its curve or its picture. */
  function face(i, a) {
    const m = data.modes[state.mode] ?? {};
    if (m.kind === 'image') return a.h > 60 && h('div', {class: 'ntf-face'}, picture(m.img[i], m.shape, '', Math.min(64, a.h - 34)));
    return m.kind === 'ordered' && h('div', {class: 'ntf-face'}, spark(data.modes[state.mode].p[i].v, '', Math.max(60, a.w - 20), Math.min(70, Math.max(14, a.h - 32))));
  }
  function drawGraph() {
    if (state.selected < 0) { graph.replaceChildren(h('p', {class: 'ntf-note'}, 'This model has no topics.')); return; }
    const on = path(data, state.selected);
    graph.classList.toggle('ntf-outline', state.shape === 1);
    graph.setAttribute('aria-activedescendant', id(state.selected));
    place = layout(data, state.depth, Math.max(300, graph.clientWidth - 4 || 720));
    if (state.shape === 1) {
      const line = (i, level) => [node(i, on.get(i), {'aria-expanded': mainChildren(i).length ? String(!folded.has(i)) : null, 'aria-level': level, style: {paddingLeft: `${.4 + 1.4 * (level - 1)}rem`}},
        h('span', {class: 'ntf-fold', 'data-fold': mainChildren(i).length ? i : null, 'aria-hidden': 'true'}, mainChildren(i).length ? folded.has(i) ? '▸' : '▾' : ''), h('span', {class: 'ntf-number'}, digit(i)), word(name(i)), h('span', {class: 'ntf-value'}, percent(share(data, state, i))), h('span', {class: 'ntf-track'}, bar('ntf-p', share(data, state, i)))),
        ...(folded.has(i) ? [] : mainChildren(i).flatMap(j => line(j, level + 1)))];
      graph.style.height = ''; graph.replaceChildren(...roots().flatMap(i => line(i, 1)));
    } else {
      const s = svg('svg', {width: place.width, height: place.height, 'aria-hidden': 'true'}), thick = place.height / 2.2;
      for (const key of Object.keys(place.at)) { const i = +key, a = place.at[i];
        for (const [j, part] of parents(data, i)) { const b = place.at[j]; if (!b || part < .02) continue;
          const x1 = b.x + b.w, x2 = a.x, y1 = b.y + b.h / 2, y2 = a.y + a.h / 2, c = (x1 + x2) / 2, lit = on.has(i) && on.has(j);
          const p = svg('path', {d: `M${x1},${y1}C${c},${y1} ${c},${y2} ${x2},${y2}`, class: `ntf-edge${lit ? ' ntf-lit' : ''}`, 'stroke-width': Math.max(1, Math.min(34, thick * part * data.share[i] * .35)), 'stroke-opacity': lit ? .35 + .5 * part : .3 + .3 * part});
          const t = svg('title'); t.textContent = `${percent(part)} of ${name(i)} is part of ${name(j)}`; p.append(t); s.append(p); } }
      const nodes = Object.keys(place.at).map(Number).map(i => { const a = place.at[i];
        return node(i, on.get(i), {style: {left: `${a.x}px`, top: `${a.y}px`, width: `${a.w}px`, height: `${a.h}px`}, title: name(i)},
          h('div', {class: 'ntf-node-head'}, h('span', {class: 'ntf-number'}, digit(i)), word(name(i)), h('span', {class: 'ntf-value'}, percent(share(data, state, i)))),
          a.h > 40 && (data.modes[state.mode]?.kind ?? 'words') !== 'ordered' && data.modes[state.mode]?.kind !== 'image' && h('div', {class: 'ntf-node-words', 'aria-hidden': 'true', style: {'-webkit-line-clamp': Math.max(1, Math.floor((a.h - 30) / 15))}}, h('bdi', {}, firstWords(i, Math.min(16, Math.floor(a.h / 8))))), face(i, a)); });
      graph.style.height = `${place.height + 6}px`; graph.replaceChildren(s, ...nodes);
    }
    reveal(graph.querySelector('[aria-selected=true]'), graph.closest('.ntf-scroll') ?? graph);
  }

  function links(i, title, pairs, verb) {
    return pairs.length > 0 && h('section', {}, h(sub, {class: 'ntf-h'}, title), h('table', {class: 'ntf-terms'}, h('colgroup', {}, h('col', {class: 'ntf-wide-col'}), h('col'), h('col', {class: 'ntf-value-col'})), h('tbody', {}, pairs.slice(0, 8).map(([j, part]) => h('tr', {}, h('th', {scope: 'row'}, h('button', {type: 'button', class: 'ntf-link', onclick: () => act('select', {topic: j})}, h('span', {class: 'ntf-number'}, digit(j)), word(name(j)))),
      h('td', {class: 'ntf-bars'}, h('span', {class: 'ntf-track'}, bar('ntf-p', part))), h('td', {class: 'ntf-value', title: verb}, percent(part)))))));
  }
  function nodeDetail(i, width) {
    const k = state.mode, mode = data.modes[k], up = parents(data, i), way = chain(data, i).slice(0, -1);
    let body;
    if (mode.kind === 'words' || mode.kind === 'labels') {
      const list = ownWords(data, state, i, k, 'p').slice(0, Math.min(more, 16)), most = Math.max(1e-300, ...list.map(r => r.p)), own = sum(ownWords(data, state, i, k).map(r => r.own));
      body = list.length ? h('div', {}, h('div', {class: 'ntf-legend'}, h('span', {class: 'ntf-key ntf-p'}), up.length ? 'its own' : 'in the topic', up.length > 0 && [h('span', {class: 'ntf-key ntf-c'}), 'shared with its supertopics']),
        h('table', {class: 'ntf-terms'}, columns(), h('thead', {class: 'ntf-sr'}, h('tr', {}, h('th', {scope: 'col'}, mode.name), h('th', {scope: 'col'}, 'bars'), h('th', {scope: 'col'}, 'share of the topic'), h('th', {scope: 'col'}, 'of which its own'))),
          h('tbody', {}, list.map(r => h('tr', {}, h('th', {scope: 'row'}, word(mode.items[r.item])), h('td', {class: 'ntf-bars'}, h('span', {class: 'ntf-track ntf-stack'}, bar('ntf-p', r.own / most), bar('ntf-c', r.inherited / most))), h('td', {class: 'ntf-value'}, percent(r.p)), h('td', {class: 'ntf-value'}, up.length ? `own ${Math.round(100 * r.own / r.p)} %` : '')))))) : h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
    } else body = chart(i, k, width, 150);
    return h('section', {class: 'ntf-detail', 'aria-label': `Topic ${digit(i)}`}, title(i),
      way.length > 0 && h('p', {class: 'ntf-path'}, 'in ', way.map(j => [h('button', {type: 'button', class: 'ntf-link', onclick: () => act('select', {topic: j})}, word(name(j))), ' › ']), word(name(i))),
      body, data.course && course(i, width), links(i, 'Made of', children(data, i), 'part of this topic'), links(i, 'Part of', up, 'part that goes there'));
  }
  function drawDetail() {
    const one = state.selected, two = pinned >= 0 && pinned !== one ? pinned : state.beside >= 0 && state.beside !== one ? state.beside : -1;
    if (one < 0) { side.replaceChildren(); return; }
    const width = Math.max(240, side.clientWidth / (two >= 0 && side.clientWidth > 560 ? 2 : 1) - 24 || 320);
    const others = data.share.map((_, i) => i).filter(i => i !== one);
    const pick = h('select', {'aria-label': 'Show another topic beside', onchange: e => { pinned = -1; act('beside', {topic: +e.target.value}); }}, h('option', {value: -1}, two < 0 ? 'Show beside …' : 'Nothing beside'), others.map(i => h('option', {value: i}, `${digit(i)} ${name(i)}`)));
    pick.value = two;
    side.replaceChildren(h('div', {class: 'ntf-edit'}, modeTabs(), pick, undo), h('div', {class: two >= 0 ? 'ntf-pair' : ''}, nodeDetail(one, width), two >= 0 && nodeDetail(two, width)));
    foot.replaceChildren(...[features(), sampleBox].filter(Boolean));
    undo.disabled = !state.undo.length;
    main.classList.toggle('ntf-two', two >= 0);
  }

  // --- putting it together ---
  const main = h('div', {class: tree ? 'ntf-hier' : 'ntf-main'}), side = h('div', {class: 'ntf-aside'}), centre = h('div', {class: 'ntf-centre'}), foot = h('div', {});
  const left = h('div', {class: 'ntf-left-side'}, hint, list, edits);
  main.append(...(tree ? [h('div', {class: 'ntf-scroll ntf-canvas'}, graph), side] : [left, centre, side]));
  // In a notebook a plain key is a command too: arrows go to another cell, d d deletes one. What is pressed here is meant for the page.
  const box = h('div', {class: 'ntf', lang: 'en', onkeydown: e => { if (!e.ctrlKey && !e.metaKey && !e.altKey && e.key !== 'Escape') e.stopPropagation(); }}, h('div', {class: 'ntf-inner'}, data.title && h('div', {class: 'ntf-head'}, h(data.alone ? 'h1' : 'h2', {}, word(data.title)), data.note && h('p', {class: 'ntf-note'}, data.note)), top, main, foot, live));
  el.replaceChildren(box);

  const say = t => { live.textContent = t; };
  function announce() {
    const i = state.selected; if (i < 0) return;
    const w = data.term >= 0 ? rows(data, {...state, order: 0}, i, data.term).slice(0, 4).map(r => data.modes[data.term].items[r.item]).join(', ') : '';
    say(`Topic ${digit(i)}, ${name(i)}, ${percent(share(data, state, i))}${w ? '. ' + w : ''}`);
  }
  function drawCentre() {
    const i = state.selected, j = state.beside, k = state.mode;
    if (state.panel === 1 && many) { centre.replaceChildren(strataCompared()); return; }
    if (state.panel === 2 && data.sets.length > 1) { centre.replaceChildren(setsCompared()); return; }
    if (i < 0) { centre.replaceChildren(); return; }
    const both = j >= 0, width = Math.max(240, (centre.clientWidth || 600) / (both && centre.clientWidth > 620 ? 2 : 1) - (both ? 20 : 8));
    const one = n => h('section', {class: 'ntf-detail', 'aria-label': `Topic ${digit(n)}`}, title(n), chart(n, k, width));
    centre.replaceChildren(...[modeTabs() || '', h('div', {class: both ? 'ntf-pair' : ''}, one(i), both && one(j)), course(i, (centre.clientWidth || 600) - 8) || ''].filter(Boolean));
  }
  function drawSide() {
    const i = state.selected;
    side.hidden = state.panel > 0; main.classList.toggle('ntf-wide', state.panel > 0);
    if (i < 0 || state.panel > 0) { side.replaceChildren(); return; }
    side.replaceChildren(...data.modes.map((m, k) => k === state.mode ? '' : h('section', {}, h(sub, {class: 'ntf-h'}, h('button', {type: 'button', class: 'ntf-link', onclick: () => act('mode', {mode: k})}, word(m.name))), small(i, k))).filter(Boolean), sampleBox);
  }
  function draw(old) {
    const focus = box.contains(document.activeElement) ? document.activeElement : null;
    slide.value = state.lam; if (document.activeElement !== exact) exact.value = +state.lam.toFixed(4);
    lam.classList.toggle('ntf-off', state.order !== 0); slide.disabled = exact.disabled = state.order !== 0;
    if (document.activeElement !== find) find.value = state.query;
    for (const [c, v] of [[stratum, state.stratum], [versus, state.versus], [set, state.set], [order, state.order], [depth, state.depth], [shape, state.shape]]) c.el.value = v;
    versus.el.disabled = state.stratum < 0;
    tabs.querySelectorAll('button').forEach(b => b.setAttribute('aria-pressed', String(+b.dataset.panel === state.panel)));
    if (old && old.selected !== state.selected) more = 18;
    if (tree) { drawDetail(); drawGraph(); } else { drawList(); drawCentre(); drawSide(); foot.replaceChildren(...[state.panel < 2 && features()].filter(Boolean)); }
    drawSamples(); if (!tree || data.ask) askSamples(state.selected);
    if (old && old.selected !== state.selected) announce();
    if (focus && !box.contains(focus)) again(focus);
  }
  /** Redrawing took the element with the focus away: go to the one in its place. */
  function again(e) {
    const same = [...box.querySelectorAll(e.tagName)].find(x => x.className === e.className && x.getAttribute('aria-label') === e.getAttribute('aria-label') && x.dataset.mode === e.dataset.mode && (e.className !== 'ntf-link' || x.textContent === e.textContent));
    (same && same.className !== 'ntf-link' ? same : tree ? graph : list).focus({preventScroll: true});
  }
  draw();
  let seen = 0;
  const watch = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver(() => { if (Math.abs(box.clientWidth - seen) > 8) { seen = box.clientWidth; draw(state); } });
  watch?.observe(box);
  return () => { clearTimeout(timer); watch?.disconnect(); clean.forEach(f => f()); };
}

/** A stand-in for the widget's model where there is no kernel. */
export function still(data) {
  return {get: n => n === 'data' ? data : undefined, on() {}, off() {}, send() {}};
}

export default {render};
