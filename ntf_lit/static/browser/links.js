// A view as an address: what follows '#' says what is looked at, so that it can be sent.

import {setOf} from './state.js';

const PANELS = ['topic', 'strata', 'runs', 'overview', 'words'];
const ORDERS = ['relevance', 'probability', 'saliency'];

/** What is looked at: 'topic=12&panel=topic&lambda=0.4'; only what is not as a page begins. */
export function toLink(data, state) {
  const out = new URLSearchParams(),
    put = (name, value, usual) => value !== usual && out.set(name, value),
    at = i => i - data.sets[setOf(data, i)].first;
  put('set', state.set, 0);
  if (state.selected >= 0) put('topic', at(state.selected));
  put('panel', PANELS[state.panel]);
  put('beside', state.beside < 0 ? '' : at(state.beside), '');
  put('stratum', data.strata[state.stratum] ?? '', '');
  put('against', data.strata[state.versus] ?? '', '');
  put('mode', data.modes[state.mode]?.name ?? '', data.modes[0]?.name ?? '');
  put('order', ORDERS[state.order], ORDERS[0]);
  put('lambda', state.lam, 0.6);
  put('find', state.query, '');
  return out.toString();
}

/** The commands that lead to what a link says; what it says of things that there are not is left out. */
export function fromLink(data, link) {
  const given = new URLSearchParams(link),
    whole = /^\d{1,6}$/,
    has = name => given.has(name),
    get = name => given.get(name) ?? '';
  const set = whole.test(get('set')) && data.sets[+get('set')] ? +get('set') : 0;
  const {first, count} = data.sets[set],
    topic = name => (whole.test(get(name)) && +get(name) < count ? first + +get(name) : null);
  const out = [['set', {set}]];
  if (topic('topic') !== null) out.push(['select', {topic: topic('topic')}]);
  if (has('stratum')) out.push(['stratum', {stratum: data.strata.indexOf(get('stratum'))}]);
  if (has('against')) out.push(['versus', {stratum: data.strata.indexOf(get('against'))}]);
  if (has('mode')) out.push(['mode', {mode: data.modes.findIndex(m => m.name === get('mode'))}]);
  if (has('order')) out.push(['order', {order: ORDERS.indexOf(get('order'))}]);
  if (has('lambda') && get('lambda')) out.push(['lam', {value: +get('lambda')}]);
  if (has('find')) out.push(['query', {value: get('find')}]);
  if (topic('beside') !== null) out.push(['beside', {topic: topic('beside')}]);
  const panel = PANELS.indexOf(get('panel'));
  if (panel >= 0 || has('topic')) out.push(['panel', {panel: Math.max(0, panel)}]);
  return out;
}

/** Only a page of its own has an address to speak of; in a notebook it would be the notebook's. */
const hasAddress = page => page.data.alone && window.top === window && !page.tree;

/** Follow the address, and keep it up to date; the function returned stops that. */
export function followLink(page) {
  if (!hasAddress(page)) return () => {};
  const read = () => page.acts(fromLink(page.data, location.hash.slice(1)));
  if (location.hash.length > 1) read();
  window.addEventListener('hashchange', read);
  return () => window.removeEventListener('hashchange', read);
}

/** The address of the view, a moment after it has changed. */
export function writeLink(page) {
  if (!hasAddress(page)) return;
  clearTimeout(page.linkTimer);
  page.linkTimer = setTimeout(() => {
    const link = `#${toLink(page.data, page.state)}`;
    if (link !== location.hash) history.replaceState(null, '', link);
  }, 250);
}
