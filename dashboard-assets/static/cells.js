// Sets texts and attributes by key. The stream never sends markup, so focus, selection and scroll position survive.
//
// <tr data-cells="e3"> holds <td data-k="hits"> (its text is the value `hits` of `e3`)
// and <path data-a="d=spark.area"> (its attribute `d` is the value `spark.area` of `e3`).
import { showTime } from './clock.js';
import { $, all } from './dom.js';

let latest = {};
const learned = new Map();
const rows = new Set();
const visible = new Set();
const dirty = new Set();
let frame = 0;

// Rows are painted, and searched for their places, only while they are on screen.
const watch = new IntersectionObserver(entries => {
  for (const { isIntersecting, target } of entries) visible[isIntersecting ? 'add' : 'delete'](target.id);
  schedule();
}, { rootMargin: '200px' });

export function observe(row) {
  rows.add(row.id);
  watch.observe(row);
}

// The newest values of an element, painted or not.
export const newest = id => latest[id] ?? {};

// Drops all values before the server sends them again.
export const renew = () => { latest = {}; };

// Takes new values and paints them in the next animation frame.
export function set(id, values) {
  latest[id] = Object.assign(latest[id] ?? {}, values);
  dirty.add(id);
  schedule();
}

export function paint(id) {
  if (!learned.has(id)) learned.set(id, { puts: places(id), now: {} });
  const { puts, now } = learned.get(id);
  for (const key in puts) {
    const value = newest(id)[key];
    if (value === undefined || now[key] === value) continue;
    now[key] = value;
    puts[key].forEach(put => put(value));
  }
  dirty.delete(id);
}

// Removes a row that is no longer shown; with `isOver` also its values, because no update follows.
export function forget(row, isOver) {
  if (isOver) delete latest[row.id];
  watch.unobserve(row);
  row.remove();
  for (const one of [learned, rows, visible, dirty]) one.delete(row.id);
}

const isRow = id => $('rows') && /^(row|heading)$/.test(newest(id).kind);

function schedule() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    for (const id of dirty) if (visible.has(id) || !isRow(id)) paint(id);
  });
}

// For each key, the functions that set its value in all places that show it.
function places(id) {
  const puts = {};
  const add = (key, put) => (puts[key] ??= []).push(put);
  for (const holder of rows.has(id) ? [$(id)] : all(`[data-cells="${id}"]`)) {
    for (const place of [holder, ...all('[data-k],[data-a]', holder)]) {
      if (place.closest('[data-cells]') !== holder) continue;
      const { k, a } = place.dataset;
      if (k) {
        const node = [...place.childNodes].find(node => node.data?.trim()) ?? place.insertBefore(new Text(), place.firstChild);
        add(k, text => { if (node.data !== text) node.data = text; });
      }
      for (const pair of a?.split(' ') ?? []) {
        const [name, key] = pair.split('=');
        const isTime = !k && (name === 'datetime' || name === 'data-ms');
        add(key, text => {
          if (place.getAttribute(name) !== text) place.setAttribute(name, text);
          if (isTime) showTime(place);
        });
      }
    }
  }
  return puts;
}
