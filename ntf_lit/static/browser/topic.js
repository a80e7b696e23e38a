import {setsCompared, strataCompared} from './compare.js';
import {button} from './controls.js';
import {bar, columns, h, keyed, oneStop, word} from './elements.js';
import {curve, inWhat, orderedFigure, pictureFigure} from './figures.js';
import {cleaned, percent, signed, sum} from './format.js';
import {makeHelp} from './help.js';
import {overview, wordsByTopics} from './overview.js';
import {canRead, openWord, reading} from './reader.js';
import {matching, members, profile, rows, share, stability, wholeName} from './state.js';

/** The modes that have a place of their own: typical samples are listed below, not once more as a mode. */
export const shownModes = ({data}) => {
  const own = data.modes.map((_, k) => k).filter(k => !isSamples(data, k));
  return own.length ? own : data.modes.map((_, k) => k);
};
const isSamples = ({modes, unit}, k) => modes[k].name === unit && ['labels', 'words'].includes(modes[k].kind);

export const modeTabs = page => {
  const shown = shownModes(page);
  if (!shown.includes(page.state.mode)) shown.push(page.state.mode);
  const choose = k => {
    page.act('mode', {mode: k});
    page.main.querySelector(`[data-mode="${k}"]`)?.focus();
  };
  const tab = k =>
    button(word(page.data.modes[k].name), () => choose(k), {
      'aria-pressed': String(k === page.state.mode),
      'data-mode': k,
    });
  if (shown.length < 2) return false;
  return h('div', {class: 'ntf-tabs', role: 'group', 'aria-label': 'Mode'}, shown.map(tab));
};

export function title(page, i) {
  const {data, state} = page;
  const rename = value => {
    if (cleaned(value) === page.name(i)) return;
    page.act('name', {topic: i, value});
    page.say(`Topic ${page.digit(i)} is now called ${page.name(i)}`);
  };
  const box = h('input', {
    class: 'ntf-name',
    'aria-label': `Name of topic ${page.digit(i)}`,
    maxlength: 200,
    dir: 'auto',
    title: 'Click to rename',
    onchange: e => rename(e.target.value),
    onkeydown: e => {
      if (e.key === 'Enter') {
        rename(e.target.value);
        (page.tree ? page.graph : page.list).focus();
      }
      if (e.key === 'Escape') {
        e.target.value = page.name(i);
        (page.tree ? page.graph : page.list).focus();
      }
    },
  });
  box.defaultValue = page.name(i);
  const parts = members(state, i),
    steady = stability(data, state, i);
  return h(
    'div',
    {class: 'ntf-title'},
    h('span', {class: 'ntf-number'}, page.digit(i)),
    box,
    sharesOf(page, i),
    steady !== null &&
      h('span', {class: 'ntf-value', title: 'how well it comes back in other runs'}, `stability ${steady.toFixed(2)}`),
    parts.length > 1 &&
      h(
        'div',
        {class: 'ntf-merged'},
        'with ',
        parts
          .filter(j => j !== i)
          .map(j =>
            h(
              'button',
              {type: 'button', onclick: () => page.act('split', {topic: j}), title: 'Take apart again'},
              `${page.digit(j)} ${page.name(j)} ×`,
            ),
          ),
      ),
  );
}

/** A topic's share of everything or of a stratum; of two strata both, each with its colour. */
function sharesOf({data, state}, i) {
  const {stratum: a, versus: b} = state,
    of = a < 0 ? (data.whole ?? 'everything') : data.strata[a];
  const part = (s, cls) => {
    const one = keyed(cls, percent(share(data, state, i, s)));
    one.setAttribute('title', `of ${data.strata[s]}`);
    return one;
  };
  if (b >= 0) return h('span', {class: 'ntf-value ntf-shares'}, part(a, 'ntf-a'), part(b, 'ntf-b'));
  return h('span', {class: 'ntf-value', title: 'share of the topic'}, `${percent(share(data, state, i))} of `, word(of));
}

/** How many rows there is room for: in a file as many as the window has. */
export const room = page =>
  page.data.alone ? Math.max(18, Math.min(40, Math.floor((window.innerHeight - 330) / 22))) : 18;

