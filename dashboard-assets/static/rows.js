// The rows of the overview: new ones, old ones, their order, and which of them the filter shows.
import { forget, hold, knows, learn, paint, set } from './cells.js';

const body = document.getElementById('rows');
const card = document.getElementById('endpoints');
const blank = document.getElementById('row');
let wanted = null;

export const rows = () => [...body.rows];
export const shownRows = () => rows().filter(row => !row.hidden);

// Makes sure that every endpoint named has a row.
export function admit(id, values) {
  if (knows(id)) return;
  const row = document.importNode(blank.content, true).querySelector('tr');
  row.id = id;
  row.dataset.cells = id;
  body.append(row);
  learn(row);
  set(id, values);
  paint(id);
  addService(values.service);
}

export function remove(id) {
  forget(id);
  document.getElementById(id)?.remove();
}

// Takes a new order, and keeps it until nobody is about to click on a row.
export function order(ids, now) {
  wanted = ids ?? wanted;
  if (!wanted || (!now && isHeld())) return;
  const focused = document.activeElement;
  let place = body.firstElementChild;
  for (const id of wanted) {
    const row = document.getElementById(id);
    if (!row) continue;
    if (row === place) place = place.nextElementSibling; else body.insertBefore(row, place);
  }
  wanted = null;
  if (body.contains(focused) && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

// Shows the rows that pass the filter.
export function filter({ find, show, service }) {
  const text = find.trim().toLowerCase();
  let shown = 0;
  for (const row of body.rows) {
    const passes = (show === 'all' || row.dataset.shows.split(' ').includes(show))
      && (!service || row.dataset.service === service)
      && row.dataset.find.includes(text);
    if (row.hidden === passes) row.hidden = !passes;
    shown += passes;
  }
  card.dataset.filtered = shown === 0 && body.rows.length > 0 ? 'all' : 'some';
  document.getElementById('filter-words').textContent = text ? `“${find.trim()}”` : 'this filter';
}

// While the connection is lost, no switch can be used.
export function disable(yes) {
  for (const button of body.querySelectorAll('.sw')) {
    const never = button.dataset.switch === 'protected' || button.dataset.switch === 'none';
    button.setAttribute('aria-disabled', String(yes || never));
  }
}

export function pause(yes) {
  hold(yes);
}

function isHeld() {
  return body.matches(':hover') || body.contains(document.activeElement) || document.querySelector('dialog[open]');
}

function addService(name) {
  const select = document.getElementById('service');
  if ([...select.options].some(option => option.value === name)) return;
  select.append(new Option(name, name));
}
