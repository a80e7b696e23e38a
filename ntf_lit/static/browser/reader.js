// Reading: a whole text with its topics, and every place where a word stands.

import {button} from './controls.js';
import {bar, h, word} from './elements.js';
import {argsort, cleaned, percent} from './format.js';
import {drawSamples, hotWords, markedText, samplesOf} from './samples.js';
import {root} from './state.js';

const isText = x => typeof x === 'string' && x.length <= 500_000;
const isShare = x => typeof x === 'number' && x >= 0 && x <= 1.001;

/** A text as it came, {text, title, shares, stratum}; null if it is none. */
export function checkedText(data, x) {
  if (!x || typeof x !== 'object' || !(x.text == null || isText(x.text))) return null;
  const shares = Array.isArray(x.shares) && x.shares.length === data.share.length && x.shares.every(isShare);
  const stratum = Number.isInteger(x.stratum) && data.strata[x.stratum] !== undefined ? x.stratum : -1;
  const title = isText(x.title) ? cleaned(x.title) : '';
  return {text: x.text ?? null, title, shares: shares ? x.shares : [], stratum};
}

/** The places of a word as they came: those entries that are such. */
export const checkedPassages = list =>
  (Array.isArray(list) ? list : [])
    .filter(p => p && Number.isInteger(p.sample) && ['before', 'word', 'after'].every(k => isText(p[k])))
    .slice(0, 500)
    .map(p => ({...p, title: isText(p.title) ? p.title : '', stratum: p.stratum ?? -1}));

/** The whole texts that came with the page: number of the sample -> text. */
export function textsOf(data) {
  const found = Object.entries(data.texts ?? {}).map(([i, x]) => [+i, checkedText(data, x)]);
  return new Map(found.filter(([i, x]) => Number.isInteger(i) && x?.text));
}

const OPEN = '(?<![\\p{L}\\p{M}\\p{N}_])',
  CLOSE = '(?![\\p{L}\\p{M}\\p{N}_])';
const escaped = t => t.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Every place where words stand in a text, with what is around it: [{before, word, after}, ...]. */
export function places(text, words, {whole = true, around = 60, most = 50} = {}) {
  const asked = words.trim().split(/\s+/u).filter(Boolean).map(escaped).join('\\s+');
  if (!asked) return [];
  const found = text.matchAll(new RegExp(whole ? OPEN + asked + CLOSE : asked, 'giu')),
    out = [],
    line = t => t.replace(/\s+/gu, ' ');
  for (const m of found) {
    const end = m.index + m[0].length;
    const before = line(text.slice(Math.max(0, m.index - around), m.index));
    out.push({before, word: line(m[0]), after: line(text.slice(end, end + around))});
    if (out.length >= most) break;
  }
  return out;
}

/** Whether there is anything to read: texts with the page, or a kernel to ask. */
export const canRead = page => page.texts.size > 0 || !!page.data.ask;

function open(page, reader) {
  page.reader = reader;
  if (page.state.panel !== 0) page.act('panel', {panel: 0});
  else page.redraw();
  page.body.querySelector('.ntf-reader')?.focus({preventScroll: true});
  const {top} = page.body.getBoundingClientRect();
  if (top < 0 || top > 0.6 * window.innerHeight) page.body.scrollIntoView({block: 'start'});
}

/** Open a sample; `list` are those before and after it. */
export function openText(page, sample, list) {
  if (!page.texts.has(sample) && page.data.ask) page.model.send?.({cmd: 'read', sample});
  open(page, {kind: 'text', sample, list});
}

const wordKey = (page, item) => `${page.data.term}/${item}/${page.state.stratum}`;

/** Open every place where a word of the model stands. */
export function openWord(page, item) {
  const {data, state} = page;
  if (data.ask && !page.passages.has(wordKey(page, item)))
    page.model.send?.({cmd: 'passages', mode: data.term, item, stratum: state.stratum});
  open(page, {kind: 'word', item});
}

/** Back to the topic, and to the words or names that were left. */
export function closeReader(page) {
  const {kind, item, sample} = page.reader ?? {};
  page.reader = null;
  page.redraw();
  const from = kind === 'word' ? `[data-item="${item}"]` : `[data-sample="${sample}"]`;
  (page.box.querySelector(from) ?? page.list).focus({preventScroll: true});
}