const times = x => (x > 0 ? `×${x < 10 ? x.toFixed(1) : x.toFixed(0)}` : '');

/** The rows shown of a topic: the first ones, and those that are looked for. */
function shownRows(page, i, k) {
  const all = rows(page.data, page.state, i, k),
    looked = k === page.data.term ? matching(page.data, page.state.query) : new Set();
  const hits = all.slice(page.more).filter(r => looked.has(r.item));
  return {all, looked, list: [...all.slice(0, page.more), ...hits.slice(0, 5)]};
}

const longest = list => Math.max(1e-300, ...list.flatMap(r => [r.p, r.corpus, r.versus ?? 0]));

/** One scale for topics side by side, and the words that all of them show. */
function together(page, topics, k) {
  const mode = page.data.modes[k];
  if (mode.kind === 'ordered') {
    const tops = topics.map(i => Math.max(...profile(page.data, page.state, i, k).v));
    return {most: Math.max(...tops), shared: new Set()};
  }
  if (mode.kind === 'image') return {most: 0, shared: new Set()};
  const lists = topics.map(i => shownRows(page, i, k).list);
  const sets = lists.map(list => new Set(list.map(r => r.item)));
  const shared = topics.length < 2 ? [] : [...sets[0]].filter(x => sets.every(s => s.has(x)));
  return {most: longest(lists.flat()), shared: new Set(shared)};
}

function legend(page, two) {
  const {data, state} = page,
    first = inWhat(data, state.stratum);
  const entries = [keyed(two ? 'ntf-t' : 'ntf-p', 'in the topic'), keyed(two ? 'ntf-a' : 'ntf-c', first)];
  if (two) entries.push(keyed('ntf-b', word(`in ${data.strata[state.versus]}`)));
  return h('span', {class: 'ntf-legend'}, entries);
}

function termRow(page, mode, r, {two, most, shared, looked, A, read}) {
  const both = shared.has(r.item);
  return h(
    'tr',
    {
      title: `${mode.items[r.item]}: ${percent(r.p)} of the topic, ${percent(r.corpus)} of ${A}`,
      class: looked.has(r.item) ? 'ntf-found' : null,
    },
    h(
      'th',
      {scope: 'row'},
      both &&
        h(
          'span',
          {class: 'ntf-both', title: 'in both topics', role: 'img', 'aria-label': 'in both topics'},
          '∩',
        ),
      read
        ? button(word(mode.items[r.item]), () => openWord(page, r.item), {
            class: 'ntf-link',
            'data-item': r.item,
          })
        : word(mode.items[r.item]),
    ),
    h(
      'td',
      {class: 'ntf-bars'},
      h(
        'span',
        {class: 'ntf-track'},
        bar(two ? 'ntf-p ntf-t' : 'ntf-p', r.p / most),
        bar(two ? 'ntf-a' : 'ntf-c', r.corpus / most),
        two && bar('ntf-b', r.versus / most),
      ),
    ),
    h('td', {class: 'ntf-value'}, percent(r.p)),
    h('td', {class: 'ntf-value'}, two ? signed(r.corpus - r.versus) : times(r.p / r.corpus)),
  );
}

export function terms(page, i, k, shared = together(page, [i], k)) {
  const {data, state} = page,
    mode = data.modes[k],
    {all, looked, list} = shownRows(page, i, k),
    two = state.versus >= 0;
  if (!all.length) return h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
  const whole = wholeName(data),
    A = state.stratum < 0 ? `the ${whole}` : data.strata[state.stratum];
  const heads = [
    h('th', {scope: 'col', class: 'ntf-end'}, mode.name),
    h('th', {scope: 'col'}, legend(page, two)),
    h('th', {scope: 'col', class: 'ntf-end', title: 'part of the topic'}, 'share'),
    h(
      'th',
      {scope: 'col', class: 'ntf-end'},
      two ? 'difference' : `× ${state.stratum < 0 ? whole : 'stratum'}`,
    ),
  ];
  const how = {two, looked, A, read: k === data.term && canRead(page), ...shared};
  const table = h(
    'table',
    {class: 'ntf-terms'},
    columns(),
    h('thead', {}, h('tr', {}, heads)),
    h(
      'tbody',
      {},
      list.map(r => termRow(page, mode, r, how)),
    ),
  );
  const left = all.length - Math.min(all.length, page.more);
  const more = () => {
    page.more += 48;
    page.redraw();
  };
  return h(
    'div',
    {onkeydown: oneStop(table)},
    table,
    left > 0 && button(`More (${left})`, more, {class: 'ntf-more'}),
  );
}

