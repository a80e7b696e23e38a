// The page of both browsers: live in Jupyter (anywidget) and in a single file without a kernel.
// `data` never changes while the page is open, `state` is what the reader chose, and what is drawn follows
// from the two. Words from a corpus reach the page as text nodes only, never as markup.

import {features} from './compare.js';
import {fillControls, makeControls, toolbar} from './controls.js';
import {drawEdits, makeEdits, tell} from './edits.js';
import {h, reveal, word} from './elements.js';
import {percent} from './format.js';
import {drawHierarchy, graphSide, makeGraph, sheet} from './hierarchy.js';
import {followLink, writeLink} from './links.js';
import {drawList, listSide, makeList} from './list.js';
import {drawSave, followPrint, makeSave} from './publish.js';
import {closeReader, heardText, textsOf} from './reader.js';
import {askSamples, drawSamples, makeSamples} from './samples.js';
import {initial, reduce, rows, setOf, share} from './state.js';
import {drawCentre, drawSide, makeCentre, room, setColumns} from './topic.js';

let pages = 0;

/** What every part of the page is handed: data, state, what to do, and the elements that stay. */
function context(model) {
  const data = model.get('data'),
    number = ++pages;
  const {said: _, ...state} = model.get('state') ?? {};
  const page = {
    data,
    model,
    state: {...initial(data), ...state},
    sender: Math.floor(Math.random() * 2 ** 30), // tells this page's commands from another's
    sent: 0,
    samples: new Map(Object.entries(data.samples ?? {})),
    texts: textsOf(data), // whole texts: number of the sample -> text
    passages: new Map(), // places of words that Python sent
    reader: null, // what is read: {kind: 'text', sample, list} or {kind: 'word', item}
    asked: new Set(), // samples that Python was asked for
    docs: data.alone && window.innerWidth >= 1500 && window.innerHeight >= 900 ? 6 : 3, // samples shown
    more: 18, // terms shown
    sorted: -1, // the stratum that a table is ordered by
    by: data.likeness ? 'likeness' : 'share', // the order of the overview
    typed: '',
    typing: 0,
    timer: 0,
    sub: data.alone && data.title ? 'h2' : 'h3',
    many: data.strata.length > 1,
    tree: data.kind === 'hierarchy',
    layered: data.axis === 'Layer', // the sets of topics are layers of one model
    id: i => `ntf${number}-${i}`,
    name: i => page.state.names[i] || data.names[i],
    digit: i => digit(page, i),
    say: t => void (page.live.textContent = t),
    keyed: k => {
      page.typed = Date.now() - page.typing < 800 ? page.typed + k : k;
      page.typing = Date.now();
    },
    act: (cmd, args = {}) => acts(page, [[cmd, args]]),
    acts: commands => acts(page, commands),
    redraw: () => draw(page, page.state),
  };
  return page;
}

/** The number by which a reader knows a topic. */
function digit({data, tree}, i) {
  const s = setOf(data, i),
    n = i - data.sets[s].first;
  return data.sets.length > 1 && tree ? `${s}.${n}` : `${n}`;
}

/** Do it here at once, and tell Python, whose answer overrules unless it is to an older command. */
function acts(page, commands) {
  const old = page.state;
  for (const [cmd, args] of commands) {
    const next = reduce(page.data, page.state, {cmd, ...args});
    if (next === page.state) continue;
    page.state = {...next, seq: ++page.sent};
    page.model.send?.({cmd, ...args, seq: page.sent, page: page.sender});
  }
  if (page.state === old) return;
  draw(page, old);
  writeLink(page);
}

/** What Python says with the state: how the fit went that a new page shows. */
function tellSaid(page) {
  const said = page.model.get('state')?.said;
  if (typeof said === 'string') tell(page, said.slice(0, 300));
}

/** What Python says; the function returned stops listening. */
function listen(page) {
  const {model} = page;
  const heard = {
    'change:state': () => {
      tellSaid(page);
      const {said: _, ...s} = model.get('state') ?? {};
      if (s.page === page.sender && (s.seq ?? 0) < page.sent) return;
      const old = page.state;
      page.state = {...old, ...s, seq: page.sent};
      draw(page, old);
    },
    'msg:custom': m => {
      heardText(page, m);
      if (m?.kind === 'said' && typeof m.text === 'string') tell(page, m.text.slice(0, 300));
      if (m?.kind !== 'samples' || typeof m.key !== 'string' || !Array.isArray(m.list)) return;
      page.samples.set(m.key, m.list);
      drawSamples(page);
    },
  };
  for (const [name, f] of Object.entries(heard)) model.on(name, f);
  return () => {
    for (const [name, f] of Object.entries(heard)) model.off?.(name, f);
  };
}

