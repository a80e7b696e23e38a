import {button} from './controls.js';
import {fillMenu, h, soon, word} from './elements.js';
import {samplePicture} from './figures.js';
import {marked, percent, sum} from './format.js';
import {makeTextFind, openText, textHits} from './reader.js';
import {listed, matching, members, rows, setOf} from './state.js';

/** What the page has of one topic: sent for the stratum, and those of it that were sent for all. */
function sent({state, samples, data}, j) {
  const own = samples.get(`${j}/${state.stratum}`) ?? [];
  if (own.length && data.ask) return own;
  const known = new Set(own.map(s => s.id)),
    all = samples.get(`${j}/-1`) ?? [];
  return [...own, ...all.filter(s => !known.has(s.id) && (state.stratum < 0 || s.stratum === state.stratum))];
}

/** Where no sample was sent for a stratum: its whole texts in the file, those with more of the topic first. */
function amongTexts({data, state, texts}, i) {
  if (data.ask || state.stratum < 0) return [];
  const of = t => sum(members(state, i).map(m => t.shares[m] ?? 0));
  return [...texts]
    .filter(([, t]) => t.stratum === state.stratum && of(t) >= 0.005)
    .map(([id, t]) => ({id, name: t.title, stratum: t.stratum, text: beginning(t.text), weight: of(t), part: of(t)}))
    .sort((a, b) => b.part - a.part);
}

export function samplesOf(page, i) {
  const {state} = page;
  const all = new Map();
  for (const j of members(state, i)) {
    for (const s of sent(page, j)) {
      const was = all.get(s.id) ?? {weight: 0, part: 0};
      all.set(s.id, {...was, ...s, text: s.text ?? was.text, weight: s.weight + was.weight, part: s.part + was.part});
    }
  }
  if (!all.size) return amongTexts(page, i);
  const whole = s => s.text ?? beginning(page.texts.get(s.id)?.text ?? '');
  return [...all.values()].map(s => ({...s, text: whole(s)})).sort((a, b) => b.weight - a.weight);
}

const bothKey = ({state, also}) => `${state.selected}+${also}/${state.stratum}`;

const beginning = (text, n = 240) => (text.length > n ? `${text.slice(0, n).replace(/\s+\S*$/, '')} …` : text);

/** The samples of two topics at once, each with its two parts; the first has the larger smaller part. */
export function samplesOfBoth(page, i, j) {
  const {state, texts} = page,
    sent = page.samples.get(bothKey(page));
  if (sent || page.data.ask) return sent ?? [];
  const both = new Map(),
    one = new Map(samplesOf(page, i).map(s => [s.id, s])),
    two = new Map(samplesOf(page, j).map(s => [s.id, s]));
  for (const [id, s] of one) if (two.has(id)) both.set(id, {...s, parts: [s.part, two.get(id).part]});
  for (const [id, t] of texts) {
    if (!t.shares.length || (state.stratum >= 0 && t.stratum !== state.stratum)) continue;
    const parts = [i, j].map(k => sum(members(state, k).map(m => t.shares[m])));
    const known = one.get(id) ?? two.get(id) ?? {id, name: t.title, stratum: t.stratum};
    both.set(id, {...known, text: known.text ?? beginning(t.text), parts});
  }
  const least = s => Math.min(...s.parts);
  return [...both.values()].filter(s => least(s) >= 0.05).sort((a, b) => least(b) - least(a));
}

/** Python is asked once for the samples of a topic and another. */
function askBoth(page) {
  const {data, state, also} = page,
    key = bothKey(page);
  if (!data.ask || also < 0 || page.asked.has(key)) return;
  page.asked.add(key);
  page.model.send?.({cmd: 'both', topic: state.selected, also, stratum: state.stratum});
}

/** Which other topic the samples must have, too: none, or one of the same layer or run. */
function fillAlso(page, i) {
  const {data, state} = page,
    others = listed(data, {...state, query: '', set: setOf(data, i)}).map(f => f.id);
  if (page.also === i || !others.includes(page.also)) page.also = -1;
  page.alsoPick.hidden = others.length < 2;
  soon(page, 'also', () => {
    const option = j => [j, `of this and of ${page.digit(j)} ${page.name(j)}`, j !== i];
    fillMenu(page.alsoPick, [[-1, 'of this topic'], ...others.map(option)]);
    page.alsoPick.value = page.also;
  });
}

