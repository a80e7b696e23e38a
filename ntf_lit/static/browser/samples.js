import {h, word} from './elements.js';
import {picture} from './figures.js';
import {marked, percent} from './format.js';
import {members, rows} from './state.js';

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

export function drawSamples(page) {
  const {data, state} = page;
  const i = state.selected,
    found = i < 0 ? [] : samplesOf(page, i),
    k = data.term;
  const hot = new Map();
  if (k >= 0 && i >= 0) {
    const r = rows(data, {...state, order: 0}, i, k).slice(0, 60);
    r.forEach((x, n) => hot.set(data.modes[k].items[x.item].toLowerCase(), 1 - n / r.length));
  }
  if (!found.length && !data.ask) {
    page.sampleBox.replaceChildren();
    return;
  }
  page.sampleBox.replaceChildren(
    h(page.sub, {class: 'ntf-h'}, `Most typical ${data.units || 'samples'}`),
    found.length
      ? h(
          'div',
          {class: 'ntf-articles'},
          found.slice(0, page.docs).map(s =>
            h(
              'article',
              {},
              h(
                'div',
                {class: 'ntf-sample'},
                h('strong', {}, word(s.name)),
                page.many && h('span', {class: 'ntf-chip'}, word(data.strata[s.stratum])),
                s.where && h('span', {class: 'ntf-note'}, word(s.where)),
                h(
                  'span',
                  {class: 'ntf-value', title: 'part of the sample that is this topic'},
                  percent(s.part),
                ),
              ),
              s.text &&
                h(
                  'p',
                  {dir: 'auto'},
                  marked(s.text, hot).map(p =>
                    p.weight
                      ? h(
                          'mark',
                          {class: p.weight > 0.66 ? 'ntf-m3' : p.weight > 0.33 ? 'ntf-m2' : 'ntf-m1'},
                          p.text,
                        )
                      : p.text,
                  ),
                ),
              s.image && data.sampleShape && picture(s.image, data.sampleShape, s.name, 96),
            ),
          ),
        )
      : h('p', {class: 'ntf-note'}, 'none'),
    (found.length > page.docs &&
      h(
        'button',
        {
          type: 'button',
          class: 'ntf-more',
          onclick: () => {
            page.docs = 9;
            drawSamples(page);
            page.sampleBox.querySelector('article')?.focus?.();
          },
        },
        'More',
      )) ||
      '',
  );
}
