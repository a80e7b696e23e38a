import {bar, fillMenu, h, opener, soon, word} from './elements.js';
import {percent, sum, typeAhead} from './format.js';
import {listed, members} from './state.js';
import {enterName} from './topic.js';

const LINE = 34; // pixels

/** The list of topics and what can be done to the one selected: made once, filled by `drawList`. */
export function makeList(page) {
  page.hint = h('p', {class: 'ntf-note'});
  page.lines = new Map(); // number of the topic -> its line
  page.list = h('div', {
    class: 'ntf-list',
    role: 'listbox',
    tabindex: 0,
    'aria-label': 'Topics',
    onkeydown: e => listKey(page, e),
    onclick: e => {
      const o = e.target.closest('[data-id]');
      if (o) enterTopic(page, +o.dataset.id);
    },
  });
  page.mergeInto = h('select', {
    'aria-label': 'Merge the topic into',
    onchange: e => {
      if (e.target.value !== '') page.act('merge', {topic: page.state.selected, into: +e.target.value});
    },
  });
  page.besides = h('select', {
    'aria-label': 'Show another topic beside',
    onchange: e => page.act('beside', {topic: +e.target.value}),
  });
  fillMenu(page.mergeInto, [['', 'Merge into …']]);
  fillMenu(page.besides, [[-1, 'Show beside …']]);
  page.hide = h('button', {
    type: 'button',
    onclick: () => {
      const {hidden, selected} = page.state;
      page.act(hidden.includes(selected) ? 'show' : 'hide', {topic: selected});
    },
  });
}

export const listSide = page =>
  h(
    'div',
    {class: 'ntf-left-side'},
    page.hint,
    page.list,
    opener(page, 'Edit'),
    h(
      'div',
      {class: 'ntf-edit ntf-option'},
      page.hide,
      h('label', {}, page.mergeInto),
      h('label', {}, page.besides),
      page.undo,
    ),
    page.edits,
  );

export function listKey(page, e) {
  const {data, state} = page;
  const ids = listed(data, state).map(f => f.id),
    at = ids.indexOf(state.selected);
  const step = {ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8}[e.key];
  let to = step
    ? Math.max(0, Math.min(ids.length - 1, at + step))
    : e.key === 'Home'
      ? 0
      : e.key === 'End'
        ? ids.length - 1
        : -1;
  if (e.key === 'F2' || e.key === 'Enter') {
    e.preventDefault();
    enterName(page);
    return;
  }
  if (e.key === 'Delete') {
    e.preventDefault();
    page.hide.click();
    return;
  }
  if (to < 0 && e.key.length === 1 && !e.ctrlKey && !e.metaKey && !e.altKey) {
    page.keyed(e.key);
    to = typeAhead(
      ids.map(i => page.name(i)),
      at,
      page.typed,
    );
    if (to < 0 && /^\d+$/.test(page.typed)) to = ids.findIndex(i => page.digit(i) === page.typed);
  } else if (to < 0) return;
  e.preventDefault();
  if (ids[to] !== undefined) page.act('select', {topic: ids[to]});
}

/** A click on a topic shows it, unless strata or runs are compared. */
function enterTopic(page, topic) {
  const leave = page.state.panel > 2 ? [['panel', {panel: 0}]] : [];
  page.acts([['select', {topic}], ...leave]);
}

/** What the numbers of the list are, and what the search found. */
function said(page, found) {
  const {data, state} = page,
    q = state.query.trim();
  if (!data.share.length) return ['This model has no topics.'];
  if (!q) {
    const of = state.stratum < 0 ? (data.whole ?? 'everything') : data.strata[state.stratum];
    return [`${found.length} ${found.length === 1 ? 'topic' : 'topics'}, share of `, word(of)];
  }
  const mode = data.modes[data.term],
    known = mode && mode.items.length < mode.size ? `the ${mode.items.length} of ${mode.size} it knows` : '';
  if (!found.length) return ['No topic has ', word(q), known ? ` among ${known}` : ''];
  const {hits} = found[0],
    rest = 1 - sum(found.map(f => f.share));
  return [
    'Share of ',
    word(q),
    hits ? ` (${hits} ${hits === 1 ? 'match' : 'matches'}${known ? ` among ${known}` : ''})` : '',
    ` in ${found.length} ${found.length === 1 ? 'topic' : 'topics'}`,
    hits && rest > 0.005 ? `; ${percent(rest)} is elsewhere` : '',
  ];
}

