import {button} from './controls.js';
import {h, word} from './elements.js';
import {samplePicture} from './figures.js';
import {marked, percent} from './format.js';
import {makeTextFind, openText, textHits} from './reader.js';
import {matching, members, rows} from './state.js';

export function samplesOf(page, i) {
  const {state} = page;
  const all = new Map();
  for (const j of members(state, i)) {
    const have =
      page.samples.get(`${j}/${state.stratum}`) ??
      (page.samples.get(`${j}/-1`) ?? []).filter(s => state.stratum < 0 || s.stratum === state.stratum);
    for (const s of have) all.set(s.id, {...s, weight: s.weight + (all.get(s.id)?.weight ?? 0)});
  }
  return [...all.values()].sort((a, b) => b.weight - a.weight);
}

export function askSamples(page, i) {
  const {data, state} = page;
  if (!data.ask || i < 0) return;
  clearTimeout(page.timer);
  page.timer = setTimeout(
    () =>
      members(state, i)
        .filter(j => !page.samples.has(`${j}/${state.stratum}`))
        .forEach(j => page.model.send?.({cmd: 'samples', topic: j, stratum: state.stratum})),
    60,
  );
}

/** The words of the topic, and those looked for, as `marked` wants them: word -> weight; 2 is looked for. */
export function hotWords(page, i) {
  const {data, state} = page,
    hot = new Map();
  if (data.term < 0 || i < 0) return hot;
  const {items} = data.modes[data.term],
    first = rows(data, {...state, order: 0}, i, data.term).slice(0, 60);
  first.forEach((x, n) => hot.set(items[x.item].toLowerCase(), 1 - n / first.length));
  for (const x of matching(data, state.query)) hot.set(items[x].toLowerCase(), 2);
  return hot;
}

const STRENGTHS = [0.33, 0.66, 1.5];
const strength = w => `ntf-m${1 + STRENGTHS.filter(least => w > least).length}`;

/** A text with its words marked. */
export const markedText = (text, hot) =>
  marked(text, hot).map(p => (p.weight ? h('mark', {class: strength(p.weight)}, p.text) : p.text));

function oneSample(page, s, hot, ids) {
  const {data} = page,
    name = word(s.name),
    open = () => openText(page, s.id, ids);
  const readable = page.texts.has(s.id) || (data.ask && s.text);
  return h(
    'article',
    {},
    h(
      'div',
      {class: 'ntf-sample'},
      h(
        'strong',
        {},
        readable ? button(name, open, {class: 'ntf-link', 'data-sample': s.id, title: 'Read it'}) : name,
      ),
      page.many && h('span', {class: 'ntf-chip'}, word(data.strata[s.stratum])),
      s.where && h('span', {class: 'ntf-note'}, word(s.where)),
      h('span', {class: 'ntf-value', title: `part of the ${data.unit} that is this topic`}, percent(s.part)),
    ),
    s.text && h('p', {dir: 'auto'}, markedText(s.text, hot)),
    s.image && samplePicture(page, s),
  );
}

/** The box of samples: its head and its search stay, the list is redrawn. */
export function makeSamples(page) {
  const label = `Most typical ${page.data.units || 'samples'}`;
  makeTextFind(page);
  page.sampleHead = h('div', {});
  page.sampleList = h('div', {});
  page.sampleBox = h('section', {class: 'ntf-samples', 'aria-label': label}, [
    page.sampleHead,
    page.textFind,
    page.sampleList,
  ]);
}

export function drawSamples(page) {
  const {data, state} = page,
    i = state.selected,
    found = i < 0 ? [] : samplesOf(page, i),
    asked = page.textFind.value.trim();
  page.sampleBox.hidden = !found.length && !data.ask && !page.texts.size;
  if (page.sampleBox.hidden) return;
  const ids = found.map(s => s.id),
    hot = hotWords(page, i),
    column = `part that is ${page.tree ? 'the topic' : `topic ${page.digit(i)}`}`;
  const more = () => {
    page.docs = page.docs < 9 ? 9 : page.docs + 20;
    drawSamples(page);
  };
  const title = asked
    ? `${data.units || 'samples'} with “${asked}”`
    : `Most typical ${data.units || 'samples'}`;
  page.sampleHead.replaceChildren(
    h(page.sub, {class: 'ntf-h'}, title, !asked && h('span', {class: 'ntf-col'}, column)),
  );
  if (asked) {
    page.sampleList.replaceChildren(...textHits(page, asked));
    return;
  }
  const list = found.slice(0, page.docs).map(s => oneSample(page, s, hot, ids));
  page.sampleList.replaceChildren(
    list.length ? h('div', {class: 'ntf-articles'}, list) : h('p', {class: 'ntf-note'}, 'none'),
    ...(found.length > page.docs ? [button('More', more, {class: 'ntf-more'})] : []),
  );
}
