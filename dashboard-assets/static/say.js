// Speaks to people: one polite line, one alert, the banner of failures, and the toast.
import { $, onClick, write } from './dom.js';

const PROBLEMS_EVERY_MS = 10_000;
let spokenMs = 0;
let undoIt = null;

// The result of a command, or a change of the connection: said at once.
export const say = words => write($('say'), words);

// A new problem: said at most every ten seconds, so that a bad minute does not talk without end.
export function sayProblem(words) {
  if (Date.now() - spokenMs < PROBLEMS_EVERY_MS) return;
  spokenMs = Date.now();
  say(words);
}

// Something did not happen: what, and the error that says why.
export function fail(what, { message }, banner = $('failed')) {
  write($('say-now'), `${what} ${message}`);
  write(banner.querySelector('b'), what);
  write(banner.querySelector('span'), message);
  banner.hidden = false;
}

// The failure is over.
export function settle(banner = $('failed')) {
  banner.hidden = true;
  write($('say-now'), '');
}

// A short word on what was done, with a way to undo it. It stays until somebody closes it: not everybody reads fast.
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