/** One line of the list, made once for a topic; what changes is written into it by `fillLine`. */
function line(page, i) {
  const small = h('small', {}),
    name = word(''),
    value = h('span', {class: 'ntf-value'}),
    part = bar('ntf-p', 0);
  const props = {role: 'option', id: page.id(i), 'data-id': i};
  const track = h('span', {class: 'ntf-track'}, part);
  const box = h('div', props, h('span', {class: 'ntf-number'}, page.digit(i)), name, value, track, small);
  return {box, name, value, part, small, said: ''};
}

function fillLine(page, l, i, s, most) {
  const {state} = page,
    n = members(state, i).length,
    hidden = state.hidden.includes(i),
    width = `${((100 * s) / most).toFixed(2)}%`;
  const said = JSON.stringify([page.name(i), percent(s), width, hidden, n]);
  l.box.setAttribute('aria-selected', String(i === state.selected));
  if (l.said === said) return;
  l.said = said;
  l.box.classList.toggle('ntf-hidden', hidden);
  l.name.textContent = page.name(i) || '(empty)';
  l.name.title = page.name(i);
  l.value.textContent = percent(s);
  l.part.style.width = width;
  l.small.textContent = [hidden && 'hidden', n > 1 && `${n} merged`].filter(Boolean).join(' · ');
  l.small.hidden = !l.small.textContent;
}

/** Lines that stay where they are are left alone: to put one in its place anew costs its layout. */
function fillList(page, found, most) {
  const {list, lines, state} = page;
  for (const {id: i, share} of found) {
    if (!lines.has(i)) lines.set(i, line(page, i));
    fillLine(page, lines.get(i), i, share, most);
  }
  const boxes = found.map(f => lines.get(f.id).box),
    now = [...list.children];
  if (now.every((b, n) => b === boxes[n])) list.append(...boxes.slice(now.length));
  else list.replaceChildren(...boxes);
  const seen = found.some(f => f.id === state.selected);
  list.setAttribute('aria-activedescendant', seen ? page.id(state.selected) : '');
}

/** A line for every topic found; where their order is new, those that can be seen, and a moment later the others. */
function drawLines(page, found) {
  const {list, lines, state} = page,
    most = Math.max(1e-300, ...found.map(f => f.share)),
    there = found.every((f, n) => list.children[n] && lines.get(f.id)?.box === list.children[n]),
    first = there ? found.length : Math.max(50, 25 + found.findIndex(f => f.id === state.selected)),
    fill = n => {
      fillList(page, found.slice(0, n), most);
      list.style.paddingBottom = `${LINE * Math.max(0, found.length - n)}px`;
    };
  fill(first);
  if (first < found.length) soon(page, 'list', () => fill(found.length));
}

/** The menus of all other topics. */
function fillOthers(page) {
  const {data, state} = page;
  const option = ({id: i}) => [i, `${page.digit(i)} ${page.name(i)}`, i !== state.selected];
  const others = listed(data, {...state, query: ''}).map(option);
  fillMenu(page.mergeInto, [['', 'Merge into …'], ...others]);
  fillMenu(page.besides, [[-1, 'Show beside …'], ...others]);
  page.mergeInto.value = '';
  page.besides.options[0].textContent = state.beside < 0 ? 'Show beside …' : 'Nothing beside';
  page.besides.value = state.beside;
}

export function drawList(page) {
  const {data, state} = page,
    found = listed(data, state);
  drawLines(page, found);
  page.hint.replaceChildren(...said(page, found));
  soon(page, 'menus', () => fillOthers(page));
  page.hide.textContent = state.hidden.includes(state.selected) ? 'Show' : 'Hide';
  page.undo.disabled = !state.undo.length;
  page.hide.disabled = page.mergeInto.disabled = page.besides.disabled = state.selected < 0;
}
