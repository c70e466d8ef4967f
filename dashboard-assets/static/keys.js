// Single-key shortcuts. They can be turned off, and never fire while the user types.
import { $, all, onClick } from './dom.js';

const KEPT = 'sitio-keys';
const CHORD_MS = 900;
let chordMs = 0;

export function startKeys() {
  const box = $('keys-on');
  box.checked = isOn();
  box.onchange = () => { localStorage[KEPT] = box.checked ? 'on' : 'off'; };
  $('keys-open').hidden = false;
  onClick('#keys-open', () => $('keys').showModal());
  onClick('[data-close]', button => button.closest('dialog').close());
  document.addEventListener('keydown', press);
}

const isOn = () => localStorage[KEPT] !== 'off';

function press(event) {
  const { key, target } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (key === 'Escape' && target.id === 'find') {
    target.value = '';
    target.dispatchEvent(new Event('input'));
    target.blur();
  }
  if (target.closest('input:not([type=radio], [type=checkbox]), textarea, select')) return;
  const row = document.activeElement.closest('tr[data-row]');
  if (key === 'Enter' && target === row) row.querySelector('a')?.click();
  if (!isOn()) return;
  const page = Date.now() - chordMs < CHORD_MS && all('[data-chord]').find(link => link.dataset.chord === key);
  if (page) return page.click();
  chordMs = key === 'g' ? Date.now() : 0;
  if (key === '/') { event.preventDefault(); $('find')?.focus(); }
  else if (key === '?') $('keys').showModal();
  else if (key === 'p') $('pause')?.click();
  else if (key === 'x') row?.querySelector('.sw, [data-ends]')?.click();
  else if (key === 'j' || key === 'k') {
    const shown = all('tr[data-row]:not([hidden], .heading)');
    const next = row ? shown.indexOf(row) + (key === 'j' ? 1 : -1) : 0;
    shown[Math.max(0, Math.min(shown.length - 1, next))]?.focus();
  } else all('[type=radio][name=window], [data-window]')[key - 1]?.click();
}
