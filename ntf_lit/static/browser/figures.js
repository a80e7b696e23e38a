import {h, keyed, svg, word} from './elements.js';
import {argsort, bytes, common, percent, sum, ticks} from './format.js';
import {corpusOf, listed, members, profile, setOf, wholeName} from './state.js';

const CIVIDIS = [
  [0, 34, 78],
  [18, 53, 112],
  [59, 73, 108],
  [87, 93, 109],
  [112, 113, 115],
  [138, 134, 120],
  [165, 156, 116],
  [195, 179, 105],
  [225, 204, 85],
  [254, 232, 56],
];

/** Bytes, or their base64, as a picture. */
export function picture(b64, [rows, columns], label, size) {
  const c = h('canvas', {
    width: columns,
    height: rows,
    ...(label ? {role: 'img', 'aria-label': label} : {'aria-hidden': 'true'}),
    class: 'ntf-picture',
    style: {width: `${size}px`, aspectRatio: `${columns}/${rows}`},
  });
  const ctx = c.getContext('2d'),
    px = ctx.createImageData(columns, rows),
    v = typeof b64 === 'string' ? bytes(b64) : b64;
  v.forEach((x, n) => {
    const t = (x / 255) * (CIVIDIS.length - 1),
      a = Math.min(CIVIDIS.length - 2, t | 0),
      f = t - a;
    for (let j = 0; j < 3; j++) px.data[4 * n + j] = CIVIDIS[a][j] * (1 - f) + CIVIDIS[a + 1][j] * f;
    px.data[4 * n + 3] = 255;
  });
  ctx.putImageData(px, 0, 0);
  return c;
}

const svgLabel = (t, props) => {
  const e = svg('text', props);
  e.textContent = t;
  return e;
};

/** What an axis measures, with its unit: emission (nm). */
export const axisTitle = mode => {
  const name = mode.title ?? mode.name;
  return mode.unit ? `${name} (${mode.unit})` : name;
};

/** Names below an axis; where the names have a unit, numbers alone. */
const below = (mode, items, room) => {
  const same = common(items),
    unit = mode?.unit ?? '';
  return ticks(items, room).map(([i, full]) => {
    const t = full.slice(same),
      short = unit && t.endsWith(unit) ? t.slice(0, -unit.length).trimEnd() : t;
    return [i, short.length > 14 ? `${short.slice(0, 13)}…` : short];
  });
};

/** A column over each index, all as one path; what is not known leaves a gap. */
const manyColumns = (v, at, wide, Y, base) =>
  v.map((x, i) => (x == null ? '' : `M${at(i).toFixed(1)},${base}V${Y(x).toFixed(1)}h${wide.toFixed(1)}V${base}Z`)).join('');

const area = (v, X, Y, base) => {
  const top = v.map((x, i) => `L${X(i).toFixed(1)},${Y(x ?? 0).toFixed(1)}H${X(i + 1).toFixed(1)}`).join('');
  return `M${X(0).toFixed(1)},${base}${top}V${base}Z`;
};

/** Columns; where there are many, one path: an area of one series, columns of several. */
function drawn({v, cls, name}, k, count, items, X, Y, base) {
  const n = v.length,
    w = (X(1) - X(0)) / count,
    thin = Math.min(0.18 * w, 3);
  if (n * count > 60) {
    if (count === 1) return [svg('path', {d: area(v, X, Y, base), class: cls})];
    const d = manyColumns(v, i => X(i) + k * w + thin, Math.max(0.8, w - 2 * thin), Y, base);
    return [svg('path', {d, class: cls})];
  }
  return v.flatMap((x, i) => {
    if (x == null) return [];
    const box = {x: X(i) + k * w + thin, y: Y(x), width: Math.max(0.8, w - 2 * thin)};
    const r = svg('rect', {...box, height: Math.max(0, base - Y(x)), class: cls}),
      t = svg('title');
    t.textContent = `${items[i]}${name ? `, ${name}` : ''}: ${percent(x)}`;
    r.append(t);
    return [r];
  });
}