export function chart(page, i, k, width, height = 190, shared = undefined) {
  const {kind} = page.data.modes[k];
  if (kind === 'image') return pictureFigure(page, i, k, width);
  if (kind === 'ordered') return orderedFigure(page, i, k, width, height, shared?.most);
  const made = terms(page, i, k, shared),
    {hint} = page.data.modes[k];
  if (hint) made.append(h('p', {class: 'ntf-note'}, hint));
  return made;
}

export const small = (page, i, k) => {
  const {data, state} = page;
  const m = data.modes[k];
  if (m.kind === 'image') return pictureFigure(page, i, k, 110);
  if (m.kind === 'ordered') return orderedFigure(page, i, k, Math.min(page.wide.side || 300, 340), 110);
  return h(
    'ol',
    {class: 'ntf-few'},
    rows(data, state, i, k)
      .slice(0, 5)
      .map(r => h('li', {}, word(m.items[r.item]), h('span', {class: 'ntf-value'}, percent(r.p)))),
  );
};

export function course(page, i, width) {
  const {data, state} = page;
  const c = data.course;
  if (!c) return null;
  const parts = members(state, i),
    value = s => c.labels.map((_, b) => (c.has[s][b] ? sum(parts.map(j => c.v[j][s][b])) : null));
  const shownS =
    state.stratum < 0
      ? data.strata.map((_, s) => s)
      : state.versus < 0
        ? [state.stratum]
        : [state.stratum, state.versus];
  const use = shownS.length > 2 || !c.v.length ? [] : shownS,
    cls = use.length > 1 ? ['ntf-a', 'ntf-b'] : ['ntf-p'];
  const series = use.length
    ? use.map((s, n) => ({v: value(s), cls: cls[n], name: page.many ? data.strata[s] : ''}))
    : [{v: c.labels.map((_, b) => (c.all[b] ? sum(parts.map(j => c.total[j][b])) : null)), cls: 'ntf-p'}];
  const flat = series.flatMap(s => s.v.map((v, b) => [v ?? -1, c.labels[b]])).sort((a, b) => b[0] - a[0])[0];
  return h(
    'section',
    {},
    h(
      page.sub,
      {class: 'ntf-h'},
      `By ${c.name}`,
      page.many &&
        use.length > 1 &&
        h(
          'span',
          {class: 'ntf-legend'},
          use.map((s, n) => keyed(cls[n], word(data.strata[s]))),
        ),
    ),
    curve(series, c.labels, {
      width,
      height: 130,
      label: `Share by ${c.name}: most in ${flat?.[1]}, ${percent(flat?.[0])}`,
    }),
  );
}

/** The place of the topic shown: how it is read stays, the rest is redrawn. */
export function makeCentre(page) {
  const help = makeHelp(page);
  page.modes = h('div', {});
  page.reading = h('div', {class: 'ntf-reading'}, page.fields.order.box, page.lam, help.button);
  page.body = h('div', {});
  page.centre = h(
    'div',
    {class: 'ntf-centre'},
    h('div', {class: 'ntf-tools'}, page.modes, page.reading),
    help.text,
    page.body,
  );
  page.tools = page.centre.firstChild;
  page.helpText = help.text;
}

/** Put the cursor in the name of the topic shown, if need be after leaving another view. */
export function enterName(page) {
  if (!page.tree) page.act('panel', {panel: 0});
  page.main.querySelector('.ntf-name')?.focus();
}