/** What Python sends of texts. */
export function heardText(page, m) {
  if (m?.kind === 'text' && Number.isInteger(m.sample)) {
    const found = checkedText(page.data, m);
    if (found) page.texts.set(m.sample, found);
  } else if (m?.kind === 'passages' && typeof m.key === 'string') {
    const total = Number.isInteger(m.total) ? m.total : null;
    page.passages.set(m.key, {list: checkedPassages(m.list), total});
  } else return;
  if (page.reader) page.redraw();
}

/** The largest topics of a sample, each with a bar; a click marks the words of that one. */
function topicsOf(page, shares) {
  const {data, state} = page,
    {first, count} = data.sets[state.set];
  const own = shares.slice(first, first + count),
    order = argsort(own).filter(n => own[n] > 0.005);
  const choose = topic => {
    page.reader.stays = true;
    page.act('select', {topic});
  };
  const row = n => {
    const i = root(state, first + n),
      label = [h('span', {class: 'ntf-number'}, page.digit(i)), word(page.name(i))];
    return h('tr', {class: i === state.selected ? 'ntf-here' : null}, [
      h(
        'th',
        {scope: 'row'},
        button(label, () => choose(i), {class: 'ntf-link', title: 'Mark its words'}),
      ),
      h('td', {class: 'ntf-bars'}, h('span', {class: 'ntf-track'}, bar('ntf-p', own[n]))),
      h('td', {class: 'ntf-value'}, percent(own[n])),
    ]);
  };
  const width = [h('col', {class: 'ntf-wide-col'}), h('col'), h('col', {class: 'ntf-value-col'})];
  return h('table', {class: 'ntf-terms ntf-parts'}, [
    h('caption', {class: 'ntf-sr'}, `Topics of the ${data.unit}`),
    h('colgroup', {}, width),
    h('tbody', {}, order.slice(0, 6).map(row)),
  ]);
}

function readerHead(page, title, extra) {
  return [
    h(
      'div',
      {class: 'ntf-edit'},
      button('← Back', () => closeReader(page), {title: 'Escape'}),
      extra,
    ),
    h(page.sub, {class: 'ntf-read-title', dir: 'auto'}, title),
  ];
}

function wholeText(page) {
  const {sample, list} = page.reader,
    {data, state} = page,
    at = list.indexOf(sample);
  const listed = samplesOf(page, state.selected).find(s => s.id === sample),
    have = page.texts.get(sample);
  const go = n => openText(page, list[n], list);
  const turn = at >= 0 && [
    button('‹ Previous', () => go(at - 1), {disabled: at < 1}),
    button('Next ›', () => go(at + 1), {disabled: at >= list.length - 1}),
    h('span', {class: 'ntf-note'}, `${at + 1} of ${list.length}`),
  ];
  const body = have?.text ?? listed?.text,
    stratum = have?.stratum >= 0 ? have.stratum : (listed?.stratum ?? -1);
  const missing = data.ask && !have ? 'Asking for the text …' : 'The whole text is not in this file.';
  return [
    readerHead(page, have?.title || listed?.name || `${data.unit} ${sample}`, turn),
    page.many && data.strata[stratum] && h('span', {class: 'ntf-chip'}, word(data.strata[stratum])),
    have?.shares.length > 0 && topicsOf(page, have.shares),
    !have?.text && h('p', {class: 'ntf-note'}, missing),
    body && h('p', {class: 'ntf-text', dir: 'auto'}, markedText(body, hotWords(page, state.selected))),
  ];
}

/** Where a word stands: what Python sent, or what is found in the texts that came with the page. */
function passagesOf(page, item) {
  const sent = page.passages.get(wordKey(page, item));
  if (sent || page.data.ask) return sent;
  const {stratum} = page.state,
    words = page.data.modes[page.data.term].items[item],
    list = [];
  for (const [sample, t] of page.texts) {
    if (stratum >= 0 && t.stratum >= 0 && t.stratum !== stratum) continue;
    list.push(...places(t.text, words).map(p => ({...p, sample, title: t.title, stratum: t.stratum})));
  }
  return {list, total: null};
}

