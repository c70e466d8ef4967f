// Messages to the user: a polite live region, an alert, the failure banner, and the toast.
import { $, onClick, write } from './dom.js';

const PROBLEMS_EVERY_MS = 10_000;
let spokenMs = 0;
let undoIt = null;

// Announces the result of a command or a change of the connection at once.
export const say = words => write($('say'), words);

// Announces a new problem, at most every ten seconds, so that many problems do not talk without pause.
export function sayProblem(words) {
  if (Date.now() - spokenMs < PROBLEMS_EVERY_MS) return;
  spokenMs = Date.now();
  say(words);
}

// Reports a failure: what did not happen, and the error that explains it.
export function fail(what, { message }, banner = $('failed')) {
  write($('say-now'), `${what} ${message}`);
  write(banner.querySelector('b'), what);
  write(banner.querySelector('span'), message);
  banner.hidden = false;
}

// Clears a failure.
export function settle(banner = $('failed')) {
  banner.hidden = true;
  write($('say-now'), '');
}

// Reports what was done, with an undo button. It stays until closed, because people read at different speeds.
export function toast(words, undo) {
  undoIt = undo;
  write($('toast').firstElementChild, words);
  $('toast').hidden = false;
  say(words);
}

export function startSaying() {
  onClick('#failed .btn', () => settle());
  onClick('#toast button', button => {
    $('toast').hidden = true;
    if (button.id) undoIt();
  });
}
