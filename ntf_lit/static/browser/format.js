// Numbers, words and texts as they are shown. Nothing here needs a page.

export const sum = a => a.reduce((x, y) => x + y, 0);

export const argsort = key =>
  key
    .map((v, i) => [v, i])
    .sort((a, b) => b[0] - a[0] || a[1] - b[1])
    .map(x => x[1]);

// As `shown` of ntf_lit.views: one line, no control or direction characters; '' where nothing is left
export const cleaned = word => {
  const seen = [
    ...[...word]
      .slice(0, 1600)
      .join('')
      .replace(/(?![\u200c\u200d])\p{Cf}/gu, ''),
  ]
    .map(c => (/[\s\x1c-\x1f\x85]/u.test(c) ? ' ' : /[\p{Cc}\p{Cs}\p{Cn}\p{Co}]/u.test(c) ? '\ufffd' : c))
    .join('');
  const line = [...(/[^ \u200c\u200d]/u.test(seen) ? seen.replace(/ +/g, ' ').replace(/^ | $/g, '') : '')];
  return line.length <= 200 ? line.join('') : line.slice(0, 199).join('').replace(/ $/, '') + '…';
};

/** Sievert & Shirley 2014, eq. 1: 1 is by probability, 0 by lift. */
export const relevance = (p, corpus, lam) =>
  p > 0 ? Math.log(p) - (1 - lam) * Math.log(corpus > 0 ? corpus : 1) : -Infinity;

/** A topic's part of a term's saliency (Chuang, Manning & Heer 2012), divided by the topic's share. */
export const saliency = (p, whole) => (p > 0 ? p * Math.log(whole > 0 ? p / whole : 1) : -Infinity);

/** A share as it is shown: two digits, or three where it is small. */
export function percent(x) {
  if (x == null || !(x >= 0)) return '–';
  if (x > 0 && x < 0.00005) return '< 0.01 %';
  return `${(100 * x).toFixed(x >= 0.0995 ? 0 : x >= 0.00995 ? 1 : 2)} %`;
}

/** The next entry after `from` whose label starts with what was typed. */
export function typeAhead(labels, from, typed) {
  const t = typed.toLowerCase(),
    n = labels.length;
  for (let step = typed.length > 1 ? 0 : 1; step <= n; step++) {
    const i = (from + step + n) % n;
    if (labels[i].toLowerCase().startsWith(t)) return i;
  }
  return -1;
}

/** A text in pieces {text, weight}: words, and pairs of words, carry their weight in `weights`. */
export function marked(body, weights) {
  const out = [],
    word = /[\p{L}\p{N}][\p{L}\p{M}\p{N}_'’]*/gu;
  let end = 0,
    before = null;
  for (const m of body.matchAll(word)) {
    const w = m[0].toLowerCase(),
      alone = weights.get(w),
      pair = before && weights.get(`${before.w} ${w}`);
    if (pair && !before.marked) {
      const tail = out.pop();
      out.push({text: tail.text.slice(0, tail.text.length - (end - before.at)), weight: 0});
      end = before.at;
    }
    if (pair || alone) {
      const at = pair ? Math.min(before.at, m.index) : m.index;
      if (!(pair && before.marked)) {
        if (at > end) out.push({text: body.slice(end, at), weight: 0});
        out.push({text: body.slice(at, m.index + m[0].length), weight: Math.max(pair || 0, alone || 0)});
      } else {
        const last = out.pop();
        out.push({
          text: last.text + body.slice(end, m.index + m[0].length),
          weight: Math.max(last.weight, pair),
        });
      }
      end = m.index + m[0].length;
    } else {
      out.push({text: body.slice(end, m.index + m[0].length), weight: 0});
      end = m.index + m[0].length;
    }
    before = {w, at: m.index, marked: !!(pair || alone)};
  }
  if (end < body.length) out.push({text: body.slice(end), weight: 0});
  return out
    .filter(p => p.text)
    .reduce((a, p) => {
      if (a.length && !p.weight && !a.at(-1).weight) a.at(-1).text += p.text;
      else a.push({...p});
      return a;
    }, []);
}

/** The length of what all names begin with, numbers left whole: 5 for 'part 1', 'part 2'. */
export function common(items) {
  if (items.length < 2) return 0;
  const [a, b] = [items[0], items.at(-1)];
  let n = 0;
  while (n < a.length && a[n] === b[n]) n++;
  n = a.slice(0, n).replace(/[\d.-]+$/, '').length;
  return items.every(t => t.startsWith(a.slice(0, n))) ? n : 0;
}

/** Which indices of an ordered mode to name, at most `room`: round numbers if its names are numbers. */
export function ticks(items, room) {
  const n = items.length,
    same = common(items),
    x = items.map(t => parseFloat(t.slice(same))),
    rising = n > 12 && x.every((v, i) => v === v && (!i || v > x[i - 1]));
  if (rising) {
    const span = x[n - 1] - x[0],
      power = 10 ** Math.floor(Math.log10(span / room)),
      step = [1, 2, 5, 10, 20].map(f => f * power).find(f => span / f <= room),
      out = [];
    for (let i = 0, next = Math.ceil(x[0] / step - 1e-9) * step; i < n; i++)
      if (x[i] >= next || (i + 1 < n && x[i + 1] > next)) {
        out.push([i, items[i].slice(0, same) + +next.toPrecision(12)]);
        while (next <= x[i] || (i + 1 < n && next < x[i + 1])) next += step;
      }
    return out;
  }
  const each = Math.max(1, Math.ceil(n / room));
  return items.map((t, i) => [i, t]).filter(([i]) => i % each === 0);
}

/** Bytes of a picture, 0..255, from base64. */
export const bytes = b64 => Uint8Array.from(atob(b64), c => c.charCodeAt(0));

/** A difference of shares. */
export const signed = x => {
  const t = (100 * Math.abs(x)).toFixed(Math.abs(x) < 0.0095 ? 2 : Math.abs(x) < 0.0995 ? 1 : 0);
  return `${+t === 0 ? '±' : x > 0 ? '+' : '−'}${t} %`;
};
