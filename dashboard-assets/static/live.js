// Keeps one stream of events open while the page is looked at: a hidden tab holds none.
const LOST_AFTER_MS = 3000;
const DEAD_AFTER_MS = 10_000;
const REDIAL_MS = 3000;
let source = null;
let heardMs = Date.now();
let lastKnown = '';
let redialing = 0;
let dueMs = 0;
let addressOf = null;
let taking = null;
let changing = null;

// `address()` tells which stream, `take(message, isWhole)` gets what arrives, `change(name)` hears of `live` and `lost`.
export function startLive(address, take, change) {
  addressOf = address;
  taking = take;
  changing = change;
  setInterval(() => {
    const silentMs = Date.now() - heardMs;
    if (document.hidden || silentMs < LOST_AFTER_MS) return;
    become('lost');
    // A path that died without a word looks open to the browser for ever.
    if (source.readyState === EventSource.OPEN && silentMs > DEAD_AFTER_MS) dial();
  }, 500);
  document.addEventListener('visibilitychange', () => (document.hidden ? hangUp : dial)());
  // A tab that was opened in the background waits: a browser has six connections for all tabs together.
  // Numbers come with the page: that they move can wait until it is seen.
  if (!document.hidden) requestAnimationFrame(() => setTimeout(dial));
}

export const secondsLeft = () => Math.ceil((dueMs - Date.now()) / 1000);
export const secondsSilent = () => Math.max(1, Math.round((Date.now() - heardMs) / 1000));

export function dial() {
  hangUp();
  if (lastKnown !== 'lost') heardMs = Date.now();
  source = new EventSource(addressOf());
  source.addEventListener('snap', arrived);
  source.addEventListener('tick', arrived);
  // The browser would dial again by itself, and not say when.
  source.onerror = ({ target }) => {
    if (target !== source) return;
    hangUp();
    const waitMs = REDIAL_MS * (1 + Math.random());
    dueMs = Date.now() + waitMs;
    redialing = setTimeout(dial, waitMs);
    // A session that is over does not come back by waiting.
    fetch(addressOf(), { method: 'HEAD' }).then(({ status }) => status === 401 && location.reload(), () => {});
  };
}

function hangUp() {
  clearTimeout(redialing);
  source?.close();
}

function arrived({ data, type }) {
  heardMs = Date.now();
  taking(JSON.parse(data), type === 'snap');
  become('live');
}

function become(now) {
  if (now !== lastKnown) changing(lastKnown = now);
}
