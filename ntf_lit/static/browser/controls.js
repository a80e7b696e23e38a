import {h, word} from './elements.js';
import {layerWords, treeTools} from './hierarchy.js';
import {listed} from './state.js';

/** A field to choose from, with its label: {box, el}. */
export function select(label, options, value, f) {
  const el = h(
    'select',
    {onchange: e => f(+e.target.value)},
    options.map(([v, t]) => h('option', {value: v}, t)),
  );
  el.value = value;
  return {box: h('label', {class: 'ntf-field'}, h('span', {}, label), el), el};
}

export const button = (label, onclick, props = {}) => h('button', {type: 'button', onclick, ...props}, label);

/** What is looked at, and how: made once, filled by `fillControls`. */
export function makeControls(page) {
  const {data, state} = page;
  const strata = data.strata.map((s, i) => [i, s]);
  const orders = ['relevance', 'probability', 'saliency'].map((o, i) => [i, o]);
  const shapes = ['graph', 'tree'].map((s, i) => [i, s]);
  const sets = data.sets.map((s, i) => [i, s.name]);
  const field = (name, label, options, cmd, arg) =>
    select(label, options, state[name], v => page.act(cmd, {[arg]: v}));
  page.fields = {
    stratum: field('stratum', 'Stratum', [[-1, 'All'], ...strata], 'stratum', 'stratum'),
    versus: field('versus', 'against', [[-1, 'nothing'], ...strata], 'versus', 'stratum'),
    set: field('set', data.axis ?? 'Model', sets, 'set', 'set'),
    order: field('order', 'Order', orders, 'order', 'order'),
    depth: field('depth', 'Layers', layerWords(data), 'depth', 'layer'),
    shape: field('shape', 'Drawn as', shapes, 'shape', 'shape'),
  };
  makeRelevance(page);
  makeFind(page);
  page.tabs = viewTabs(page);
  page.undo = button('Undo', () => undoLast(page));
}

function makeRelevance(page) {
  const changed = e => {
    const v = Math.max(0, Math.min(1, +e.target.value));
    if (e.target.value !== '' && !Number.isNaN(v)) page.act('lam', {value: v});
  };
  const range = {min: 0, max: 1, step: 0.05};
  page.slide = h('input', {type: 'range', ...range, 'aria-label': 'Relevance λ, slider', oninput: changed});
  page.exact = h('input', {
    type: 'number',
    ...range,
    'aria-label': 'Relevance λ',
    onchange: changed,
    title: '1: by probability; 0: by lift',
  });
  page.lam = h(
    'div',
    {class: 'ntf-field', role: 'group', 'aria-label': 'Relevance'},
    h('span', {}, 'λ'),
    page.slide,
    page.exact,
  );
}

/** The search: what is typed is looked for at once, and the first topic that has it is shown. */
function makeFind(page) {
  const {data} = page;
  const first = (value, step = 0) => {
    const found = listed(data, {...page.state, query: value}).map(f => f.id),
      at = found.indexOf(page.state.selected);
    if (!value.trim() || !found.length) return [];
    return [['select', {topic: found[step && at >= 0 ? (at + step + found.length) % found.length : 0]}]];
  };
  page.find = h('input', {
    type: 'search',
    maxlength: 200,
    placeholder: data.term >= 0 ? `Find a ${data.modes[data.term].name}` : 'Find a topic',
    'aria-label': 'Find the topics of a word',
    oninput: e =>
      page.acts([['query', {value: e.target.value}], ...(page.tree ? [] : first(e.target.value))]),
    onkeydown: e => {
      if (e.key !== 'Enter' || page.tree) return;
      page.acts(first(e.target.value, e.shiftKey ? -1 : 1));
    },
  });
}

const capital = t => t.slice(0, 1).toUpperCase() + t.slice(1);

function viewTabs(page) {
  const {data} = page;
  const panels = data.share.length > 1 ? [[3, 'Overview']] : [];
  if (panels.length && data.term >= 0) panels.push([4, `${capital(data.modes[data.term].name)}s × topics`]);
  panels.push([0, 'Topics']);
  if (page.many) panels.push([1, 'Strata compared']);
  if (data.sets.length > 1) panels.push([2, `${data.axis ?? 'Model'}s compared`]);
  if (panels.length < 2 || page.tree) return null;
  const tab = ([v, t]) => button(t, () => page.act('panel', {panel: v}), {'data-panel': v});
  return h('div', {class: 'ntf-tabs ntf-views', role: 'group', 'aria-label': 'View'}, panels.map(tab));
}

function undoLast(page) {
  const last = page.state.undo.at(-1);
  page.act('undo');
  page.say(`Undone. ${last ? page.name(last.topic) : ''}`);
}

/** The row above everything. */
export function toolbar(page) {
  const {stratum, versus, set} = page.fields;
  const row = page.tree
    ? treeTools(page)
    : [page.data.sets.length > 1 && set.box, page.many && [stratum.box, versus.box], page.find];
  return h('div', {class: page.tree ? 'ntf-bar ntf-tree-bar' : 'ntf-bar'}, row);
}

export function fillControls(page) {
  const {state, fields} = page;
  page.slide.value = state.lam;
  if (document.activeElement !== page.exact) page.exact.value = +state.lam.toFixed(4);
  page.lam.classList.toggle('ntf-off', state.order !== 0);
  page.slide.disabled = page.exact.disabled = state.order !== 0;
  if (document.activeElement !== page.find) page.find.value = state.query;
  for (const [name, field] of Object.entries(fields)) field.el.value = state[name];
  fields.versus.el.disabled = state.stratum < 0;
  fields.versus.box.classList.toggle('ntf-idle', state.stratum < 0);
  page.tabs?.querySelectorAll('button').forEach(b => {
    b.setAttribute('aria-pressed', String(+b.dataset.panel === state.panel));
  });
}

/** A topic to go to. */
export const topicLink = (page, i) =>
  h(
    'button',
    {
      type: 'button',
      class: 'ntf-link',
      onclick: e => {
        e.stopPropagation();
        page.acts([
          ['panel', {panel: 0}],
          ['select', {topic: i}],
        ]);
      },
    },
    h('span', {class: 'ntf-number'}, page.digit(i)),
    word(page.name(i)),
  );