export function askSamples(page, i) {
  const {data, state} = page;
  if (!data.ask || i < 0) return;
  clearTimeout(page.timer);
  page.timer = setTimeout(
    () =>
      members(state, i)
        .filter(j => !page.asked.has(`${j}/${state.stratum}`))
        .forEach(j => {
          page.asked.add(`${j}/${state.stratum}`);
          page.model.send?.({cmd: 'samples', topic: j, stratum: state.stratum});
        }),
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
      h(
        'span',
        {class: 'ntf-value', title: `part of the ${data.unit} that is this topic${s.parts ? ', and the other' : ''}`},
        s.parts ? s.parts.map(percent).join(' + ') : percent(s.part),
      ),
    ),
    s.text && h('p', {dir: 'auto'}, markedText(s.text, hot)),
    s.image && samplePicture(page, s),
  );
}

/** The box of samples: its head and its search stay, the list is redrawn. */
export function makeSamples(page) {
  const label = `Most typical ${page.data.units || 'samples'}`;
  makeTextFind(page);
  page.also = -1;
  page.sampleHead = h('div', {});
  page.alsoPick = h('select', {
    class: 'ntf-also',
    'aria-label': `${page.data.units || 'samples'} of a second topic, too`,
    onchange: e => {
      page.also = +e.target.value;
      drawSamples(page);
    },
  });
  fillMenu(page.alsoPick, [[-1, 'of this topic']]);
  page.sampleList = h('div', {});
  page.sampleBox = h('section', {class: 'ntf-samples', 'aria-label': label}, [
    page.sampleHead,
    h('div', {class: 'ntf-which'}, page.alsoPick, page.textFind),
    page.sampleList,
  ]);
}

function none({data, samples, texts, ...page}, both) {
  if (!both && data.ask) return 'none';
  if (data.ask) return samples.has(bothKey(page)) ? 'none' : 'Asking …';
  return texts.size ? `none among the ${texts.size} texts in this file` : 'none among those in this file';
}

export function drawSamples(page) {
  const {data, state} = page,
    i = state.selected,
    alone = i < 0 ? [] : samplesOf(page, i),
    asked = page.textFind.value.trim();
  page.sampleBox.hidden = !alone.length && !data.ask && !page.texts.size;
  if (page.sampleBox.hidden) return;
  fillAlso(page, i);
  askBoth(page);
  const both = page.also >= 0,
    found = both ? samplesOfBoth(page, i, page.also) : alone,
    ids = found.map(s => s.id),
    hot = new Map([...(both ? hotWords(page, page.also) : []), ...hotWords(page, i)]),
    column = `part that is ${page.tree && !both ? 'the topic' : `topic ${page.digit(i)}`}${both ? ` + ${page.digit(page.also)}` : ''}`;
  const more = () => {
    page.docs = page.docs < 9 ? 9 : page.docs + 20;
    drawSamples(page);
  };
  const units = data.units || 'samples',
    title = asked
      ? `${units} with “${asked}”`
      : both
        ? `${units[0].toUpperCase()}${units.slice(1)} of both topics`
        : `Most typical ${units}`;
  page.sampleHead.replaceChildren(
    h(page.sub, {class: 'ntf-h'}, title, !asked && h('span', {class: 'ntf-col'}, column)),
  );
  if (asked) {
    page.sampleList.replaceChildren(...textHits(page, asked));
    return;
  }
  const list = found.slice(0, page.docs).map(s => oneSample(page, s, hot, ids));
  page.sampleList.replaceChildren(
    list.length ? h('div', {class: 'ntf-articles'}, list) : h('p', {class: 'ntf-note'}, none(page, both)),
    ...(found.length > page.docs ? [button('More', more, {class: 'ntf-more'})] : []),
  );
}
