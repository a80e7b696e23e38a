import {h} from './elements.js';

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

/** What is looked at, and how: made once, filled by `fillControls`. */
export function makeControls(page) {
  const {data, state} = page;
  const strata = data.strata.map((s, i) => [i, s]);
  const orders = ['relevance', 'probability', 'saliency'].map((o, i) => [i, o]);
  const layers = data.sets.map((s, i) => [i, i ? `${data.sets.length - 1} to ${i}` : 'all']);
  const shapes = ['graph', 'tree'].map((s, i) => [i, s]);
  const sets = data.sets.map((s, i) => [i, s.name]);
  const field = (name, label, options, cmd, arg) =>
    select(label, options, state[name], v => page.act(cmd, {[arg]: v}));
  page.fields = {
    stratum: field('stratum', 'Stratum', [[-1, 'All'], ...strata], 'stratum', 'stratum'),
    versus: field('versus', 'against', [[-1, 'nothing'], ...strata], 'versus', 'stratum'),
    set: field('set', data.axis ?? 'Model', sets, 'set', 'set'),
    order: field('order', 'Order', orders, 'order', 'order'),
    depth: field('depth', 'Layers', layers, 'depth', 'layer'),
    shape: field('shape', 'Drawn as', shapes, 'shape', 'shape'),
  };
  makeRelevance(page);
  page.find = h('input', {
    type: 'search',
    maxlength: 200,
    placeholder: data.term >= 0 ? `Find a ${data.modes[data.term].name}` : 'Find a topic',
    'aria-label': 'Find the topics of a word',
    oninput: e => page.act('query', {value: e.target.value}),
  });
  page.tabs = viewTabs(page);
  page.undo = h('button', {type: 'button', onclick: () => undoLast(page)}, 'Undo');
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
    h('span', {}, 'Relevance λ'),
    page.slide,
    page.exact,
  );
}

function viewTabs(page) {
  const {data} = page;
  const panels = [[0, 'Topics']];
  if (page.many) panels.push([1, 'Strata compared']);
  if (data.sets.length > 1) panels.push([2, `${data.axis ?? 'Model'}s compared`]);
  const tab = ([v, t]) =>
    h('button', {type: 'button', 'data-panel': v, onclick: () => page.act('panel', {panel: v})}, t);
  if (panels.length < 2) return null;
  return h('div', {class: 'ntf-tabs', role: 'group', 'aria-label': 'View'}, panels.map(tab));
}

function undoLast(page) {
  const last = page.state.undo.at(-1);
  page.act('undo');
  page.say(`Undone. ${last ? page.name(last.topic) : ''}`);
}

/** The row above everything. */
export function toolbar(page) {
  const {stratum, versus, set, order, depth, shape} = page.fields;
  const row = page.tree
    ? [depth.box, page.many && stratum.box, shape.box, page.find]
    : [
        page.data.sets.length > 1 && set.box,
        page.many && stratum.box,
        page.many && versus.box,
        page.find,
        order.box,
        page.lam,
        page.tabs,
      ];
  return h('div', {class: 'ntf-bar'}, row);
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
  page.tabs?.querySelectorAll('button').forEach(b => {
    b.setAttribute('aria-pressed', String(+b.dataset.panel === state.panel));
  });
}
