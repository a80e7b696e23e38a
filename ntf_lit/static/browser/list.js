import {bar, h, opener, reveal, word} from './elements.js';
import {percent, sum, typeAhead} from './format.js';
import {listed, members} from './state.js';
import {enterName} from './topic.js';

/** The list of topics and what can be done to the one selected: made once, filled by `drawList`. */
export function makeList(page) {
  page.hint = h('p', {class: 'ntf-note'});
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
  const {state} = page;
  const ids = [...page.list.querySelectorAll('[data-id]')].map(o => +o.dataset.id),
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

export function drawList(page) {
  const {data, state} = page;
  const found = listed(data, state),
    most = Math.max(1e-300, ...found.map(f => f.share));
  page.list.replaceChildren(
    ...found.map(({id: i, share: s}) =>
      h(
        'div',
        {
          role: 'option',
          id: page.id(i),
          'data-id': i,
          'aria-selected': String(i === state.selected),
          class: state.hidden.includes(i) ? 'ntf-hidden' : null,
        },
        h('span', {class: 'ntf-number'}, page.digit(i)),
        word(page.name(i)),
        h('span', {class: 'ntf-value'}, percent(s)),
        h('span', {class: 'ntf-track'}, bar('ntf-p', s / most)),
        state.hidden.includes(i) && h('small', {}, 'hidden'),
        members(state, i).length > 1 && h('small', {}, `${members(state, i).length} merged`),
      ),
    ),
  );
  page.list.setAttribute(
    'aria-activedescendant',
    found.some(f => f.id === state.selected) ? page.id(state.selected) : '',
  );
  page.hint.replaceChildren(...said(page, found));
  reveal(page.list.querySelector('[aria-selected=true]'), page.list);
  const others = listed(data, {...state, query: ''})
    .map(f => f.id)
    .filter(i => i !== state.selected);
  page.mergeInto.replaceChildren(
    h('option', {value: ''}, 'Merge into …'),
    ...others.map(i => h('option', {value: i}, `${page.digit(i)} ${page.name(i)}`)),
  );
  page.besides.replaceChildren(
    h('option', {value: -1}, state.beside < 0 ? 'Show beside …' : 'Nothing beside'),
    ...others.map(i => h('option', {value: i}, `${page.digit(i)} ${page.name(i)}`)),
  );
  page.besides.value = state.beside;
  page.hide.textContent = state.hidden.includes(state.selected) ? 'Show' : 'Hide';
  page.undo.disabled = !state.undo.length;
  page.hide.disabled = page.mergeInto.disabled = page.besides.disabled = state.selected < 0;
}
