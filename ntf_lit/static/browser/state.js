import {argsort, cleaned, relevance, saliency, sum} from './format.js';
import {keptCommands} from './kept.js';

const int = (v, low, high) => Number.isInteger(v) && v >= low && v < high;

const number = v => typeof v === 'number' && v >= 0 && v <= 1;

const text = v => typeof v === 'string' && v.length <= 200;

/** The first state of a page; what Python sends goes over it. */
export const initial = data => ({
  selected: data.share.length ? argsort(data.share.slice(0, data.sets[0].count))[0] : -1,
  beside: -1,
  stratum: -1,
  versus: -1,
  mode: data.start ?? 0,
  lam: 0.6,
  order: 0,
  query: '',
  panel: data.kind === 'topics' && data.share.length > 1 ? 3 : 0,
  set: 0,
  other: data.sets.length > 1 ? 1 : 0,
  depth: 0,
  shape: 0,
  names: data.names.slice(),
  hidden: [],
  into: data.share.map((_, i) => i),
  notes: data.share.map(() => ''),
  own_order: [],
  undo: [],
  seq: 0,
  ...(data.state ?? {}),
});

export const setOf = (data, i) => data.sets.findIndex(s => i >= s.first && i < s.first + s.count);

/** The topic that a topic has been merged into, itself if it has not. */
export function root(state, i) {
  for (let n = 0; n < state.into.length && state.into[i] !== i; n++) i = state.into[i];
  return i;
}

const groups = new WeakMap();

/** A topic and those merged into it; nothing for one that is part of another. Found once for all topics. */
export function members(state, i) {
  const {into} = state;
  if (!groups.has(into)) {
    const found = into.map(() => []);
    into.forEach((_, j) => found[root(state, j)].push(j));
    groups.set(into, found);
  }
  return groups.get(into)[i];
}

/** Whether each layer has fewer topics than the one below, merged ones together, with one more in the layer given. */
export function shrinks(data, state, more = -1) {
  const whole = s => state.into.slice(s.first, s.first + s.count).filter((to, n) => to === s.first + n).length;
  const counts = data.sets.map((s, l) => whole(s) + (l === more ? 1 : 0));
  return !!data.grows || counts.every((n, l) => l === 0 || n < counts[l - 1]);
}

/** All that can be asked for. Each command checks its arguments and gives what changes, or nothing. */
const COMMANDS = {
  select: (d, s, {topic}) =>
    int(topic, 0, d.share.length) && {
      selected: root(s, topic),
      set: setOf(d, topic),
      ...(s.beside === topic && {beside: -1}),
    },
  beside: (d, s, {topic}) => int(topic, -1, d.share.length) && {beside: topic === s.selected ? -1 : topic},
  stratum: (d, s, {stratum}) =>
    int(stratum, -1, d.strata.length) && {
      stratum,
      ...((stratum < 0 || stratum === s.versus) && {versus: -1}),
    },
  versus: (d, s, {stratum}) =>
    int(stratum, -1, d.strata.length) && s.stratum >= 0 && stratum !== s.stratum && {versus: stratum},
  mode: (d, s, {mode}) => int(mode, 0, d.modes.length) && {mode},
  lam: (d, s, {value}) => number(value) && {lam: value},
  order: (d, s, {order}) => int(order, 0, 3) && {order},
  query: (d, s, {value}) => text(value) && {query: value},
  panel: (d, s, {panel}) => int(panel, 0, 5) && {panel},
  set: (d, s, {set}) => int(set, 0, d.sets.length) && {set, selected: best(d, s, set), beside: -1},
  other: (d, s, {set}) => int(set, 0, d.sets.length) && {other: set},
  depth: (d, s, {layer}) =>
    int(layer, 0, d.sets.length) && {
      depth: layer,
      ...(setOf(d, s.selected) < layer && {selected: best(d, s, layer), set: layer}),
    },
  shape: (d, s, {shape}) => int(shape, 0, 2) && {shape},
  name: (d, s, {topic, value}) =>
    int(topic, 0, d.share.length) &&
    text(value) &&
    value !== s.names[topic] && {
      names: s.names.map((n, i) => (i === topic ? cleaned(value) || d.names[i] : n)),
      back: {cmd: 'name', topic, value: s.names[topic]},
    },
  hide: (d, s, {topic}) =>
    int(topic, 0, d.share.length) &&
    !s.hidden.includes(topic) && {hidden: [...s.hidden, topic], back: {cmd: 'show', topic}},
  show: (d, s, {topic}) =>
    int(topic, 0, d.share.length) &&
    s.hidden.includes(topic) && {hidden: s.hidden.filter(i => i !== topic), back: {cmd: 'hide', topic}},
  merge: (d, s, {topic, into}) =>
    int(topic, 0, d.share.length) &&
    int(into, 0, d.share.length) &&
    topic !== into &&
    root(s, topic) === topic &&
    root(s, into) === into &&
    setOf(d, topic) === setOf(d, into) && {
      into: s.into.map((t, i) => (i === topic ? into : t)),
      selected: s.selected === topic ? into : s.selected,
      beside: s.beside === topic || s.beside === into ? -1 : s.beside,
      back: {cmd: 'split', topic},
    },
  split: (d, s, {topic}) =>
    int(topic, 0, d.share.length) &&
    s.into[topic] !== topic && {
      into: s.into.map((t, i) => (i === topic ? i : t)),
      selected: topic,
      back: {cmd: 'merge', topic, into: s.into[topic]},
    },
  ...keptCommands,
};

const best = (data, state, set) => {
  const {first, count} = data.sets[set];
  const seen = Array.from({length: count}, (_, i) => first + i).filter(i => root(state, i) === i);
  return seen.length ? seen[argsort(seen.map(i => data.share[i]))[0]] : state.selected;
};