/** A line and a text that say what is under the pointer. */
function readout(s, n, left, plot, top, base, say) {
  const line = svg('line', {y1: top, y2: base, class: 'ntf-cursor', visibility: 'hidden'}),
    note = svgLabel('', {y: top + 4, class: 'ntf-readout', visibility: 'hidden'});
  const show = on => [line, note].forEach(e => e.setAttribute('visibility', on ? 'visible' : 'hidden'));
  s.append(line, note);
  s.addEventListener('pointerleave', () => show(false));
  s.addEventListener('pointermove', e => {
    const box = s.getBoundingClientRect(),
      x = ((e.clientX - box.left) / box.width) * s.viewBox.baseVal.width,
      i = Math.floor(((x - left) / plot) * n);
    if (i < 0 || i >= n) return show(false);
    const at = left + (plot * (i + 0.5)) / n,
      right = at > left + plot / 2;
    line.setAttribute('x1', at);
    line.setAttribute('x2', at);
    note.setAttribute('x', right ? at - 5 : at + 5);
    note.setAttribute('text-anchor', right ? 'end' : 'start');
    note.textContent = say(i);
    show(true);
  });
}

/** The frame of a figure: svg, places, lines, names of the axis. */
function frame(n, items, {width, height, label, mode, marks, left = 46}) {
  const foot = mode ? 34 : 20,
    W = Math.max(220, width),
    plot = W - left - 6,
    base = height - foot;
  const X = i => left + (plot * i) / n;
  const s = svg('svg', {
    viewBox: `0 0 ${W} ${height}`,
    width: W,
    height,
    role: 'img',
    'aria-label': label,
    class: 'ntf-curve',
  });
  for (const [t, mark] of marks) {
    const y = base - (base - 8) * t;
    s.append(svg('line', {x1: left, x2: W - 6, y1: y, y2: y, class: 'ntf-grid'}));
    s.append(svgLabel(mark, {x: left - 6, y: y + 4, 'text-anchor': 'end'}));
  }
  const room = Math.max(2, Math.floor(plot / (n > 12 ? 56 : 90)));
  for (const [i, t] of below(mode, items, room))
    s.append(svgLabel(t, {x: Math.min(X(i + 0.5), W - 24), y: base + 15, 'text-anchor': 'middle'}));
  if (mode)
    s.append(
      svgLabel(axisTitle(mode), {x: left + plot / 2, y: height - 4, class: 'ntf-axis', 'text-anchor': 'middle'}),
    );
  return {s, X, plot, base, left};
}

/** Columns or an area over an ordered mode, the corpus as a line. `series`: [{v, cls, name}], one or two. */
export function curve(series, items, {corpus, width = 600, height = 170, label, mode, most = 0} = {}) {
  const n = items.length;
  const all = series.flatMap(s => s.v.map(x => x ?? 0)).concat(corpus ?? []);
  const top = all.reduce((a, b) => Math.max(a, b), Math.max(most, 1e-300));
  const marks = [0, 0.5, 1].map(t => [t, t ? percent(t * top) : '0']);
  const {s, X, plot, base, left} = frame(n, items, {width, height, label, mode, marks});
  const Y = v => base - ((base - 8) * v) / top;
  series.forEach((c, k) => s.append(...drawn(c, k, series.length, items, X, Y, base)));
  if (corpus) {
    const d = corpus.map((v, i) => `${i ? 'L' : 'M'}${X(i).toFixed(1)},${Y(v).toFixed(1)}H${X(i + 1).toFixed(1)}`);
    s.append(svg('path', {class: 'ntf-corpus-line', d: d.join('')}));
  }
  if (n * series.length > 60)
    readout(s, n, left, plot, 8, base, i => {
      const parts = series.map(c => `${c.name ? `${c.name} ` : ''}${percent(c.v[i])}`);
      return `${items[i]}: ${parts.join(', ')}`;
    });
  return s;
}

