import {button, select, topicLink} from './controls.js';
import {bar, h, linesOf, scrolled, word} from './elements.js';
import {picture, spark} from './figures.js';
import {argsort, percent, signed, sum} from './format.js';
import {listed, share} from './state.js';

export function features(page) {
  const {data, state} = page;
  const use =
    state.versus >= 0
      ? [state.stratum, state.versus]
      : state.stratum >= 0
        ? [state.stratum]
        : data.strata.map((_, s) => s).slice(0, 6);
  const own = data.features?.[page.tree ? 0 : state.set];
  if (!own?.some(f => f.length)) return null;
  return h(
    'section',
    {class: 'ntf-features'},
    use.map(s =>
      h(
        'div',
        {},
        h(
          page.sub,
          {class: 'ntf-h'},
          'Only in ',
          word(data.strata[s]),
          h('span', {class: 'ntf-value'}, ` ${percent(sum(own[s].map(f => f.share)))} of it`),
        ),
        own[s].map((f, n) =>
          h(
            'div',
            {class: 'ntf-feature'},
            h('span', {class: 'ntf-value'}, percent(f.share)),
            h(
              'span',
              {class: 'ntf-minis'},
              data.modes.map((m, k) =>
                m.kind === 'ordered' && f.modes[k]?.v
                  ? spark(f.modes[k].v, `${m.name}: most at ${m.items[argsort(f.modes[k].v)[0]]}`)
                  : m.kind === 'image' && f.modes[k]?.img
                    ? picture(f.modes[k].img, m.shape, `feature ${n} of ${data.strata[s]} as a picture`, 72)
                    : null,
              ),
            ),
            h(
              'span',
              {class: 'ntf-words'},
              data.modes.map((m, k) => f.modes[k]?.top?.map((t, x) => [x ? ' · ' : '', word(t)])),
            ),
          ),
        ),
      ),
    ),
  );
}

function twoStrata(page) {
  const {data, state} = page;
  const a = Math.max(0, state.stratum),
    b = state.versus >= 0 ? state.versus : a === 0 ? 1 : 0,
    ids = listed(data, {...state, query: ''})
      .map(f => f.id)
      .filter(i => !state.hidden.includes(i));
  const sa = ids.map(i => share(data, state, i, a)),
    sb = ids.map(i => share(data, state, i, b)),
    most = Math.max(1e-300, ...sa, ...sb);
  const side = (cls, x) => h('span', {class: 'ntf-track'}, bar(cls, x / most));
  const line = n =>
    h('tr', {}, [
      h('th', {scope: 'row'}, topicLink(page, ids[n])),
      h('td', {class: 'ntf-value'}, percent(sa[n])),
      h('td', {class: 'ntf-side ntf-left'}, side('ntf-a', sa[n])),
      h('td', {class: 'ntf-side'}, side('ntf-b', sb[n])),
      h('td', {class: 'ntf-value'}, percent(sb[n])),
      h('td', {class: 'ntf-value'}, signed(sa[n] - sb[n])),
    ]);
  return h(
    'section',
    {},
    h(page.sub, {class: 'ntf-h'}, 'Topics by the difference of their shares'),
    scrolled(
      'Table of topics',
      h(
        'table',
        {class: 'ntf-compare'},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', {scope: 'col'}, 'topic'),
            h('th', {scope: 'col', colspan: 2}, h('span', {class: 'ntf-key ntf-a'}), word(data.strata[a])),
            h('th', {scope: 'col', colspan: 2}, h('span', {class: 'ntf-key ntf-b'}), word(data.strata[b])),
            h('th', {scope: 'col'}, 'difference'),
          ),
        ),
        linesOf(page, argsort(sa.map((x, n) => x - sb[n])), line, 24),
      ),
    ),
  );
}

/** Names of strata that are long together stand upright; many strata have smaller cells. */
export const upright = data => (data.strata.join('').length > 36 ? 'ntf-upright' : null);
export const dense = data => (data.strata.length > 8 ? 'ntf-dense' : '');

