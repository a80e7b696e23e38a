import {setsCompared, strataCompared} from './compare.js';
import {bar, columns, h, word} from './elements.js';
import {curve, picture} from './figures.js';
import {argsort, percent, signed, sum} from './format.js';
import {listed, members, profile, rows, setOf, share} from './state.js';

export const modeTabs = page =>
  page.data.modes.length > 1 &&
  h(
    'div',
    {class: 'ntf-tabs', role: 'group', 'aria-label': 'Mode'},
    page.data.modes.map((m, k) =>
      h(
        'button',
        {
          type: 'button',
          'aria-pressed': String(k === page.state.mode),
          'data-mode': k,
          onclick: () => {
            page.act('mode', {mode: k});
            page.main.querySelector(`[data-mode="${k}"]`)?.focus();
          },
        },
        word(m.name),
      ),
    ),
  );

export function title(page, i) {
  const {data, state} = page;
  const box = h('input', {
    class: 'ntf-name',
    'aria-label': `Name of topic ${page.digit(i)}`,
    maxlength: 200,
    dir: 'auto',
    title: 'Click to rename',
    onchange: e => {
      page.act('name', {topic: i, value: e.target.value});
      page.say(`Topic ${page.digit(i)} is now called ${page.name(i)}`);
    },
    onkeydown: e => {
      if (e.key === 'Enter') {
        e.target.blur();
        page.list.focus?.();
      }
      if (e.key === 'Escape') {
        e.target.value = page.name(i);
        (page.tree ? page.graph : page.list).focus();
      }
    },
  });
  box.value = page.name(i);
  const parts = members(state, i);
  return h(
    'div',
    {class: 'ntf-title'},
    h('span', {class: 'ntf-number'}, page.digit(i)),
    box,
    h(
      'span',
      {class: 'ntf-value'},
      percent(share(data, state, i)),
      !page.tree && state.versus >= 0 ? ` | ${percent(share(data, state, i, state.versus))}` : '',
    ),
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

export function terms(page, i, k) {
  const {data, state} = page;
  const mode = data.modes[k],
    all = rows(data, state, i, k),
    list = all.slice(0, page.more),
    two = state.versus >= 0;
  if (!all.length) return h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
  const most = Math.max(...list.flatMap(r => [r.p, r.corpus, r.versus ?? 0])),
    A = state.stratum < 0 ? 'corpus' : data.strata[state.stratum];
  const head = h(
    'div',
    {class: 'ntf-legend'},
    h('span', {class: `ntf-key ${two ? 'ntf-t' : 'ntf-p'}`}),
    'in the topic',
    h('span', {class: `ntf-key ${two ? 'ntf-a' : 'ntf-c'}`}),
    two ? word(`in ${A}`) : state.stratum < 0 ? 'in the corpus' : word(`in ${A}`),
    two && h('span', {class: 'ntf-key ntf-b'}),
    two && word(`in ${data.strata[state.versus]}`),
  );
  const table = h(
    'table',
    {class: 'ntf-terms'},
    columns(),
    h(
      'thead',
      {class: 'ntf-sr'},
      h(
        'tr',
        {},
        h('th', {scope: 'col'}, mode.name),
        h('th', {scope: 'col'}, 'bars'),
        h('th', {scope: 'col'}, 'share of the topic'),
        h('th', {scope: 'col'}, two ? 'difference of the strata' : 'times its share of the corpus'),
      ),
    ),
    h(
      'tbody',
      {},
      list.map(r =>
        h(
          'tr',
          {title: `${mode.items[r.item]}: ${percent(r.p)} of the topic, ${percent(r.corpus)} of ${A}`},
          h('th', {scope: 'row'}, word(mode.items[r.item])),
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
          h(
            'td',
            {class: 'ntf-value'},
            two
              ? signed(r.corpus - r.versus)
              : r.corpus > 0
                ? `×${r.p / r.corpus < 10 ? (r.p / r.corpus).toFixed(1) : (r.p / r.corpus).toFixed(0)}`
                : '',
          ),
        ),
      ),
    ),
  );
  return h(
    'div',
    {},
    head,
    table,
    all.length > list.length &&
      h(
        'button',
        {
          type: 'button',
          class: 'ntf-more',
          onclick: () => {
            page.more += 48;
            page.redraw();
          },
        },
        `More (${all.length - list.length})`,
      ),
  );
}

export function ordered(page, i, k, width, height) {
  const {data, state} = page;
  const mode = data.modes[k],
    {v} = profile(data, state, i, k),
    at = argsort(v)[0];
  const corpus = mode.corpus[setOf(data, i)];
  if (!(Math.max(...v) > 0)) return h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
  return curve([{v, cls: 'ntf-p'}], mode.items, {
    corpus: corpus[1 + (page.tree ? -1 : state.stratum)],
    width,
    height,
    label: `${mode.name}: most at ${mode.items[at]}, ${percent(v[at])}; the line is the corpus`,
  });
}

export function images(page, i, k, size) {
  const {data, state} = page;
  const mode = data.modes[k];
  const others = size < 200 ? [] : listed(data, {...state, query: '', set: setOf(data, i)}).slice(0, 60);
  return h(
    'div',
    {class: 'ntf-images'},
    picture(
      mode.img[i],
      mode.shape,
      `${page.name(i)} as a picture, ${mode.shape[0]} by ${mode.shape[1]}`,
      size,
    ),
    h('p', {class: 'ntf-note'}, `dark: 0, bright: ${percent(mode.top[i])} at one pixel`),
    others.length > 1 &&
      h(
        'div',
        {class: 'ntf-gallery', role: 'group', 'aria-label': 'All topics as pictures'},
        others.map(({id: j}) =>
          h(
            'button',
            {
              type: 'button',
              'aria-pressed': String(j === state.selected),
              'aria-label': `Topic ${page.digit(j)}, ${page.name(j)}`,
              onclick: () => page.act('select', {topic: j}),
            },
            picture(mode.img[j], mode.shape, '', 56),
          ),
        ),
      ),
  );
}

export const chart = (page, i, k, width, height = 190) =>
  ({
    words: () => terms(page, i, k),
    labels: () => terms(page, i, k),
    ordered: () => ordered(page, i, k, width, height),
    image: () => images(page, i, k, Math.min(300, width)),
  })[page.data.modes[k].kind]();

export const small = (page, i, k) => {
  const {data, state} = page;
  const m = data.modes[k];
  if (m.kind === 'image') return images(page, i, k, 110);
  if (m.kind === 'ordered') return ordered(page, i, k, Math.min(page.side.clientWidth || 300, 340), 96);
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
          use.map((s, n) => [h('span', {class: `ntf-key ${cls[n]}`}), word(data.strata[s])]),
        ),
    ),
    curve(series, c.labels, {
      width,
      height: 130,
      label: `Share by ${c.name}: most in ${flat?.[1]}, ${percent(flat?.[0])}`,
    }),
  );
}