/** The state after a command; the same state if the command is unknown or out of range. */
export function reduce(data, state, command) {
  if (command?.cmd === 'undo') {
    const last = state.undo.at(-1);
    return last ? {...reduce(data, state, last), undo: state.undo.slice(0, -1)} : state;
  }
  const change = Object.hasOwn(COMMANDS, command?.cmd ?? '') && COMMANDS[command.cmd](data, state, command);
  if (!change) return state;
  const {back, ...rest} = change;
  if (rest.selected >= 0 && rest.selected !== state.selected) rest.set = setOf(data, rest.selected);
  return {...state, ...rest, undo: back ? [...state.undo, back].slice(-50) : state.undo};
}

/** A topic's share of everything or of one stratum; merged topics have theirs together. */
export const share = (data, state, i, stratum = state.stratum) =>
  sum(members(state, i).map(j => (stratum < 0 ? data.share[j] : data.shares[stratum][j])));

/** What all the data are called: a corpus where they are words. */
export const wholeName = ({modes, term}) =>
  term >= 0 && /^(term|word|token|lemma|stem|n-?gram)s?$/i.test(modes[term].name) ? 'corpus' : 'data';

/** How well a topic comes back in other runs, 0 to 1; null where nobody knows, as for merged ones. */
export const stability = (data, state, i) =>
  members(state, i).length > 1 ? null : (data.stability?.[i] ?? null);

/** A topic's distribution in a mode, {at, v}; merged ones are mixed by their shares. */
export function profile(data, state, i, k) {
  const parts = members(state, i),
    P = data.modes[k].p;
  if (parts.length === 1) return P[i];
  const w = parts.map(j => data.share[j]),
    total = sum(w) || 1,
    mixed = new Map();
  parts.forEach((j, n) =>
    P[j].v.forEach((v, x) => {
      const at = P[j].at ? P[j].at[x] : x;
      mixed.set(at, (mixed.get(at) ?? 0) + (v * w[n]) / total);
    }),
  );
  const at = [...mixed.keys()].sort((a, b) => a - b),
    v = at.map(x => mixed.get(x));
  return P[i].at ? {at, v} : {v};
}

/** Shares of a mode's items in everything or in one stratum; a model of one stratum has no line of its own for it. */
export const corpusOf = (mode, set, stratum) => {
  const all = mode.corpus[set];
  return all.length > 2 ? all[1 + stratum] : all[0];
};

/** The rows of a bar chart, best first: {item, p, corpus, versus}. */
export function rows(data, state, i, k) {
  const mode = data.modes[k],
    {at, v} = profile(data, state, i, k),
    set = setOf(data, i);
  const corpus = corpusOf(mode, set, state.stratum),
    other = state.versus >= 0 ? corpusOf(mode, set, state.versus) : null,
    whole = mode.corpus[set].at(-1);
  const out = v
    .map((p, n) => {
      const x = at ? at[n] : n;
      return {item: x, p, corpus: corpus[x], versus: other && other[x], whole: whole[x]};
    })
    .filter(r => r.p > 0);
  const key = [r => relevance(r.p, r.corpus, state.lam), r => r.p, r => saliency(r.p, r.whole)][state.order];
  return argsort(out.map(key)).map(n => out[n]);
}

const lowered = new WeakMap();

/** The names in a mode in lower case, made once. */
export function lower(mode) {
  if (!lowered.has(mode)) lowered.set(mode, mode.items.map(t => t.toLowerCase()));
  return lowered.get(mode);
}

const sought = new WeakMap();

/** The words of a query among those that the page knows: the word itself, or all that it is a part of. */
export function matching(data, query, k = data.term) {
  const q = query.trim().toLowerCase(),
    mode = data.modes[k];
  if (!q || !mode?.items) return new Set();
  if (sought.get(mode)?.q === q) return sought.get(mode).found;
  const those = fits => lower(mode).flatMap((t, n) => (fits(t) ? [n] : [])),
    exact = those(t => t === q),
    found = new Set(exact.length ? exact : those(t => t.includes(q)));
  sought.set(mode, {q, found});
  return found;
}

/** The topics to be listed, in order: by share, or by what part of the words looked for they explain. */
export function listed(data, state) {
  const {first, count} = data.sets[state.set],
    q = state.query.trim().toLowerCase(),
    k = data.term;
  const ids = Array.from({length: count}, (_, i) => first + i).filter(i => root(state, i) === i);
  if (!q) {
    const place = i => (state.own_order.includes(i) ? state.own_order.length - state.own_order.indexOf(i) : 0);
    const last = 2 * data.share.length + 2;
    const s = ids.map(i => 2 * place(i) - (state.hidden.includes(i) ? last : 0) + share(data, state, i));
    return argsort(s).map(n => ({id: ids[n], share: share(data, state, ids[n])}));
  }
  const hits = matching(data, q),
    everything = {...state, stratum: -1},
    whole = k < 0 ? [] : data.modes[k].corpus[state.set].at(-1);
  const total = sum([...hits].map(x => whole[x]));
  const part = i => {
    const {at, v} = k < 0 ? {v: []} : profile(data, state, i, k);
    let p = 0;
    for (let n = 0; n < v.length; n++) if (hits.has(at ? at[n] : n)) p += v[n];
    return total > 0 ? Math.min(1, (share(data, everything, i) * p) / total) : 0;
  };
  const parts = ids.map(part),
    named = i => state.names[i].toLowerCase().includes(q);
  return argsort(parts)
    .filter(n => parts[n] > 0 || named(ids[n]))
    .map(n => ({id: ids[n], share: parts[n], hits: hits.size}));
}
