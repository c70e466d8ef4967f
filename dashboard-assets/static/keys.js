// Single-key shortcuts. They can be turned off, and never fire while somebody types.
const $ = id => document.getElementById(id);
const KEPT = 'sitio-keys';
const CHORD_MS = 900;
const pages = { o: '/', p: '/pods', a: '/audit' };
let chord = 0;

export function startKeys() {
  const box = $('keys-on');
  box.checked = isOn();
  box.addEventListener('change', () => localStorage.setItem(KEPT, box.checked ? 'on' : 'off'));
  $('keys-open').hidden = false;
  $('keys-open').addEventListener('click', openList);
  $('keys').addEventListener('click', event => { if (event.target === $('keys')) $('keys').close(); });
  document.addEventListener('keydown', press);
}

const isOn = () => localStorage.getItem(KEPT) !== 'off';
const openList = () => { if (!$('keys').open) $('keys').showModal(); };
const isTyping = element => element.closest('input:not([type=radio]):not([type=checkbox]), textarea, select');

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape' && event.target.id === 'find') return clear(event.target);
  if (isTyping(event.target)) return;
  const row = document.activeElement.closest('tbody tr');
  if (event.key === 'Enter' && document.activeElement === row) return row.querySelector('a')?.click();
  if (!isOn()) return;
  if (chord && Date.now() - chord < CHORD_MS && pages[event.key]) return location.assign(pages[event.key]);
  chord = event.key === 'g' ? Date.now() : 0;
  switch (event.key) {
    case '/': event.preventDefault(); return $('find')?.focus();
    case '?': return openList();
    case 'p': return $('pause')?.click();
    case 'x': return row?.querySelector('.sw')?.click();
    case 'j': return step(row, 1);
    case 'k': return step(row, -1);
    case '1': case '2': case '3': case '4': return choose(Number(event.key) - 1);
  }
}

function clear(find) {
  find.value = '';
  find.dispatchEvent(new Event('input'));
  find.blur();
}

function step(row, by) {
  const shown = [...document.querySelectorAll('tbody tr[tabindex]:not([hidden])')];
  const at = row ? shown.indexOf(row) + by : by > 0 ? 0 : shown.length - 1;
  shown[Math.max(0, Math.min(shown.length - 1, at))]?.focus();
}

function choose(at) {
  document.querySelectorAll('input[name=window]')[at]?.click();
}
