// The rows of a table: those that pass the filter, in the server's order, up to a limit.
import { $, all, write } from './dom.js';
import { forget, newest, observe, paint } from './cells.js';

// A browser lays out some hundreds of rows within a tick; to find a row among more there is the filter.
const ROWS_MAX = 200;
const list = $('rows');
let ordered = null;

export const startRows = () => all('tr[data-row]').forEach(observe);

export const orderAs = ids => { ordered = ids ?? ordered; };

// Draws the rows; but not on a tick while the pointer or the focus is on them.
export function draw(chosen, isTick) {
  // A log always grows at its top.
  const isHeld = list?.matches(':not([data-log]):is(:hover, :focus-within)') || document.querySelector('dialog[open]');
  if (!list || !ordered || (isHeld && isTick)) return;
  const passing = ordered.filter(id => passes(newest(id), chosen));
  // If the server selects the rows, it also limits them.
  const shown = new Set(chosen ? passing.slice(0, ROWS_MAX) : passing);
  const focused = document.activeElement;
  for (const row of [...list.rows]) if (!shown.has(row.id)) forget(row);
  let place = list.firstElementChild;
  for (const id of shown) {
    const row = $(id) ?? make(id);
    if (row === place) place = place.nextElementSibling; else list.insertBefore(row, place);
  }
  if (list.contains(focused)) focused.focus({ preventScroll: true });
  if (!chosen && $('shown')) {
    // The line below the table already has the count.
    $('table').dataset.filtered = shown.size ? 'some' : 'all';
    $('shown').parentNode.hidden = true;
  }
  if (!chosen) return;
  $('table').dataset.filtered = passing.length ? 'some' : 'all';
  write($('filter-words'), chosen.find.trim() ? `“${chosen.find.trim()}”` : 'this filter');
  write($('shown'), shown.size);
  write($('passing'), passing.length);
  $('shown').parentNode.hidden = shown.size === passing.length;
}

const passes = ({ find, shows, service }, chosen) => !chosen || (
  (chosen.show === 'all' || shows.split(' ').includes(chosen.show))
  && (!chosen.service || service === chosen.service)
  && find.includes(chosen.find.trim().toLowerCase()));

// Clones a row from the template of its kind.
function make(id) {
  const { kind, service } = newest(id);
  const row = document.importNode($(`new-${kind}`).content, true).querySelector('tr');
  row.id = row.dataset.cells = id;
  list.append(row);
  observe(row);
  paint(id);
  const services = $('service');
  if (services && !all('option', services).some(option => option.value === service)) services.append(new Option(service, service));
  return row;
}