/** All topics of a set laid over each other, each as a part of its own peak. */
export function overlay(page, i, k, width, height) {
  const {data, state} = page,
    mode = data.modes[k],
    n = mode.items.length,
    set = setOf(data, i);
  const ids = listed(data, {...state, query: '', set})
    .map(f => f.id)
    .filter(j => j === i || !state.hidden.includes(j));
  const marks = [0, 0.5, 1].map(t => [t, String(t)]);
  const label = `${mode.name}: ${ids.length} topics, each divided by its peak; ${page.name(i)} is the thick one`;
  const {s, X, base, left, plot} = frame(n, mode.items, {width, height, label, mode, marks});
  const turn = `rotate(-90 12 ${base / 2 + 4})`;
  s.append(svgLabel('part of the peak', {x: 12, y: base / 2 + 4, transform: turn, class: 'ntf-axis', 'text-anchor': 'middle'}));
  const lines = ids.map(j => {
    const {v} = profile(data, state, j, k),
      top = v.reduce((a, b) => Math.max(a, b), 0) || 1;
    return v.map(x => x / top);
  });
  const of = j => `ntf-line ntf-s${ids.indexOf(j) % 8}${j === i ? ' ntf-thick' : ''}`;
  const last = ids.map((_, x) => x).sort((a, b) => (ids[a] === i) - (ids[b] === i));
  for (const x of last) {
    const d = lines[x].map((v, m) => `${m ? 'L' : 'M'}${X(m + 0.5).toFixed(1)},${(base - (base - 8) * v).toFixed(1)}`);
    s.append(svg('path', {d: d.join(''), class: of(ids[x])}));
  }
  readout(s, n, left, plot, 8, base, m => {
    const best = argsort(lines.map(v => v[m]))[0];
    return `${mode.items[m]}: ${page.name(ids[best])}`;
  });
  const key = j =>
    h(
      'button',
      {type: 'button', class: 'ntf-link', 'aria-pressed': String(j === i), onclick: () => page.act('select', {topic: j})},
      h('span', {class: `ntf-swatch ntf-s${ids.indexOf(j) % 8}`}),
      word(page.name(j)),
    );
  const names = h('div', {class: 'ntf-keys'}, ids.slice(0, 24).map(key));
  return h('div', {}, s, names);
}

/** What the second bar or line is of: everything, or a stratum. */
export const inWhat = (data, stratum) =>
  stratum >= 0 ? word(`in ${data.strata[stratum]}`) : wholeName(data) === 'corpus' ? 'in the corpus' : 'in all the data';

/** One topic over an ordered mode, or all of them over each other. */
export function orderedFigure(page, i, k, width, height, most = 0) {
  const {data, state} = page,
    mode = data.modes[k],
    {v} = profile(data, state, i, k),
    at = argsort(v)[0];
  if (!(v.reduce((a, b) => Math.max(a, b), 0) > 0))
    return h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
  const several = height > 120 && data.sets[setOf(data, i)].count > 1;
  const swap = on => () => {
    page.overlaid = on;
    page.redraw();
  };
  const choice = [
    [false, 'this topic'],
    [true, 'all topics over each other'],
  ].map(([on, t]) =>
    h('button', {type: 'button', 'aria-pressed': String(!!page.overlaid === on), onclick: swap(on)}, t),
  );
  const corpus = corpusOf(mode, setOf(data, i), state.stratum),
    keys = height > 120 && corpus && !(several && page.overlaid);
  const one = () =>
    curve([{v, cls: 'ntf-p'}], mode.items, {
      corpus,
      width,
      height,
      mode,
      most,
      label: `${mode.name}: most at ${mode.items[at]}, ${percent(v[at])}; the line is all the data`,
    });
  return h(
    'div',
    {class: 'ntf-ordered'},
    h('div', {class: 'ntf-above'}, [
      several && h('div', {class: 'ntf-tabs ntf-choice', role: 'group', 'aria-label': 'Curves'}, choice),
      keys && h('div', {class: 'ntf-legend'}, keyed('ntf-p', 'in the topic'), keyed('ntf-dashed', inWhat(data, state.stratum))),
    ]),
    several && page.overlaid ? overlay(page, i, k, width, height) : one(),
    height > 120 && mode.hint && h('p', {class: 'ntf-note'}, mode.hint),
  );
}

/** The other measured modes of a topic under the one shown: time, trial. */
export function stacked(page, i, shown, width) {
  const {data, state} = page;
  const curves = data.modes.map((m, k) => k).filter(k => k !== shown && data.modes[k].kind === 'ordered');
  return curves.map(k =>
    h(
      'section',
      {},
      h(page.sub, {class: 'ntf-h'}, word(axisTitle(data.modes[k]))),
      curve([{v: profile(data, state, i, k).v, cls: 'ntf-p'}], data.modes[k].items, {
        width,
        height: 84,
        label: `${data.modes[k].name} of ${page.name(i)}`,
      }),
    ),
  );
}

