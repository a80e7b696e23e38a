import {bar, h, reveal, word} from './elements.js';
import {percent, typeAhead} from './format.js';
import {listed, members} from './state.js';

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
      if (o) page.act('select', {topic: +o.dataset.id});
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
    h(
      'div',
      {class: 'ntf-edit'},
      page.hide,
      h('label', {}, page.mergeInto),
      h('label', {}, page.besides),
      page.undo,
    ),
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
    page.main.querySelector('.ntf-name')?.focus();
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
  const q = state.query.trim();
  page.hint.replaceChildren(
    ...(data.share.length === 0
      ? ['This model has no topics.']
      : q
        ? [
            found.length ? 'Share of ' : 'No topic has ',
            word(q),
            found.length
              ? ` (${found[0].hits} ${found[0].hits === 1 ? 'match' : 'matches'}) among the topics`
              : ' among its first words',
          ]
        : [
            state.stratum < 0
              ? `Share of the ${data.whole ?? 'model'}`
              : `Share of ${data.strata[state.stratum]}`,
          ]),
  );
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
