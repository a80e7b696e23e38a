import {features} from './compare.js';
import {bar, columns, h, reveal, svg, word} from './elements.js';
import {picture, spark} from './figures.js';
import {percent, typeAhead} from './format.js';
import {chain, children, layout, ownWords, parents, path} from './layout.js';
import {rows, setOf, share} from './state.js';
import {chart, course, modeTabs, title} from './topic.js';

/** The graph or tree: made once, filled by `drawGraph`. */
export function makeGraph(page) {
  page.folded = new Set();
  page.place = null;
  page.pinned = -1;
  page.graph = h('div', {
    class: 'ntf-graph',
    role: 'tree',
    tabindex: 0,
    'aria-label': 'Topics by layer; left and right follow the strongest link, up and down stay in the layer',
    onkeydown: e => treeKey(page, e),
    onclick: e => {
      const o = e.target.closest('[data-id]'),
        t = e.target.closest('[data-fold]');
      if (t) fold(page, +t.dataset.fold);
      else if (o) page.act(e.shiftKey ? 'beside' : 'select', {topic: +o.dataset.id});
    },
  });
}

function fold(page, i) {
  page.folded.has(i) ? page.folded.delete(i) : page.folded.add(i);
  drawGraph(page);
}

export const mainChildren = (page, i) =>
  page.data.up
    .map((_, j) => j)
    .filter(j => parents(page.data, j)[0]?.[0] === i && setOf(page.data, j) >= page.state.depth)
    .sort((a, b) => page.data.share[b] - page.data.share[a]);

export const visible = (page, i) => [
  i,
  ...(page.folded.has(i) ? [] : mainChildren(page, i).flatMap(j => visible(page, j))),
];

export const roots = page => {
  const {data, state} = page;
  const {first, count} = data.sets.at(-1),
    all = data.up
      .map((_, j) => j)
      .filter(
        j => (j >= first && j < first + count) || (!parents(data, j).length && setOf(data, j) >= state.depth),
      );
  return all.sort((a, b) => setOf(data, b) - setOf(data, a) || data.share[b] - data.share[a]);
};

export const columnOf = (page, i) =>
  Object.keys(page.place.at)
    .map(Number)
    .filter(j => page.place.at[j].column === page.place.at[i]?.column)
    .sort((a, b) => page.place.at[a].y - page.place.at[b].y);

export function treeKey(page, e) {
  const {data, state} = page;
  const i = state.selected,
    line = state.shape ? roots(page).flatMap(j => visible(page, j)) : columnOf(page, i),
    at = line.indexOf(i),
    kids = state.shape
      ? mainChildren(page, i)
      : children(data, i)
          .map(x => x[0])
          .filter(j => page.place.at[j]),
    up = parents(data, i)[0]?.[0];
  let to = {
    ArrowDown: line[at + 1],
    ArrowUp: line[at - 1],
    Home: line[0],
    End: line.at(-1),
    ArrowLeft: up,
    ArrowRight: kids[0],
  }[e.key];
  if (state.shape && e.key === 'ArrowRight' && kids.length && page.folded.has(i)) {
    e.preventDefault();
    fold(page, i);
    return;
  }
  if (state.shape && e.key === 'ArrowLeft' && kids.length && !page.folded.has(i)) {
    e.preventDefault();
    fold(page, i);
    return;
  }
  if (e.key === 'Enter' || e.key === ' ') {
    e.preventDefault();
    page.act('beside', {topic: state.beside === i ? -1 : state.beside < 0 ? i : state.beside});
    page.pinned = page.pinned === i ? -1 : i;
    drawDetail(page);
    drawGraph(page);
    page.say(
      page.pinned >= 0
        ? `${page.name(i)} stays on the side; pick another to see both`
        : 'only one node is shown',
    );
    return;
  }
  if (e.key === 'F2') {
    e.preventDefault();
    page.main.querySelector('.ntf-name')?.focus();
    return;
  }
  if (to === undefined && e.key.length === 1 && !e.ctrlKey && !e.metaKey && !e.altKey) {
    page.keyed(e.key);
    const all = state.shape ? line : Object.keys(page.place.at).map(Number),
      n = typeAhead(all.map(page.name), all.indexOf(i), page.typed);
    to = all[n];
  } else if (
    to === undefined &&
    !['ArrowDown', 'ArrowUp', 'Home', 'End', 'ArrowLeft', 'ArrowRight'].includes(e.key)
  )
    return;
  e.preventDefault();
  if (to !== undefined) page.act('select', {topic: to});
}

