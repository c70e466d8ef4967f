// Keeps one stream of events open while the page is looked at: a hidden tab holds none.
const LOST_AFTER_MS = 3000;
const RETRY_MS = [1000, 5000];

// `address()` tells which stream, `take(message, isWhole)` gets what arrives, `state(name, last)` hears
// of `live` and `lost`, at most once each time.
export function live({ address, take, state }) {
  let source = null;
  let heard = Date.now();
  let taken = 0;
  let now = '';
  let retry = 0;

  const tell = name => { if (name !== now) { now = name; state(name, taken); } };

  function arrived(event) {
    heard = Date.now();
    const message = JSON.parse(event.data);
    taken = message.t;
    take(message, event.type === 'snap');
    tell('live');
  }

  function open() {
    close();
    heard = Math.max(heard, now === 'lost' ? 0 : Date.now());
    source = new EventSource(address());
    source.addEventListener('snap', arrived);
    source.addEventListener('tick', arrived);
    // The browser dials again by itself, except after an answer that was no stream.
    source.onerror = event => {
      if (event.target.readyState !== EventSource.CLOSED || event.target !== source) return;
      retry = setTimeout(open, RETRY_MS[0] + Math.random() * (RETRY_MS[1] - RETRY_MS[0]));
    };
  }

  function close() {
    clearTimeout(retry);
    source?.close();
    source = null;
  }

  setInterval(() => { if (source && Date.now() - heard > LOST_AFTER_MS) tell('lost'); }, 500);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) close(); else open();
  });
  addEventListener('pagehide', close);
  addEventListener('pageshow', event => { if (event.persisted) open(); });
  open();
  return { open, heardMs: () => heard };
}
