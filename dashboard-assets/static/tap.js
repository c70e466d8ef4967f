// The tap page: live exchanges in a bounded table, newest first, and a count of the ones not shown.
// It is the only script of its page, so that every page loads one small script.
import { forget, set } from './cells.js';
import { showTimes } from './clock.js';
import { $, onClick, write } from './dom.js';
import { startKeys } from './keys.js';
import { advice, dial, startLive } from './live.js';

const TAPPED_MAX = 200;
let pendingRows = [];
let tappedSoFar = 0;
let heldBack = 0;
let isTapHeld = false;

function startTap() {
  if (!$('tap') || 'problem' in $('tap').dataset) return;
  $('pause').hidden = $('tap-table').hidden = false;
  $('tap-plain').hidden = true;
  onClick('#pause', button => {
    isTapHeld = !isTapHeld;
    button.setAttribute('aria-pressed', isTapHeld);
    putTapped();
  });
  onClick('#try-now', dial);
  startLive(() => `tap/events${location.search}`, tapped, showTapState);
}

function tapped({ rows, shown, said }) {
  pendingRows = [...pendingRows, ...rows].slice(-TAPPED_MAX);
  heldBack += rows.length;
  for (const part in said) write($(`tap-${part}`), said[part]);
  write($('tap-shown'), `${shown} seen`);
  putTapped();
}

function putTapped() {
  const list = $('tapped');
  if (!isTapHeld && !list.matches(':focus-within')) {
    for (const values of pendingRows) {
      list.prepend(document.importNode($('tapped-row').content, true));
      const row = list.firstElementChild;
      row.id = row.dataset.cells = `tapped-${tappedSoFar++}`;
      set(row.id, values);
    }
    while (list.children.length > TAPPED_MAX) forget(list.lastElementChild, true);
    pendingRows = [];
    heldBack = 0;
  }
  showTapState(document.body.dataset.pulse);
}

function showTapState(name = 'still') {
  $('lost').hidden = name !== 'lost';
  write($('next'), advice() || 'Trying again.');
  document.body.dataset.pulse = name;
  $('pulse').dataset.state = isTapHeld ? 'paused' : name;
  write($('pulse').querySelector('.word'), isTapHeld ? 'Paused' : 'Live');
  write($('pulse').querySelector('time'), heldBack ? `${heldBack} held` : '');
}

showTimes();
startKeys();
startTap();
