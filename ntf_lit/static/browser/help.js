import {button} from './controls.js';
import {h} from './elements.js';
import {wholeName} from './state.js';

/** What the numbers mean, one sentence each: [[word, sentence], ...] of what the page shows. */
export function explained({data, many}) {
  const mode = data.modes[data.term] ?? {name: 'entry'};
  const sentences = [
    ['share of a topic', 'How much of everything in the data the topic accounts for.'],
    ['share', `The part of the topic that is this ${mode.name}; all of its ${mode.name}s make 100\u00a0%.`],
    [`× ${wholeName(data)}`, `How many times more frequent the ${mode.name} is in the topic than in all the data.`],
    [
      'relevance',
      `Orders the ${mode.name}s. λ = 1: the most frequent first; λ = 0: those hardly found elsewhere ` +
        'first; about 0.6 reads best.',
    ],
    [
      'saliency',
      `Frequent and telling at once: a ${mode.name} seen in this topic and in few others comes first.`,
    ],
  ];
  sentences.push([
    `typical ${data.units || 'samples'}`,
    `Those that hold most of the topic; the number: what part of the ${data.unit || 'sample'} it makes up.`,
  ]);
  if (data.stability)
    sentences.push([
      'stability',
      'How well the topic comes back when the model is fitted from other starts: 1 is the same every time.',
    ]);
  if (many)
    sentences.push(
      ['stratum', 'A part of the data with a name: compare two of them with “against”.'],
      ['× stratum', `How many times more frequent the ${mode.name} is in the topic than in the stratum chosen.`],
      ['difference', 'What the first of two strata has more of; with a minus, the second.'],
    );
  return sentences;
}

/** A "?" and what it opens: {button, text}. */
export function makeHelp(page) {
  const text = h(
    'dl',
    {class: 'ntf-help', id: page.id('help'), hidden: true},
    explained(page).map(([word, said]) => h('div', {}, h('dt', {}, word), h('dd', {}, said))),
  );
  const open = () => {
    text.hidden = !text.hidden;
    help.setAttribute('aria-expanded', String(!text.hidden));
  };
  const help = button('?', open, {
    class: 'ntf-ask',
    title: 'What the numbers mean',
    'aria-label': 'What the numbers mean',
    'aria-expanded': 'false',
    'aria-controls': page.id('help'),
  });
  return {button: help, text};
}
