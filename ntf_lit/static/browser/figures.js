import {h, svg} from './elements.js';
import {bytes, common, percent, ticks} from './format.js';

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
    v = bytes(b64);
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

/** Columns or an area over an ordered mode, the corpus as a line. `series`: [{v, cls, name}], one or two. */
export function curve(series, items, {corpus, width = 600, height = 170, label} = {}) {
  const n = items.length,
    left = 46,
    foot = 20,
    W = Math.max(220, width),
    H = height,
    plot = W - left - 6,
    base = H - foot;
  const top = Math.max(1e-300, ...series.flatMap(s => s.v.map(x => x ?? 0)), ...(corpus ?? [])),
    X = i => left + (plot * i) / n,
    Y = v => base - ((base - 8) * v) / top;
  const s = svg('svg', {
    viewBox: `0 0 ${W} ${H}`,
    width: W,
    height: H,
    role: 'img',
    'aria-label': label,
    class: 'ntf-curve',
  });
  for (const t of [0, 0.5, 1]) {
    const y = Y(t * top),
      e = svg('text', {x: left - 6, y: y + 4, 'text-anchor': 'end'});
    e.textContent = t ? percent(t * top) : '0';
    s.append(svg('line', {x1: left, x2: W - 6, y1: y, y2: y, class: 'ntf-grid'}), e);
  }
  const w = plot / n / series.length,
    thin = Math.min(0.18 * w, 3);
  series.forEach((c, k) =>
    c.v.forEach((v, i) => {
      if (v == null) return;
      const r = svg('rect', {
        x: X(i) + k * w + thin,
        y: Y(v),
        width: Math.max(0.8, w - 2 * thin),
        height: Math.max(0, base - Y(v)),
        class: c.cls,
      });
      const t = svg('title');
      t.textContent = `${items[i]}${c.name ? ', ' + c.name : ''}: ${percent(v)}`;
      r.append(t);
      s.append(r);
    }),
  );
  if (corpus)
    s.append(
      svg('path', {
        class: 'ntf-corpus-line',
        d: corpus.map((v, i) => `${i ? 'L' : 'M'}${X(i)},${Y(v)}H${X(i + 1)}`).join(''),
      }),
    );
  const same = common(items);
  for (const [i, full] of ticks(items, Math.max(2, Math.floor(plot / (n > 12 ? 56 : 90))))) {
    const t = full.slice(same),
      e = svg('text', {x: Math.min(X(i + 0.5), W - 24), y: H - 5, 'text-anchor': 'middle'});
    e.textContent = t.length > 14 ? t.slice(0, 13) + '…' : t;
    s.append(e);
  }
  return s;
}

export function spark(v, label, width = Math.min(120, Math.max(64, v.length * 6)), height = 26) {
  const s = svg('svg', {
      viewBox: `0 0 ${width} ${height}`,
      width,
      height,
      class: 'ntf-spark',
      ...(label ? {role: 'img', 'aria-label': label} : {'aria-hidden': 'true'}),
    }),
    most = Math.max(...v) || 1,
    w = width / v.length,
    gap = Math.min(1, w / 5);
  v.forEach((x, i) =>
    s.append(
      svg('rect', {
        x: i * w + gap / 2,
        width: w - gap,
        y: height - 1 - ((height - 2) * x) / most,
        height: ((height - 2) * x) / most + 1,
        class: 'ntf-p',
      }),
    ),
  );
  return s;
}