/** Shares of all topics in all strata: darker is more, a head orders by its column. */
function allStrata(page) {
  const {data, state} = page,
    S = data.strata.map((_, s) => s),
    ids = listed(data, {...state, query: '', stratum: page.sorted})
      .map(f => f.id)
      .filter(i => !state.hidden.includes(i));
  const values = ids.map(i => S.map(s => share(data, state, i, s))),
    most = Math.max(1e-300, ...values.flat());
  const sort = s => {
    page.sorted = s;
    page.redraw();
    page.body.querySelector(`[data-sort="${s}"]`)?.focus();
  };
  const head = (s, label) =>
    h(
      'th',
      {scope: 'col', class: s < 0 ? null : upright(data), 'aria-sort': page.sorted === s ? 'descending' : null},
      button([word(label), page.sorted === s ? ' ▾' : ''], () => sort(s), {
        class: 'ntf-link',
        'data-sort': s,
      }),
    );
  const row = (i, n) =>
    h('tr', {}, h('th', {scope: 'row'}, topicLink(page, i)), [
      heat(share(data, state, i, -1), most, true),
      S.map(s => heat(values[n][s], most)),
    ]);
  return h(
    'section',
    {},
    h(page.sub, {class: 'ntf-h'}, 'Shares of the topics in every stratum'),
    h('p', {class: 'ntf-note ntf-hand'}, 'A head orders by its column. Two strata side by side: choose them above.'),
    scrolled(
      'Table of topics and strata',
      h(
        'table',
        {class: `ntf-matrix ntf-strata ${dense(data)}`},
        h(
          'thead',
          {},
          h('tr', {}, [
            h('th', {scope: 'col'}, 'topic'),
            head(-1, 'all'),
            S.map(s => head(s, data.strata[s])),
          ]),
        ),
        linesOf(page, ids, row, 24),
      ),
    ),
  );
}

/** A cell that is the darker the more it holds. */
export const heat = (x, most, plain = false) =>
  h('td', {class: plain ? 'ntf-value' : 'ntf-heat', style: {'--ntf-v': plain ? 0 : x / most}}, percent(x));

export const strataCompared = page =>
  page.data.strata.length === 2 || page.state.versus >= 0 ? twoStrata(page) : allStrata(page);

export function setsCompared(page) {
  const {data, state} = page;
  const a = state.set,
    b = state.other === a ? (a + 1) % data.sets.length : state.other,
    C = data.similar[a][b],
    A = data.sets[a],
    B = data.sets[b];
  const pick = select(
    `${data.sets[a].name} against`,
    data.sets.map((s, i) => [i, s.name]).filter(([i]) => i !== a),
    b,
    v => page.act('other', {set: v}),
  );
  const match = data.match[a][b],
    cell = x =>
      h(
        'td',
        {class: 'ntf-heat', style: {'--ntf-v': x}},
        x >= 0.995 ? '1' : x < 0.005 ? '·' : x.toFixed(2).slice(1),
      );
  const columns = [...new Set([...match.filter(j => j >= 0), ...Array.from({length: B.count}, (_, j) => j)])],
    rows = Array.from({length: A.count}, (_, i) => i).sort(
      (x, y) => (C[y][match[y]] ?? -1) - (C[x][match[x]] ?? -1),
    );
  const cols = [...new Set([...rows.map(i => match[i]).filter(j => j >= 0), ...columns])];
  const line = i =>
    h('tr', {}, [
      h('th', {scope: 'row'}, topicLink(page, A.first + i)),
      cols.map(j => cell(C[i][j])),
      h('td', {}, match[i] >= 0 ? topicLink(page, B.first + match[i]) : 'none'),
    ]);
  return h(
    'section',
    {},
    pick.box,
    h(
      'p',
      {class: 'ntf-note'},
      'How alike two topics are: the product of their cosines, one for equal topics. ' +
        'Partners of the best one-to-one matching stand on the diagonal.',
    ),
    scrolled(
      'Table of likeness',
      h(
        'table',
        {class: 'ntf-matrix'},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            h('th', {scope: 'col'}, word(A.name)),
            cols.map(j => h('th', {scope: 'col', title: page.name(B.first + j)}, page.digit(B.first + j))),
            h('th', {scope: 'col'}, 'partner in ', word(B.name)),
          ),
        ),
        linesOf(page, rows, line, 24),
      ),
    ),
  );
}
