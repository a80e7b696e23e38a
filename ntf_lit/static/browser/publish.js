// What is taken away: the table shown as CSV, the figure shown as SVG or PNG, and a summary for print.

import {atOnce, fillMenu, h, handOver, svg} from './elements.js';
import {spark, topicPicture} from './figures.js';
import {percent} from './format.js';
import {inOrder, tellingWords} from './overview.js';
import {profile, rows, share, stability} from './state.js';
import {shownModes} from './topic.js';

/** A cell of CSV; a text that a spreadsheet would calculate with is kept from it by an apostrophe. */
export function csvCell(x) {
  if (x == null) return '';
  if (typeof x === 'number') return String(x);
  const text = /^[=+\-@\t\r]/.test(x) ? `'${x}` : x;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export const csv = rows => rows.map(row => row.map(csvCell).join(',') + '\r\n').join('');

/** The table shown as rows of cells, the first one its head; numbers as they are, not as percents. */
export function tableShown(page) {
  const {data, state} = page,
    ids = inOrder(page, page.by),
    label = i => [page.digit(i), page.name(i)];
  if (state.panel === 2 && data.sets.length > 1) {
    const b = state.other === state.set ? (state.set + 1) % data.sets.length : state.other,
      [A, B] = [data.sets[state.set], data.sets[b]],
      names = Array.from({length: B.count}, (_, j) => page.name(B.first + j));
    const row = (line, i) => [...label(A.first + i), ...line];
    return [['topic', 'name', ...names], ...data.similar[state.set][b].map(row)];
  }
  if (state.panel === 1 || state.panel === 3) {
    const S = page.many ? data.strata.map((_, s) => s) : [],
      parts = i => [-1, ...S].map(s => share(data, state, i, s)),
      steady = data.stability ? [i => stability(data, state, i)] : [];
    return [
      ['topic', 'name', 'share', ...S.map(s => data.strata[s]), ...steady.map(() => 'stability')],
      ...ids.map(i => [...label(i), ...parts(i), ...steady.map(f => f(i))]),
    ];
  }
  if (state.panel === 4 && data.term >= 0) {
    const all = ids.map(i => new Map(rows(data, {...state, order: 1}, i, data.term).map(r => [r.item, r.p]))),
      {name, items} = data.modes[data.term];
    const row = x => [items[x], ...all.map(p => p.get(x) ?? 0)];
    return [[name, ...ids.map(page.name)], ...tellingWords(page, ids).map(row)];
  }
  return topicTable(page);
}

function topicTable(page) {
  const {data, state} = page,
    k = state.mode,
    mode = data.modes[k];
  if (state.selected < 0 || !mode || mode.kind === 'image') return null;
  const where = state.stratum < 0 ? 'all' : data.strata[state.stratum],
    other = state.versus >= 0 ? [data.strata[state.versus]] : [];
  const found = rows(data, state, state.selected, k);
  if (mode.kind === 'ordered') found.sort((a, b) => a.item - b.item);
  const row = r => [mode.items[r.item], r.p, r.corpus, ...other.map(() => r.versus)];
  return [[mode.name, page.name(state.selected), where, ...other], ...found.map(row)];
}

/** The bars of a topic as a drawing of its own, colours written out. */
function barsDrawn(page, i, k, n = 25) {
  const {data, state} = page,
    list = rows(data, state, i, k).slice(0, n),
    most = Math.max(1e-300, ...list.flatMap(r => [r.p, r.corpus])),
    height = 22 * list.length + 40,
    s = svg('svg', {viewBox: `0 0 640 ${height}`, width: 640, height});
  const say = (x, y, text, props = {}) => {
    const t = svg('text', {x, y, fill: '#1b1f24', 'font-family': 'sans-serif', 'font-size': 13, ...props});
    t.textContent = text;
    s.append(t);
  };
  s.append(svg('rect', {width: 640, height, fill: '#ffffff'}));
  say(8, 20, `${page.digit(i)}  ${page.name(i)}`, {'font-weight': 'bold', 'font-size': 15});
  list.forEach((r, at) => {
    const y = 34 + 22 * at;
    say(190, y + 12, data.modes[k].items[r.item].slice(0, 26), {'text-anchor': 'end'});
    s.append(svg('rect', {x: 200, y: y + 1, width: (350 * r.p) / most, height: 9, fill: '#0072b2'}));
    s.append(svg('rect', {x: 200, y: y + 11, width: (350 * r.corpus) / most, height: 4, fill: '#b9c3ce'}));
    say(632, y + 12, percent(r.p), {'text-anchor': 'end'});
  });
  return s;
}

const STYLES = [
  'fill',
  'fill-opacity',
  'stroke',
  'stroke-opacity',
  'stroke-width',
  'stroke-dasharray',
  'font-size',
];

/** A drawing on the page as one that stands alone: what the style sheet says is written into it. */
function standingAlone(drawing) {
  const copy = drawing.cloneNode(true),
    from = [...drawing.querySelectorAll('*')];
  [...copy.querySelectorAll('*')].forEach((e, n) => {
    const style = getComputedStyle(from[n]);
    for (const name of STYLES) e.setAttribute(name, style.getPropertyValue(name));
    if (e.tagName === 'text') e.setAttribute('font-family', 'sans-serif');
    e.removeAttribute('class');
  });
  const background = getComputedStyle(drawing.closest('.ntf')).backgroundColor;
  copy.prepend(svg('rect', {width: '100%', height: '100%', fill: background}));
  return copy;
}

/** The figure shown: an SVG element or a canvas, or nothing. */
export function figureShown(page) {
  const {data, state} = page,
    kind = data.modes[state.mode]?.kind;
  if (state.panel !== 0 || state.selected < 0 || page.reader) return null;
  if (kind === 'words' || kind === 'labels') return barsDrawn(page, state.selected, state.mode);
  const drawn = page.body.querySelector('svg.ntf-curve, svg, canvas.ntf-picture');
  return drawn?.tagName === 'CANVAS' ? drawn : drawn && standingAlone(drawn);
}

const fileName = (page, end) => {
  const what = page.state.panel ? 'topics' : `topic-${page.digit(Math.max(0, page.state.selected))}`;
  return `${what}.${end}`;
};

const svgText = drawn => new XMLSerializer().serializeToString(drawn);

/** A drawing as pixels, twice as many as it is wide. */
function pixels(drawn) {
  if (drawn.tagName === 'CANVAS') return Promise.resolve(drawn);
  const image = new Image(),
    canvas = h('canvas', {width: 2 * drawn.getAttribute('width'), height: 2 * drawn.getAttribute('height')});
  return new Promise((done, failed) => {
    image.onload = () => {
      canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
      done(canvas);
    };
    image.onerror = () => failed(new Error('the figure cannot be drawn'));
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(drawn))}`;
  });
}

const SAVE = {
  csv: page => {
    const table = tableShown(page);
    if (!table) return page.say('There is no table here.');
    handOver(fileName(page, 'csv'), new Blob(['\ufeff', csv(table)], {type: 'text/csv'}));
    return page.say('The table is saved.');
  },
  svg: page => {
    const drawn = figureShown(page);
    if (!drawn || drawn.tagName === 'CANVAS') return page.say('There is no such figure here.');
    handOver(fileName(page, 'svg'), new Blob([svgText(drawn)], {type: 'image/svg+xml'}));
    return page.say('The figure is saved.');
  },
  png: async page => {
    const drawn = figureShown(page);
    if (!drawn) return page.say('There is no figure here.');
    const canvas = await pixels(drawn);
    canvas.toBlob(blob => handOver(fileName(page, 'png'), blob), 'image/png');
    return page.say('The figure is saved.');
  },
};

/** What can be taken away of what is shown: made once, filled by `drawSave`. */
export function makeSave(page) {
  page.save = h('select', {
    'aria-label': 'Save what is shown',
    class: 'ntf-save',
    onchange: e => {
      const what = e.target.value;
      e.target.value = '';
      if (Object.hasOwn(SAVE, what)) SAVE[what](page);
    },
  });
}

export function drawSave(page) {
  const {data, state} = page,
    kind = data.modes[state.mode]?.kind,
    topic = state.panel === 0 && state.selected >= 0 && !page.reader;
  const choices = [['', 'Save …']];
  if (!(state.panel === 0 && (kind === 'image' || page.reader))) choices.push(['csv', 'table as CSV']);
  if (topic && kind !== 'image') choices.push(['svg', 'figure as SVG']);
  if (topic) choices.push(['png', 'figure as PNG']);
  fillMenu(page.save, choices);
}

/** All topics on one page, for print: number, name, share, first words or a small picture. */
function summary(page) {
  const {data, state} = page,
    k = data.term >= 0 ? data.term : shownModes(page)[0],
    mode = data.modes[k] ?? {};
  const said = i => {
    if (mode.kind === 'image') return topicPicture(mode, i, 110);
    if (mode.kind === 'ordered') return spark(profile(data, state, i, k).v, '', 160, 40);
    const first = rows(data, {...state, order: 0, stratum: -1, versus: -1}, i, k).slice(0, 12);
    return h(
      'p',
      {},
      first.map((r, n) => [n ? ' · ' : '', h('bdi', {}, mode.items[r.item])]),
    );
  };
  const one = i =>
    h('li', {}, [
      h('strong', {}, `${page.digit(i)} `, h('bdi', {}, page.name(i))),
      h('span', {class: 'ntf-value'}, ` ${percent(share(data, state, i, -1))}`),
      said(i),
      state.notes[i] && h('p', {class: 'ntf-said-of'}, state.notes[i]),
    ]);
  return [h(page.sub, {class: 'ntf-h'}, 'All topics'), h('ol', {}, inOrder(page, 'share').map(one))];
}

/** Before the page is printed, the summary is made; the function returned stops that. */
export function followPrint(page) {
  if (!page.data.alone || page.tree) return () => {};
  const fill = () => {
    atOnce(page);
    page.summary.replaceChildren(...summary(page));
  };
  window.addEventListener('beforeprint', fill);
  return () => window.removeEventListener('beforeprint', fill);
}