/** The elements that stay while the rest is redrawn. */
function build(page) {
  const {data, tree} = page;
  page.live = h('div', {class: 'ntf-sr', role: 'status', 'aria-live': 'polite'});
  page.side = h('div', {class: 'ntf-aside'});
  page.foot = h('div', {});
  makeSamples(page);
  makeControls(page);
  makeSave(page);
  page.summary = h('section', {class: 'ntf-summary'});
  page.more = room(page);
  makeCentre(page);
  makeList(page);
  makeEdits(page);
  makeGraph(page);
  const parts = tree ? [graphSide(page), sheet(page)] : [listSide(page), page.centre, page.side];
  page.main = h('div', {class: tree ? 'ntf-hier' : 'ntf-main'}, parts);
  const heading = data.title && h(data.alone ? 'h1' : 'h2', {}, word(data.title));
  const note = data.title && data.note && h('p', {class: 'ntf-note'}, data.note);
  const head =
    (heading || page.tabs || !tree) &&
    h('div', {class: 'ntf-head'}, heading, note, page.tabs, !tree && page.save);
  // In a notebook a plain key is a command too: arrows go to another cell, d d deletes one. What is pressed
  // here is meant for the page.
  const onkeydown = e => {
    if (e.key === 'Escape' && page.reader && e.target.tagName !== 'INPUT') closeReader(page);
    else if (!e.ctrlKey && !e.metaKey && !e.altKey && e.key !== 'Escape') e.stopPropagation();
  };
  const inner = h(
    'div',
    {class: 'ntf-inner'},
    head,
    toolbar(page),
    page.main,
    page.foot,
    tree && page.edits,
    page.summary,
    page.live,
  );
  const style = {'--ntf-digits': Math.max(1, ...data.share.map((_, i) => page.digit(i).length))};
  page.box = h('div', {class: data.alone ? 'ntf ntf-alone' : 'ntf', lang: 'en', onkeydown, style}, inner);
}

function announce(page) {
  const {data, state} = page,
    i = state.selected;
  if (i < 0) return;
  const first = data.term < 0 ? [] : rows(data, {...state, order: 0}, i, data.term).slice(0, 4);
  const words = first.map(r => data.modes[data.term].items[r.item]).join(', ');
  page.say(
    `Topic ${page.digit(i)}, ${page.name(i)}, ${percent(share(data, state, i))}${words ? '. ' + words : ''}`,
  );
}

function drawTopics(page, old) {
  setColumns(page, !old || old === page.state);
  drawList(page);
  drawCentre(page, old);
  drawSide(page);
  drawSave(page);
  const below = page.state.panel < 2 && features(page);
  page.foot.replaceChildren(...(below ? [below] : []));
  if (!page.side.hidden) drawSamples(page);
}

/** A text stays open until another topic or view is chosen elsewhere. */
function leaveReader(page, old) {
  const {reader, state} = page;
  if (!reader) return;
  const left =
    old && (old.panel !== state.panel ? state.panel !== 0 : old.selected !== state.selected && !reader.stays);
  if (left) page.reader = null;
  else if (reader.kind === 'word' && old && old.stratum !== state.stratum) page.reader = null;
  reader.stays = false;
}

/** Draw everything as the state has it; `old` is the state before. */
function draw(page, old) {
  const {box, state} = page;
  const focus = box.contains(document.activeElement) ? document.activeElement : null;
  const moved = old && old.selected !== state.selected;
  fillControls(page);
  if (moved) page.more = room(page);
  leaveReader(page, old);
  if (page.tree) drawHierarchy(page, old);
  else drawTopics(page, old);
  drawEdits(page);
  askSamples(page, state.selected);
  if (moved) announce(page);
  reveal(page.list.querySelector('[aria-selected=true]'), page.list); // last, for it asks for the layout
  if (focus && !box.contains(focus)) focusAgain(page, focus);
}

/** Redrawing took the element with the focus away: go to the one in its place. */
function focusAgain({box, tree, graph, list}, e) {
  const label = x => x.getAttribute('aria-label');
  const same = [...box.querySelectorAll(e.tagName)].find(
    x =>
      x.className === e.className &&
      label(x) === label(e) &&
      x.dataset.mode === e.dataset.mode &&
      (e.className !== 'ntf-link' || x.textContent === e.textContent),
  );
  const to = same && same.className !== 'ntf-link' ? same : tree ? graph : list;
  (box.querySelector('.ntf-reader') ?? to).focus({preventScroll: true});
  if (document.activeElement === same && e.className === 'ntf-name') keepTyped(e, same);
}

/** What is being written stays, and so does what is marked in it. */
function keepTyped(before, now) {
  if (before.value !== before.defaultValue) now.value = before.value;
  now.setSelectionRange(before.selectionStart, before.selectionEnd);
}

/** Draw again when the width has changed; the function returned stops that. */
function followWidth(page) {
  if (typeof ResizeObserver === 'undefined') return () => {};
  let seen = page.box.clientWidth;
  const watch = new ResizeObserver(() => {
    if (Math.abs(page.box.clientWidth - seen) <= 8) return;
    seen = page.box.clientWidth;
    page.redraw();
  });
  watch.observe(page.box);
  return () => watch.disconnect();
}

export function render({model, el}) {
  const page = context(model);
  build(page);
  const stop = listen(page);
  el.replaceChildren(page.box);
  draw(page);
  tellSaid(page);
  const unwatch = followWidth(page);
  const unfollow = followLink(page);
  const unprint = followPrint(page);
  return () => {
    clearTimeout(page.timer);
    clearTimeout(page.later);
    page.left?.clear();
    unfollow();
    unprint();
    unwatch();
    stop();
  };
}

/** A stand-in for the widget's model where there is no kernel. */
export function still(data) {
  return {get: n => (n === 'data' ? data : undefined), on() {}, off() {}, send() {}};
}

export default {render};