/** A mark at the middle of an axis and what it measures, for the side of a picture. */
function sideAxis(s, mode, x, top, size) {
  const n = mode.items.length,
    y = i => top + size * (1 - (i + 0.5) / n);
  for (const [i, t] of below(mode, mode.items, Math.max(2, Math.floor(size / 36))))
    s.append(svgLabel(t, {x: x - 5, y: y(i) + 4, 'text-anchor': 'end'}));
  const turn = `rotate(-90 10 ${top + size / 2})`;
  s.append(svgLabel(axisTitle(mode), {x: 10, y: top + size / 2, transform: turn, class: 'ntf-axis', 'text-anchor': 'middle'}));
}

/** Two measured modes as one picture: axes with units, and the two curves at its edges. */
export function crossFigure(page, i, k, width) {
  const {data, state} = page,
    mode = data.modes[k],
    [rows, columns] = mode.across.map(m => data.modes[m]),
    [v, u] = mode.across.map(m => profile(data, state, i, m).v);
  const left = 58,
    edge = 44,
    foot = 36,
    W = Math.max(150, Math.min(460, width - left - edge - 8)),
    H = Math.min(280, Math.max(150, W * 0.62));
  const total = {W: left + W + edge + 4, H: edge + H + foot};
  const s = svg('svg', {
    viewBox: `0 0 ${total.W} ${total.H}`,
    width: total.W,
    height: total.H,
    'aria-hidden': 'true',
    class: 'ntf-curve',
  });
  const X = n => x => left + (W * x) / n,
    most = a => a.reduce((x, y) => Math.max(x, y), 1e-300);
  const above = area(u, X(u.length), x => edge - 4 - ((edge - 10) * x) / most(u), edge - 4);
  s.append(svg('path', {d: above, class: 'ntf-p'}));
  const right = left + W + 4,
    at = x => edge + H * (1 - x / v.length),
    long = x => right + ((edge - 10) * x) / most(v);
  const beside = v.map((x, n) => `L${long(x).toFixed(1)},${at(n).toFixed(1)}V${at(n + 1).toFixed(1)}`).join('');
  s.append(svg('path', {d: `M${right},${edge + H}${beside}H${right}Z`, class: 'ntf-p'}));
  for (const [n, t] of below(columns, columns.items, Math.max(2, Math.floor(W / 56))))
    s.append(svgLabel(t, {x: X(u.length)(n + 0.5), y: edge + H + 15, 'text-anchor': 'middle'}));
  s.append(svgLabel(axisTitle(columns), {x: left + W / 2, y: edge + H + 31, class: 'ntf-axis', 'text-anchor': 'middle'}));
  sideAxis(s, rows, left, edge, H);
  const peak = m => m.items[argsort(m === rows ? v : u)[0]];
  const label = `${page.name(i)} over ${rows.name} and ${columns.name}, most at ${peak(rows)} and ${peak(columns)}`;
  const image = picture(contours(page, i, k, Math.round(W), Math.round(H)), [Math.round(H), Math.round(W)], label, W);
  Object.assign(image.style, {left: `${left}px`, top: `${edge}px`, height: `${H}px`, aspectRatio: 'auto'});
  return h('div', {class: 'ntf-cross', style: {width: `${total.W}px`, height: `${total.H}px`}}, s, image);
}

/** Numbers of a curve at `m` places, between its own by straight lines. */
const between = (v, m) =>
  Float64Array.from({length: m}, (_, x) => {
    const at = Math.max(0, Math.min(v.length - 1, ((x + 0.5) * v.length) / m - 0.5)),
      n = Math.floor(at);
    return v[n] + (at - n) * ((v[n + 1] ?? v[n]) - v[n]);
  });

/** A topic over two modes in twelve levels, one byte per pixel of the screen, the first row at the bottom. */
function contours({data, state}, i, k, W, H) {
  const parts = members(state, i).map(j => {
    const [v, u] = data.modes[k].across.map(m => data.modes[m].p[j].v);
    return {v: between(v, H), u: between(u, W), w: data.share[j]};
  });
  const p = new Float64Array(W * H);
  for (const {v, u, w} of parts)
    for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) p[y * W + x] += w * v[H - 1 - y] * u[x];
  const top = p.reduce((a, b) => Math.max(a, b), 0) || 1;
  return Uint8Array.from(p, x => Math.round((255 * Math.min(11, Math.floor((12 * x) / top))) / 11));
}

