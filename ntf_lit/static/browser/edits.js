// The row of edits under the list: a note, the order, a file to keep them in, the model fitted anew.

import {h, handOver} from './elements.js';
import {editsOf, readEdits} from './kept.js';
import {listed, setOf, shrinks} from './state.js';

const editButton = (text, title, onclick) => h('button', {type: 'button', title, onclick}, text);

/** Say something to everybody: in a line under the edits, and to who does not see it. */
export function tell(page, text) {
  page.told.textContent = text;
  page.say(text);
}

function saveEdits(page) {
  const text = JSON.stringify(editsOf(page.data, page.state, true), null, 1);
  handOver('edits.json', new Blob([text], {type: 'application/json'}));
  tell(page, 'The edits are saved as edits.json.');
}

async function loadEdits(page, file) {
  if (!file) return;
  try {
    if (file.size > 2 ** 21) throw new Error('the file is longer than 2 MB');
    const value = await file.text();
    if (page.data.ask !== undefined) {
      page.model.send?.({cmd: 'edits', value, seq: ++page.sent, page: page.sender});
      return;
    }
    readEdits(page.data, value);
    page.act('edits', {value});
    tell(page, 'The edits are taken.');
  } catch (e) {
    tell(page, `Not taken: ${e.message}`);
  }
}

/** The selected topic one place up or down in the list. */
function moveTopic(page, step) {
  const {data, state} = page;
  const ids = listed(data, {...state, query: ''}).map(f => f.id),
    at = ids.indexOf(state.selected),
    to = at + step;
  if (at < 0 || to < 0 || to >= ids.length) return;
  [ids[at], ids[to]] = [ids[to], ids[at]];
  const others = state.own_order.filter(i => !ids.includes(i));
  page.act('arrange', {topics: [...ids, ...others]});
}

/** Made once, filled by `drawEdits`. */
export function makeEdits(page) {
  page.told = h('p', {class: 'ntf-note', 'aria-hidden': 'true'});
  page.note = h('input', {
    class: 'ntf-topic-note',
    maxlength: 200,
    dir: 'auto',
    placeholder: 'Note on this topic',
    'aria-label': 'Note on this topic',
    onchange: e => page.act('note', {topic: page.state.selected, value: e.target.value}),
  });
  const file = h('input', {
    type: 'file',
    accept: '.json,application/json',
    hidden: true,
    'aria-label': 'A file of edits',
    onchange: e => {
      loadEdits(page, e.target.files[0]);
      e.target.value = '';
    },
  });
  page.up = editButton('↑', 'One place up in the list', () => moveTopic(page, -1));
  page.down = editButton('↓', 'One place down in the list', () => moveTopic(page, 1));
  page.up.setAttribute('aria-label', 'Move the topic up');
  page.down.setAttribute('aria-label', 'Move the topic down');
  page.byShare = editButton('By share', 'Forget the order given by hand', () => page.act('arrange', {topics: []}));
  const ask = (cmd, args) => {
    tell(page, 'The model is being fitted …');
    page.model.send?.({cmd, ...args()});
  };
  const [anew, inTwo] = page.layered
    ? ['Fit the layers with merged topics, and those above', 'Fit the layer with this topic in two, and those above']
    : ['Fit the whole model from the merged topics', 'Fit the whole model with this topic in two'];
  page.refit = editButton('Fit anew', anew, () => ask('refit', () => ({})));
  page.divide = editButton('Divide', inTwo, () => ask('divide', () => ({topic: page.state.selected})));
  page.edits = h(
    'div',
    {class: page.tree ? 'ntf-kept' : 'ntf-kept ntf-option', role: 'group', 'aria-label': 'Edits'},
    page.note,
    h(
      'div',
      {class: 'ntf-edit'},
      !page.tree && [page.up, page.down, page.byShare],
      editButton('Save edits', 'Names, notes, merges, order: a small file', () => saveEdits(page)),
      editButton('Load edits', 'A file that was saved here or in Python', () => file.click()),
      file,
      page.data.refit && [page.refit, page.divide],
    ),
    page.told,
  );
}

export function drawEdits(page) {
  const {data, state, layered} = page,
    i = state.selected;
  if (document.activeElement !== page.note) page.note.value = i < 0 ? '' : (state.notes[i] ?? '');
  page.note.disabled = page.up.disabled = page.down.disabled = i < 0;
  page.byShare.hidden = !state.own_order.length;
  const merged = state.into.some((to, j) => to !== j);
  page.refit.hidden = !merged || (layered && !shrinks(data, state));
  const stays = i < 0 || (layered && !shrinks(data, state, setOf(data, i)));
  page.divide.hidden = merged || stays;
}
