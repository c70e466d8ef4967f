// Streams live values to a visible page; a hidden page holds no stream.
//
// A shared worker holds one stream for all windows of the browser. Without shared workers each window opens its own
// stream, as long as the browser has connections left for other requests.
import { base } from './dom.js';
import { makeLine } from './line.js';

const LOST_AFTER_MS = 3000;
const DEAD_AFTER_MS = 10_000;
const CHECK_MS = 500;
// Maximum windows with their own stream: a browser opens six connections to one address for all windows together.
const OWN_MAX = 4;
const CENSUS_MS = 150;
const CROWDED_RETRY_MS = 3000;
// The other windows that have a stream of their own, by a name that each makes for itself.
const liveElsewhere = new Set();
let stream = null;
let workerPolicy = null;
let looksAt = '';
let heardMs = Date.now();
let dialedMs = 0;
let dueMs = 0;
let lastKnown = '';
let isAsked = false;
let addressOf = null;
let taking = null;
let changing = null;

// `address()` returns the stream's address, relative to the dashboard's root. `change(name)` is called with `live` and
// `lost`. `take(message, isWhole, isAsked)` receives the messages.
export function startLive(address, take, change) {
  addressOf = address;
  taking = take;
  changing = change;
  stream = sharedStream() ?? ownStream();
  setInterval(check, CHECK_MS);
  document.addEventListener('visibilitychange', () => (document.hidden ? hangUp : dial)());
  addEventListener('pagehide', hangUp);
  // A window opened in the background waits until it is visible: its numbers came with the page.
  if (!document.hidden) requestAnimationFrame(() => setTimeout(dial));
}

export const secondsLeft = () => Math.ceil((dueMs - Date.now()) / 1000);
export const secondsSilent = () => Math.max(1, Math.round((Date.now() - heardMs) / 1000));
// Advice for a window that gets no stream; empty if it may have one.
export const advice = () => (liveElsewhere.size < OWN_MAX ? '' : `${liveElsewhere.size} other windows of this browser are `
  + 'live, and it opens at most six connections to one address. Close one of them, or serve the dashboard through a proxy '
  + 'with HTTP/2.');

export function dial() {
  dialedMs = Date.now();
  if (lastKnown !== 'lost') heardMs = dialedMs;
  isAsked = true;
  looksAt = addressOf();
  stream.dial(looksAt);
}

const hangUp = () => stream.hangUp();

function check() {
  if (document.hidden) return;
  stream.remind?.();
  if (Date.now() - heardMs < LOST_AFTER_MS) return;
  become('lost');
  // A connection that died silently looks open to the browser for ever, and so does a crashed worker.
  if (Date.now() - Math.max(heardMs, dialedMs, dueMs) < DEAD_AFTER_MS) return;
  hangUp();
  stream = sharedStream() ?? stream;
  dial();
}

// The stream shared by all windows of this browser; null without shared workers.
function sharedStream() {
  if (!window.SharedWorker) return null;
  const url = new URL('stream.js', import.meta.url).href;
  const rules = { createScriptURL: () => url };
  workerPolicy ??= window.trustedTypes?.createPolicy('sitio-stream', rules) ?? rules;
  const worker = new SharedWorker(workerPolicy.createScriptURL(''));
  const { port } = worker;
  const root = new URL(base, location).href;
  const ask = (view, isAnew) => port.postMessage({ view, root, isAnew });
  worker.onerror = () => {
    stream = ownStream();
    dial();
  };
  port.addEventListener('message', ({ data }) => {
    if (data.type === 'fail') failed(data.waitMs);
    // Messages of an earlier view may still arrive.
    else if (data.view === looksAt) arrived(data);
  });
  port.start();
  return { dial: view => ask(view, true), hangUp: () => ask(''), remind: () => ask(looksAt) };
}

// This window's own stream, unless enough other windows have one.
function ownStream() {
  const line = makeLine(arrived, failed);
  const others = new BroadcastChannel('sitio-live');
  const ownName = `${Math.random()}`;
  let isLive = false;
  let counting = 0;
  others.onmessage = ({ data }) => {
    if (data !== 'who') liveElsewhere.add(data);
    else if (isLive) others.postMessage(ownName);
  };
  const stop = () => {
    clearTimeout(counting);
    isLive = false;
    line.hangUp();
  };
  const start = view => {
    stop();
    liveElsewhere.clear();
    others.postMessage('who');
    counting = setTimeout(() => {
      isLive = !advice();
      if (isLive) return line.dial(base + view);
      become('lost');
      dueMs = Date.now() + CROWDED_RETRY_MS;
      counting = setTimeout(start, CROWDED_RETRY_MS, view);
    }, CENSUS_MS);
  };
  return { dial: start, hangUp: stop };
}

function failed(waitMs) {
  dueMs = Date.now() + waitMs;
  // If the session expired, reload to sign in; waiting does not help.
  fetch(base + looksAt, { method: 'HEAD' }).then(({ status }) => status === 401 && location.reload(), () => {});
}

function arrived({ data, type }) {
  const isWhole = type === 'snap';
  heardMs = Date.now();
  taking(JSON.parse(data), isWhole, isAsked);
  if (isWhole) isAsked = false;
  become('live');
}

function become(now) {
  if (now !== lastKnown) changing(lastKnown = now);
}