/** What fills the page in place of one topic; nothing for the topic itself. */
function otherPanel({data, state, many}) {
  const several = data.share.length > 1;
  if (state.panel === 1 && many) return strataCompared;
  if (state.panel === 2 && data.sets.length > 1) return setsCompared;
  if (state.panel === 3 && several) return overview;
  return state.panel === 4 && several && data.term >= 0 ? wordsByTopics : null;
}

function topicShown(page) {
  const {state} = page,
    k = state.mode,
    wide = page.wide.body || 600,
    two = state.beside >= 0;
  const width = Math.max(240, wide / (two && wide > 620 ? 2 : 1) - (two ? 20 : 8)),
    topics = two ? [state.selected, state.beside] : [state.selected],
    shared = together(page, topics, k);
  const one = n =>
    h('section', {class: 'ntf-detail', 'aria-label': `Topic ${page.digit(n)}`}, [
      title(page, n),
      chart(page, n, k, width, undefined, shared),
    ]);
  const note = two && h('p', {class: 'ntf-note'}, beside(shared));
  return [
    note,
    h('div', {class: two ? 'ntf-pair' : ''}, topics.map(one)),
    course(page, state.selected, wide - 8),
  ];
}

function beside({most, shared}) {
  const scale = most > 0 ? 'Both have one scale. ' : '';
  return shared.size ? `${scale}∩ marks what both show.` : scale;
}

/** The columns that a view wants, and how wide they are: asked before anything is drawn, where they are new. */
export function setColumns(page, anew) {
  const {main, side, state} = page,
    whole = !!otherPanel(page),
    before = main.className;
  side.hidden = whole;
  main.classList.toggle('ntf-wide', whole);
  main.classList.toggle('ntf-full', whole && state.panel > 2);
  main.classList.toggle('ntf-two', !whole && state.beside >= 0);
  if (whole) page.wide = null;
  else if (anew || !page.wide || main.className !== before)
    page.wide = {body: page.body.clientWidth, side: side.clientWidth};
}

/** Whether a table of all topics stays as it is: only another row is the one selected. */
function sameTable({state}, old) {
  const free = ['selected', 'query', 'notes', 'undo', 'seq', 'page'];
  return old && old !== state && Object.keys(state).every(n => state[n] === old[n] || free.includes(n));
}

/** Which row or column of the table is the topic selected. */
export function markHere({body, state}) {
  body.querySelector('.ntf-here')?.classList.remove('ntf-here');
  body.querySelector(`[data-topic="${state.selected}"]`)?.classList.add('ntf-here');
}

export function drawCentre(page, old) {
  const {data, state} = page;
  const panel = otherPanel(page);
  if (panel && sameTable(page, old)) return markHere(page);
  const kind = data.modes[state.mode]?.kind;
  page.tools.hidden = !!panel || !!page.reader || state.selected < 0;
  if (page.tools.hidden) page.helpText.hidden = true;
  page.reading.hidden = kind !== 'words' && kind !== 'labels';
  page.modes.replaceChildren(...[modeTabs(page)].filter(Boolean));
  if (panel) {
    page.body.replaceChildren(panel(page));
    markHere(page);
  } else if (page.reader && state.selected >= 0) page.body.replaceChildren(reading(page));
  else page.body.replaceChildren(...(state.selected < 0 ? [] : topicShown(page)).filter(Boolean));
}

export function drawSide(page) {
  const {data, state} = page;
  const i = state.selected;
  if (i < 0 || otherPanel(page)) {
    page.side.replaceChildren();
    return;
  }
  const others = shownModes(page).filter(k => k !== state.mode);
  const section = k =>
    h(
      'section',
      {},
      h(
        page.sub,
        {class: 'ntf-h'},
        button(word(data.modes[k].name), () => page.act('mode', {mode: k}), {class: 'ntf-link'}),
        data.modes[k].kind !== 'image' &&
          data.modes[k].kind !== 'ordered' &&
          h('span', {class: 'ntf-col'}, 'share'),
      ),
      small(page, i, k),
    );
  page.side.replaceChildren(...others.map(section), page.sampleBox);
}
