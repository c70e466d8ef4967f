// Speaks to people: one polite line, one alert, the banner of failures, and the toast.
const $ = id => document.getElementById(id);
const PROBLEMS_EVERY_MS = 10_000;
const TOAST_MS = 10_000;
let spoken = 0;
let timer = 0;

// The result of a command, or a change of the connection: said at once.
export function say(text) {
  $('say').textContent = text;
}

// A new problem: said at most every ten seconds, so that a bad minute does not talk without end.
export function sayProblem(text) {
  if (Date.now() - spoken < PROBLEMS_EVERY_MS) return;
  spoken = Date.now();
  say(text);
}

// Something did not happen: what, and why.
export function fail(what, why, banner = $('failed')) {
  $('say-now').textContent = `${what} ${why}`;
  const [head, rest] = [banner.querySelector('b'), banner.querySelector('span')];
  head.textContent = what;
  rest.textContent = why;
  banner.hidden = false;
  banner.querySelector('button')?.addEventListener('click', () => settle(banner), { once: true });
}

// The failure is over.
export function settle(banner = $('failed')) {
  banner.hidden = true;
  $('say-now').textContent = '';
}

// A short word on what was done, with a way to undo it.
export function toast(text, undo) {
  const box = $('toast');
  const button = box.querySelector('button');
  const hide = () => { box.hidden = true; };
  const later = () => { clearTimeout(timer); timer = setTimeout(hide, TOAST_MS); };
  box.querySelector('span').textContent = text;
  button.hidden = !undo;
  button.onclick = () => { hide(); undo(); };
  box.onpointerenter = box.onfocusin = () => clearTimeout(timer);
  box.onpointerleave = box.onfocusout = later;
  box.hidden = false;
  say(text);
  later();
}
