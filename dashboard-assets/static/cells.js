// Sets texts and attributes by key. Markup never comes from the server, so focus, selection and scroll survive.
//
// <tr data-cells="e3"> holds <td data-k="hits"> (its text is the value `hits` of `e3`)
// and <path data-a="d=spark.area"> (its attribute `d` is the value `spark.area` of `e3`).
const known = new Map();
const waiting = new Map();
const visible = new Set();
let frame = 0;
let held = false;

const watch = new IntersectionObserver(entries => {
  for (const entry of entries) {
    if (entry.isIntersecting) visible.add(entry.target); else visible.delete(entry.target);
  }
  schedule();
}, { rootMargin: '200px' });

// Finds every place in `root` that shows a value. Rows are painted only while they are on screen.
export function learn(root) {
  const places = [...root.querySelectorAll('[data-k],[data-a]')];
  if (root.matches?.('[data-a]')) places.push(root);
  for (const place of places) {
    const holder = place.closest('[data-cells]');
    if (!holder) continue;
    const id = holder.dataset.cells;
    if (!known.has(id)) known.set(id, { row: null, texts: new Map(), attributes: new Map(), now: {} });
    const cell = known.get(id);
    if (holder.nodeName === 'TR' && holder.parentNode?.nodeName === 'TBODY' && !cell.row) {
      cell.row = holder;
      watch.observe(holder);
    }
    if (place.dataset.k) add(cell.texts, place.dataset.k, textOf(place));
    for (const pair of place.dataset.a?.split(' ') ?? []) {
      const [attribute, key] = pair.split('=');
      add(cell.attributes, key, [place, attribute]);
    }
  }
}

// Forgets a row that is no more.
export function forget(id) {
  const cell = known.get(id);
  if (cell?.row) { watch.unobserve(cell.row); visible.delete(cell.row); }
  known.delete(id);
  waiting.delete(id);
}

export const knows = id => known.has(id);

// The newest value of a key, painted or not.
export const value = (id, key) => waiting.get(id)?.[key] ?? known.get(id)?.now[key];

// Takes new values; they are painted with the next frame of the screen.
export function set(id, values) {
  waiting.set(id, Object.assign(waiting.get(id) ?? {}, values));
  // What the filter goes by must be true off screen too.
  const row = known.get(id)?.row;
  if (row) {
    if (values.shows !== undefined) row.dataset.shows = values.shows;
    if (values.find !== undefined) row.dataset.find = values.find;
    if (values.service !== undefined) row.dataset.service = values.service;
  }
  schedule();
}

// Paints one element's values at once.
export function paint(id) {
  const cell = known.get(id);
  const values = waiting.get(id);
  if (!cell || !values) return;
  for (const [key, text] of Object.entries(values)) {
    if (cell.now[key] === text) continue;
    cell.now[key] = text;
    for (const node of cell.texts.get(key) ?? []) if (node.data !== text) node.data = text;
    for (const [element, attribute] of cell.attributes.get(key) ?? []) {
      if (element.getAttribute(attribute) !== text) element.setAttribute(attribute, text);
    }
  }
  waiting.delete(id);
}

// Stops painting, and goes on.
export function hold(yes) {
  held = yes;
  schedule();
}

function schedule() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    if (held) return;
    for (const id of [...waiting.keys()]) {
      const row = known.get(id)?.row;
      if (!row || visible.has(row)) paint(id);
    }
  });
}

function add(map, key, place) {
  if (!map.has(key)) map.set(key, []);
  map.get(key).push(place);
}

function textOf(element) {
  const text = [...element.childNodes].find(node => node.nodeType === Node.TEXT_NODE);
  return text ?? element.insertBefore(document.createTextNode(''), element.firstChild);
}