/** The picture of a topic as bytes; merged topics are mixed by their shares. */
function mixed({data, state}, i, k) {
  const mode = data.modes[k],
    parts = members(state, i);
  if (parts.length === 1) return bytes(mode.img[i]);
  const total = sum(parts.map(j => data.share[j])) || 1,
    each = parts.map(j => [bytes(mode.img[j]), (mode.top[j] * data.share[j]) / total]);
  const p = Float64Array.from(each[0][0], (_, x) => sum(each.map(([b, w]) => b[x] * w))),
    top = p.reduce((a, b) => Math.max(a, b), 0) || 1;
  return Uint8Array.from(p, x => Math.round((255 * x) / top));
}

/** One topic as a picture, and the others small to choose from. */
export function pictureFigure(page, i, k, width) {
  const {data, state} = page,
    mode = data.modes[k],
    size = Math.min(300, width);
  const others = size < 200 ? [] : listed(data, {...state, query: '', set: setOf(data, i)}).slice(0, 60);
  const [high, wide] = mode.shape,
    label = `${page.name(i)} as a picture, ${high} by ${wide}`;
  const cross = mode.across && size >= 200;
  const one = cross
    ? crossFigure(page, i, k, width)
    : mode.across
      ? turned(picture(mode.img[i], mode.shape, label, 150), 150)
      : picture(mixed(page, i, k), mode.shape, label, Math.min(size, (300 * wide) / high));
  const thumb = ({id: j}) =>
    h(
      'button',
      {
        type: 'button',
        'aria-pressed': String(j === state.selected),
        'aria-label': `Topic ${page.digit(j)}, ${page.name(j)}`,
        title: page.name(j),
        onclick: () => page.act('select', {topic: j}),
      },
      topicPicture(mode, j, 56),
    );
  return h(
    'div',
    {class: 'ntf-images'},
    one,
    h('p', {class: 'ntf-note'}, `dark: 0, bright: ${percent(mode.top[i])} at one pixel`),
    others.length > 1 &&
      h('div', {class: 'ntf-gallery', role: 'group', 'aria-label': 'All topics as pictures'}, others.map(thumb)),
  );
}

/** A picture over two measured modes: the first row at the bottom, and as wide as the large one. */
function turned(c, side) {
  c.classList.add('ntf-turned');
  Object.assign(c.style, {height: `${0.62 * side}px`, aspectRatio: 'auto'});
  return c;
}

/** A sample that is a picture. */
export function samplePicture({data}, s) {
  const c = picture(s.image, s.image_shape, s.name, 120);
  if (data.modes.some(m => m.across)) return turned(c, 150);
  c.style.width = `${Math.min(120, (120 * s.image_shape[1]) / s.image_shape[0])}px`;
  return c;
}

/** A small picture of a topic in a box, turned as the large one is. */
export function topicPicture(mode, i, side) {
  const [high, wide] = mode.shape,
    longest = mode.across ? side : Math.min(side, (side * wide) / high);
  const c = picture(mode.img[i], mode.shape, '', longest);
  return mode.across ? turned(c, side) : c;
}

/** A curve without axes, of one path. */
export function spark(v, label, width = Math.min(120, Math.max(64, v.length * 6)), height = 26) {
  const s = svg('svg', {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    class: 'ntf-spark',
    ...(label ? {role: 'img', 'aria-label': label} : {'aria-hidden': 'true'}),
  });
  const each = Math.max(1, Math.floor(v.length / width)), // no finer than a pixel
    n = Math.ceil(v.length / each),
    u = Array.from({length: n}, (_, i) => v.slice(i * each, (i + 1) * each).reduce((a, b) => Math.max(a, b), 0)),
    most = u.reduce((a, b) => Math.max(a, b), 0) || 1;
  const X = i => (width * i) / n,
    Y = x => height - 1 - ((height - 2) * x) / most;
  s.append(svg('path', {d: area(u, X, Y, height), class: 'ntf-p'}));
  return s;
}
