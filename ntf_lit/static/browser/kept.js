// Edits as a file, as ntf_lit.edits has them, and the commands that go with them. Nothing here needs a page.

import {argsort, cleaned} from './format.js';

const LIMIT = 2 ** 21;

const isTopic = (x, n) => Number.isInteger(x) && x >= 0 && x < n;

const topicList = (x, n) =>
  Array.isArray(x) && x.length <= n && x.every(i => isTopic(i, n)) && new Set(x).size === x.length;

const isObject = x => typeof x === 'object' && x !== null && !Array.isArray(x);

/** The largest entries of a topic by name, in every mode that has all its names here. */
function outline(data, i) {
  const named = data.modes.filter(
    m => m.p && m.name !== data.unit && (m.kind !== 'ordered' || m.items.length === m.size),
  );
  const entries = m => {
    const {at, v} = m.p[i];
    const first = argsort(v).filter(n => v[n] > 0).slice(0, 24);
    return Object.fromEntries(first.map(n => [m.items[at ? at[n] : n], v[n]]));
  };
  return Object.fromEntries(named.map(m => [m.name, entries(m)]));
}

/** The edits in a state; with `outlines` they can be carried to another fit in Python. */
export function editsOf(data, state, outlines = false) {
  const changed = (now, before) =>
    Object.fromEntries(now.map((x, i) => [i, x]).filter(([i, x]) => x !== before(i)));
  return {
    ntf_lit: 'edits',
    version: 1,
    key: data.key ?? '',
    sets: data.sets.map(s => s.count),
    names: changed(state.names, i => data.names[i]),
    merged: changed(state.into, i => i),
    notes: changed(state.notes, () => ''),
    hidden: state.hidden,
    order: state.own_order,
    outlines: outlines ? data.share.map((_, i) => outline(data, i)) : [],
  };
}

function byTopic(told, n, what, fits) {
  if (!isObject(told)) throw new Error(`${what} is no object`);
  for (const [i, x] of Object.entries(told))
    if (!/^\d{1,9}$/.test(i) || +i >= n || !fits(x)) throw new Error(`${what} has a wrong entry`);
  return new Map(Object.entries(told).map(([i, x]) => [+i, x]));
}

/** Whether every topic is part of one that is whole, in its own set. */
function wholeInTheEnd(data, into) {
  const set = i => data.sets.findIndex(s => i >= s.first && i < s.first + s.count);
  return into.every((to, i) => {
    if (set(to) !== set(i)) return false;
    for (let n = 0; n < into.length && into[to] !== to; n++) to = into[to];
    return into[to] === to;
  });
}

/** The edits in a text, as they stand in a state; an error with the reason where they are none. */
export function readEdits(data, text) {
  if (typeof text !== 'string' || text.length > LIMIT) throw new Error('the file is longer than 2 MB');
  const told = JSON.parse(text),
    n = data.share.length;
  if (!isObject(told) || told.ntf_lit !== 'edits') throw new Error('the file holds no edits');
  if (told.version !== 1) throw new Error('the file is of another version');
  const counts = data.sets.map(s => s.count);
  if (told.key !== data.key || JSON.stringify(told.sets) !== JSON.stringify(counts))
    throw new Error('the edits are of another model; in Python, edits= carries them to this one');
  const written = x => typeof x === 'string' && x.length <= 200;
  const names = byTopic(told.names ?? {}, n, 'names', written);
  const notes = byTopic(told.notes ?? {}, n, 'notes', written);
  const merged = byTopic(told.merged ?? {}, n, 'merged', x => isTopic(x, n));
  const [hidden, order] = [told.hidden ?? [], told.order ?? []];
  const into = data.share.map((_, i) => merged.get(i) ?? i);
  if (!topicList(hidden, n) || !topicList(order, n) || !wholeInTheEnd(data, into))
    throw new Error('the file names topics that are none');
  return {
    names: data.names.map((name, i) => cleaned(names.get(i) ?? name) || name),
    notes: data.names.map((_, i) => cleaned(notes.get(i) ?? '')),
    into,
    hidden,
    own_order: order,
  };
}

/** Notes, an order of one's own, all edits at once. */
export const keptCommands = {
  note: (d, s, {topic, value}) => {
    if (!isTopic(topic, d.share.length) || typeof value !== 'string' || value.length > 200) return false;
    const back = {cmd: 'note', topic, value: s.notes[topic]},
      notes = s.notes.map((x, i) => (i === topic ? cleaned(value) : x));
    return notes[topic] !== s.notes[topic] && {notes, back};
  },
  arrange: (d, s, {topics}) =>
    topicList(topics, d.share.length) &&
    JSON.stringify(topics) !== JSON.stringify(s.own_order) && {
      own_order: topics,
      back: {cmd: 'arrange', topics: s.own_order},
    },
  edits: (d, s, {value}) => {
    const before = JSON.stringify(editsOf(d, s));
    let found;
    try {
      found = readEdits(d, value);
    } catch {
      return false;
    }
    if (JSON.stringify(editsOf(d, {...s, ...found})) === before) return false;
    const whole = i => {
      for (let n = 0; n < found.into.length && found.into[i] !== i; n++) i = found.into[i];
      return i;
    };
    const selected = s.selected < 0 ? -1 : whole(s.selected);
    const beside = s.beside >= 0 && whole(s.beside) === s.beside && s.beside !== selected ? s.beside : -1;
    return {...found, selected, beside, back: {cmd: 'edits', value: before}};
  },
};
