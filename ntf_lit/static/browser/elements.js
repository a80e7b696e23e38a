/** An item in sight: by its box alone, or by the page too if a user is moving in the box. */
export function reveal(item, box) {
  if (!item?.scrollIntoView) return;
  if (box.contains(document.activeElement)) return item.scrollIntoView({block: 'nearest', inline: 'nearest'});
  const a = item.getBoundingClientRect(),
    b = box.getBoundingClientRect();
  box.scrollTop += Math.max(0, a.bottom - b.bottom) + Math.min(0, a.top - b.top);
  box.scrollLeft += Math.max(0, a.right - b.right) + Math.min(0, a.left - b.left);
}

/** An element; `on...` are listeners, the rest attributes; children are elements or plain text. */
export function h(tag, props = {}, ...kids) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (k.startsWith('on')) e.addEventListener(k.slice(2), v);
    else if (k === 'style')
      for (const [n, x] of Object.entries(v)) {
        if (n.startsWith('--')) e.style.setProperty(n, x);
        else e.style[n] = x;
      }
    else if (v === true) e.setAttribute(k, '');
    else if (v != null && v !== false) e.setAttribute(k, v);
  }
  e.append(
    ...kids
      .flat(Infinity)
      .filter(x => x != null && x !== false)
      .map(x => (x instanceof Node ? x : document.createTextNode(String(x)))),
  );
  return e;
}

export function svg(tag, props = {}, ...kids) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [k, v] of Object.entries(props)) if (v != null) e.setAttribute(k, v);
  e.append(...kids.flat(Infinity));
  return e;
}

export const bar = (cls, part) =>
  h('i', {class: cls, style: {width: `${Math.max(0, Math.min(100, 100 * part))}%`}});

export const word = (t, cls = '') => h('bdi', {class: `ntf-word ${cls}`, title: t}, t || '(empty)');

/** Do something when what was drawn is seen and nothing follows at once; of what has one name only the last. */
export function soon(page, name, f) {
  const {left = new Map()} = page,
    idle = window.requestIdleCallback ?? (g => g());
  page.left = left.set(name, f);
  clearTimeout(page.later);
  page.later = setTimeout(() => idle(() => atOnce(page), {timeout: 300}), 200);
}

/** What was left for later is done. */
export function atOnce({left = new Map()}) {
  const all = [...left.values()];
  left.clear();
  for (const f of all) f();
}

/** Lines of a `scrolled` table, those that a window has no room for a moment later; then `then` is called. */
export function linesOf(page, ids, line, tall, then = () => {}) {
  const n = Math.ceil(window.innerHeight / tall),
    rest = ids.slice(n),
    place = h('tr', {style: {height: `${tall * rest.length}px`}}, h('td')),
    fill = () => {
      if (!place.isConnected) return;
      const lines = rest.map((x, k) => line(x, n + k));
      for (const b of lines.flatMap(l => [...l.querySelectorAll('button')])) b.setAttribute('tabindex', -1);
      place.replaceWith(...lines);
      then();
    };
  if (rest.length) soon(page, 'lines', fill);
  return h('tbody', {}, ids.slice(0, n).map(line), rest.length > 0 && place);
}

/** One tab stop for all links of a table: arrow keys go from one to the next. Gives the listener for keys. */
export function oneStop(table) {
  const buttons = () => [...table.querySelectorAll('tbody button')];
  buttons().forEach((b, n) => b.setAttribute('tabindex', n ? -1 : 0));
  return e => {
    const step = {ArrowDown: 1, ArrowUp: -1}[e.key],
      links = step ? buttons() : [],
      at = links.indexOf(document.activeElement);
    if (at < 0) return;
    e.preventDefault();
    const to = links[Math.max(0, Math.min(links.length - 1, at + step))];
    links[at].setAttribute('tabindex', -1);
    to.setAttribute('tabindex', 0);
    to.focus();
  };
}

const filled = new WeakMap();

/** Fill a menu with [value, text, whether it can be chosen]; options are made anew only where they differ. */
export function fillMenu(menu, options) {
  const key = JSON.stringify(options.map(o => o.slice(0, 2)));
  if (filled.get(menu) !== key)
    menu.replaceChildren(...options.map(([value, text]) => h('option', {value}, text)));
  filled.set(menu, key);
  options.forEach(([, , open = true], n) => {
    const o = menu.options[n];
    if (o.disabled === open) o.disabled = o.hidden = !open;
  });
}

/** A wide table with its own scroll. */
export function scrolled(label, table) {
  const onkeydown = oneStop(table);
  return h('div', {class: 'ntf-scroll', tabindex: 0, role: 'group', 'aria-label': label, onkeydown}, table);
}

/** A colour and what it stands for. */
export const keyed = (cls, label) =>
  h('span', {class: 'ntf-entry'}, h('span', {class: `ntf-key ${cls}`}), label);

export const columns = () =>
  h(
    'colgroup',
    {},
    h('col', {class: 'ntf-word-col'}),
    h('col'),
    h('col', {class: 'ntf-value-col'}),
    h('col', {class: 'ntf-value-col'}),
  );

/** A button that a phone has: what is seldom asked for is behind it. */
export function opener(page, label) {
  const onclick = e => {
    const open = page.box.classList.toggle('ntf-opened');
    e.currentTarget.setAttribute('aria-expanded', String(open));
  };
  return h('button', {type: 'button', class: 'ntf-options', 'aria-expanded': 'false', onclick}, label);
}

/** Hand the reader a file. */
export function handOver(name, blob) {
  const url = URL.createObjectURL(blob);
  h('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