export const node = (page, i, on, props, ...kids) => {
  const {data, state} = page;
  const {first, count} = data.sets[setOf(data, i)],
    q = state.query.trim().toLowerCase();
  const hit =
    q &&
    (page.name(i).toLowerCase().includes(q) ||
      (data.term >= 0 &&
        rows(data, {...state, order: 1, stratum: -1, versus: -1}, i, data.term)
          .slice(0, 20)
          .some(r => data.modes[data.term].items[r.item].toLowerCase().includes(q))));
  return h(
    'div',
    {
      role: 'treeitem',
      id: page.id(i),
      'data-id': i,
      'aria-level': data.sets.length - setOf(data, i),
      'aria-setsize': count,
      'aria-posinset': i - first + 1,
      'aria-selected': String(i === state.selected),
      class: [
        'ntf-node',
        on > 0 && 'ntf-on',
        hit && 'ntf-hit',
        q && !hit && 'ntf-dim',
        i === state.beside && 'ntf-beside',
      ]
        .filter(Boolean)
        .join(' '),
      ...props,
    },
    h('span', {class: 'ntf-sr'}, `layer ${setOf(data, i)}, topic `),
    kids,
  );
};

export const firstWords = (page, i, n) =>
  page.data.term >= 0 && page.data.modes[page.data.term].kind === 'words' && !page.data.plain
    ? rows(page.data, {...page.state, order: 0, stratum: -1, versus: -1}, i, page.data.term)
        .slice(0, n)
        .map(r => page.data.modes[page.data.term].items[r.item])
        .join(' · ')
    : '';

/** A topic without words shows its curve or its picture. */
export function face(page, i, a) {
  const {data, state} = page;
  const m = data.modes[state.mode] ?? {};
  if (m.kind === 'image')
    return a.h > 60 && h('div', {class: 'ntf-face'}, picture(m.img[i], m.shape, '', Math.min(64, a.h - 34)));
  return (
    m.kind === 'ordered' &&
    h(
      'div',
      {class: 'ntf-face'},
      spark(data.modes[state.mode].p[i].v, '', Math.max(60, a.w - 20), Math.min(70, Math.max(14, a.h - 32))),
    )
  );
}