export function drawCentre(page) {
  const {data, state} = page;
  const i = state.selected,
    j = state.beside,
    k = state.mode;
  if (state.panel === 1 && page.many) {
    page.centre.replaceChildren(strataCompared(page));
    return;
  }
  if (state.panel === 2 && data.sets.length > 1) {
    page.centre.replaceChildren(setsCompared(page));
    return;
  }
  if (i < 0) {
    page.centre.replaceChildren();
    return;
  }
  const both = j >= 0,
    width = Math.max(
      240,
      (page.centre.clientWidth || 600) / (both && page.centre.clientWidth > 620 ? 2 : 1) - (both ? 20 : 8),
    );
  const one = n =>
    h(
      'section',
      {class: 'ntf-detail', 'aria-label': `Topic ${page.digit(n)}`},
      title(page, n),
      chart(page, n, k, width),
    );
  page.centre.replaceChildren(
    ...[
      modeTabs(page) || '',
      h('div', {class: both ? 'ntf-pair' : ''}, one(i), both && one(j)),
      course(page, i, (page.centre.clientWidth || 600) - 8) || '',
    ].filter(Boolean),
  );
}

export function drawSide(page) {
  const {data, state} = page;
  const i = state.selected;
  page.side.hidden = state.panel > 0;
  page.main.classList.toggle('ntf-wide', state.panel > 0);
  if (i < 0 || state.panel > 0) {
    page.side.replaceChildren();
    return;
  }
  page.side.replaceChildren(
    ...data.modes
      .map((m, k) =>
        k === state.mode
          ? ''
          : h(
              'section',
              {},
              h(
                page.sub,
                {class: 'ntf-h'},
                h(
                  'button',
                  {type: 'button', class: 'ntf-link', onclick: () => page.act('mode', {mode: k})},
                  word(m.name),
                ),
              ),
              small(page, i, k),
            ),
      )
      .filter(Boolean),
    page.sampleBox,
  );
}