function placeRow(page, p, samples) {
  const {data} = page,
    name = p.title || `${data.unit} ${p.sample}`;
  return h('li', {}, [
    h('div', {class: 'ntf-place', dir: 'auto'}, [
      h('span', {class: 'ntf-before'}, h('bdi', {}, p.before)),
      h('mark', {class: 'ntf-m3'}, p.word),
      h('span', {class: 'ntf-after'}, p.after),
    ]),
    button(word(name), () => openText(page, p.sample, samples), {class: 'ntf-link', 'data-sample': p.sample}),
    page.many && data.strata[p.stratum] && h('span', {class: 'ntf-chip'}, word(data.strata[p.stratum])),
  ]);
}

function wordPlaces(page) {
  const {data, state} = page,
    {item} = page.reader,
    found = passagesOf(page, item),
    term = data.modes[data.term].items[item];
  if (!found) return [readerHead(page, term), h('p', {class: 'ntf-note'}, 'Asking for the passages …')];
  const {list, total} = found,
    samples = [...new Set(list.map(p => p.sample))];
  const where = state.stratum >= 0 ? ` in ${data.strata[state.stratum]}` : '',
    of = total > list.length ? ` of ${total}` : '';
  const held = data.ask ? '' : ` among the ${page.texts.size} texts in this file`;
  const parts = data.strata
    .map((s, n) => [s, list.filter(p => p.stratum === n).length])
    .filter(([, n]) => page.many && state.stratum < 0 && n > 0)
    .map(([s, n]) => `${s} ${n}`);
  const count = `${list.length}${of} ${list.length === 1 ? 'place' : 'places'} in ${samples.length}`;
  const said = `${count} ${samples.length === 1 ? data.unit : data.units}${where}${held}`;
  return [
    readerHead(page, term),
    h('p', {class: 'ntf-note'}, said, parts.length > 0 && `: ${parts.join(', ')}`),
    h(
      'ol',
      {class: 'ntf-places'},
      list.slice(0, 200).map(p => placeRow(page, p, samples)),
    ),
  ];
}

/** What is read, in place of the topic. */
export function reading(page) {
  const text = page.reader.kind === 'text';
  const onkeydown = e => {
    const {list, sample} = page.reader ?? {},
      step = {ArrowLeft: -1, ArrowRight: 1}[e.key];
    if (e.key === 'Escape') closeReader(page);
    else if (step && text && list[list.indexOf(sample) + step] !== undefined && e.target.tagName !== 'INPUT')
      openText(page, list[list.indexOf(sample) + step], list);
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  const label = text ? `A ${page.data.unit} in full` : 'Passages with a word';
  const parts = text ? wholeText(page) : wordPlaces(page);
  return h('section', {class: 'ntf-reader', tabindex: -1, 'aria-label': label, onkeydown}, parts);
}

/** The search in the texts that came with the page: made once. */
export function makeTextFind(page) {
  page.textFind = h('input', {
    type: 'search',
    class: 'ntf-text-find',
    maxlength: 200,
    placeholder: `Search the ${page.data.units || 'samples'}`,
    'aria-label': `Search the ${page.texts.size} texts in this file`,
    hidden: page.texts.size === 0,
    oninput: () => drawSamples(page),
  });
}

/** Texts that have what is looked for, one place of each. */
export function foundTexts(page, asked) {
  const out = [];
  for (const [sample, t] of page.texts) {
    if (page.state.stratum >= 0 && t.stratum >= 0 && t.stratum !== page.state.stratum) continue;
    const [first] = places(t.text, asked, {whole: false, most: 1});
    if (first || t.title.toLowerCase().includes(asked.trim().toLowerCase()))
      out.push({before: '', word: '', after: '', ...first, sample, title: t.title, stratum: t.stratum});
  }
  return out;
}

/** The list of them, in place of the typical samples. */
export function textHits(page, asked) {
  const found = foundTexts(page, asked),
    ids = found.map(p => p.sample);
  return [
    h('p', {class: 'ntf-note'}, `${found.length} of the ${page.texts.size} texts in this file`),
    h(
      'ol',
      {class: 'ntf-places'},
      found.slice(0, 50).map(p => placeRow(page, p, ids)),
    ),
  ];
}