export function drawGraph(page) {
  const {data, state} = page;
  if (state.selected < 0) {
    page.graph.replaceChildren(h('p', {class: 'ntf-note'}, 'This model has no topics.'));
    return;
  }
  const on = path(data, state.selected);
  page.graph.classList.toggle('ntf-outline', state.shape === 1);
  page.graph.setAttribute('aria-activedescendant', page.id(state.selected));
  page.place = layout(data, state.depth, Math.max(300, page.graph.clientWidth - 4 || 720));
  if (state.shape === 1) {
    const line = (i, level) => [
      node(
        page,
        i,
        on.get(i),
        {
          'aria-expanded': mainChildren(page, i).length ? String(!page.folded.has(i)) : null,
          'aria-level': level,
          style: {paddingLeft: `${0.4 + 1.4 * (level - 1)}rem`},
        },
        h(
          'span',
          {class: 'ntf-fold', 'data-fold': mainChildren(page, i).length ? i : null, 'aria-hidden': 'true'},
          mainChildren(page, i).length ? (page.folded.has(i) ? '▸' : '▾') : '',
        ),
        h('span', {class: 'ntf-number'}, page.digit(i)),
        word(page.name(i)),
        h('span', {class: 'ntf-value'}, percent(share(data, state, i))),
        h('span', {class: 'ntf-track'}, bar('ntf-p', share(data, state, i))),
      ),
      ...(page.folded.has(i) ? [] : mainChildren(page, i).flatMap(j => line(j, level + 1))),
    ];
    page.graph.style.height = '';
    page.graph.replaceChildren(...roots(page).flatMap(i => line(i, 1)));
  } else {
    const s = svg('svg', {width: page.place.width, height: page.place.height, 'aria-hidden': 'true'}),
      thick = page.place.height / 2.2;
    for (const key of Object.keys(page.place.at)) {
      const i = +key,
        a = page.place.at[i];
      for (const [j, part] of parents(data, i)) {
        const b = page.place.at[j];
        if (!b || part < 0.02) continue;
        const x1 = b.x + b.w,
          x2 = a.x,
          y1 = b.y + b.h / 2,
          y2 = a.y + a.h / 2,
          c = (x1 + x2) / 2,
          lit = on.has(i) && on.has(j);
        const p = svg('path', {
          d: `M${x1},${y1}C${c},${y1} ${c},${y2} ${x2},${y2}`,
          class: `ntf-edge${lit ? ' ntf-lit' : ''}`,
          'stroke-width': Math.max(1, Math.min(34, thick * part * data.share[i] * 0.35)),
          'stroke-opacity': lit ? 0.35 + 0.5 * part : 0.3 + 0.3 * part,
        });
        const t = svg('title');
        t.textContent = `${percent(part)} of ${page.name(i)} is part of ${page.name(j)}`;
        p.append(t);
        s.append(p);
      }
    }
    const nodes = Object.keys(page.place.at)
      .map(Number)
      .map(i => {
        const a = page.place.at[i];
        return node(
          page,
          i,
          on.get(i),
          {
            style: {left: `${a.x}px`, top: `${a.y}px`, width: `${a.w}px`, height: `${a.h}px`},
            title: page.name(i),
          },
          h(
            'div',
            {class: 'ntf-node-head'},
            h('span', {class: 'ntf-number'}, page.digit(i)),
            word(page.name(i)),
            h('span', {class: 'ntf-value'}, percent(share(data, state, i))),
          ),
          a.h > 40 &&
            (data.modes[state.mode]?.kind ?? 'words') !== 'ordered' &&
            data.modes[state.mode]?.kind !== 'image' &&
            h(
              'div',
              {
                class: 'ntf-node-words',
                'aria-hidden': 'true',
                style: {'-webkit-line-clamp': Math.max(1, Math.floor((a.h - 30) / 15))},
              },
              h('bdi', {}, firstWords(page, i, Math.min(16, Math.floor(a.h / 8)))),
            ),
          face(page, i, a),
        );
      });
    page.graph.style.height = `${page.place.height + 6}px`;
    page.graph.replaceChildren(s, ...nodes);
  }
  reveal(page.graph.querySelector('[aria-selected=true]'), page.graph.closest('.ntf-scroll') ?? page.graph);
}

export function links(page, i, title, pairs, verb) {
  return (
    pairs.length > 0 &&
    h(
      'section',
      {},
      h(page.sub, {class: 'ntf-h'}, title),
      h(
        'table',
        {class: 'ntf-terms'},
        h('colgroup', {}, h('col', {class: 'ntf-wide-col'}), h('col'), h('col', {class: 'ntf-value-col'})),
        h(
          'tbody',
          {},
          pairs
            .slice(0, 8)
            .map(([j, part]) =>
              h(
                'tr',
                {},
                h(
                  'th',
                  {scope: 'row'},
                  h(
                    'button',
                    {type: 'button', class: 'ntf-link', onclick: () => page.act('select', {topic: j})},
                    h('span', {class: 'ntf-number'}, page.digit(j)),
                    word(page.name(j)),
                  ),
                ),
                h('td', {class: 'ntf-bars'}, h('span', {class: 'ntf-track'}, bar('ntf-p', part))),
                h('td', {class: 'ntf-value', title: verb}, percent(part)),
              ),
            ),
        ),
      ),
    )
  );
}

export function nodeDetail(page, i, width) {
  const {data, state} = page;
  const k = state.mode,
    mode = data.modes[k],
    up = parents(data, i),
    way = chain(data, i).slice(0, -1);
  let body;
  if (mode.kind === 'words' || mode.kind === 'labels') {
    const list = ownWords(data, state, i, k, 'p').slice(0, Math.min(page.more, 16)),
      most = Math.max(1e-300, ...list.map(r => r.p));
    body = list.length
      ? h(
          'div',
          {},
          h(
            'div',
            {class: 'ntf-legend'},
            h('span', {class: 'ntf-key ntf-p'}),
            up.length ? 'its own' : 'in the topic',
            up.length > 0 && [h('span', {class: 'ntf-key ntf-c'}), 'shared with its supertopics'],
          ),
          h(
            'table',
            {class: 'ntf-terms'},
            columns(),
            h(
              'thead',
              {class: 'ntf-sr'},
              h(
                'tr',
                {},
                h('th', {scope: 'col'}, mode.name),
                h('th', {scope: 'col'}, 'bars'),
                h('th', {scope: 'col'}, 'share of the topic'),
                h('th', {scope: 'col'}, 'of which its own'),
              ),
            ),
            h(
              'tbody',
              {},
              list.map(r =>
                h(
                  'tr',
                  {},
                  h('th', {scope: 'row'}, word(mode.items[r.item])),
                  h(
                    'td',
                    {class: 'ntf-bars'},
                    h(
                      'span',
                      {class: 'ntf-track ntf-stack'},
                      bar('ntf-p', r.own / most),
                      bar('ntf-c', r.inherited / most),
                    ),
                  ),
                  h('td', {class: 'ntf-value'}, percent(r.p)),
                  h('td', {class: 'ntf-value'}, up.length ? `own ${Math.round((100 * r.own) / r.p)} %` : ''),
                ),
              ),
            ),
          ),
        )
      : h('p', {class: 'ntf-note'}, 'This topic has no weight here.');
  } else body = chart(page, i, k, width, 150);
  return h(
    'section',
    {class: 'ntf-detail', 'aria-label': `Topic ${page.digit(i)}`},
    title(page, i),
    way.length > 0 &&
      h(
        'p',
        {class: 'ntf-path'},
        'in ',
        way.map(j => [
          h(
            'button',
            {type: 'button', class: 'ntf-link', onclick: () => page.act('select', {topic: j})},
            word(page.name(j)),
          ),
          ' › ',
        ]),
        word(page.name(i)),
      ),
    body,
    data.course && course(page, i, width),
    links(page, i, 'Made of', children(data, i), 'part of this topic'),
    links(page, i, 'Part of', up, 'part that goes there'),
  );
}

export function drawDetail(page) {
  const {data, state} = page;
  const one = state.selected,
    two =
      page.pinned >= 0 && page.pinned !== one
        ? page.pinned
        : state.beside >= 0 && state.beside !== one
          ? state.beside
          : -1;
  if (one < 0) {
    page.side.replaceChildren();
    return;
  }
  const width = Math.max(
    240,
    page.side.clientWidth / (two >= 0 && page.side.clientWidth > 560 ? 2 : 1) - 24 || 320,
  );
  const others = data.share.map((_, i) => i).filter(i => i !== one);
  const pick = h(
    'select',
    {
      'aria-label': 'Show another topic beside',
      onchange: e => {
        page.pinned = -1;
        page.act('beside', {topic: +e.target.value});
      },
    },
    h('option', {value: -1}, two < 0 ? 'Show beside …' : 'Nothing beside'),
    others.map(i => h('option', {value: i}, `${page.digit(i)} ${page.name(i)}`)),
  );
  pick.value = two;
  page.side.replaceChildren(
    h('div', {class: 'ntf-edit'}, modeTabs(page), pick, page.undo),
    h(
      'div',
      {class: two >= 0 ? 'ntf-pair' : ''},
      nodeDetail(page, one, width),
      two >= 0 && nodeDetail(page, two, width),
    ),
  );
  page.foot.replaceChildren(...[features(page), page.sampleBox].filter(Boolean));
  page.undo.disabled = !state.undo.length;
  page.main.classList.toggle('ntf-two', two >= 0);
}
