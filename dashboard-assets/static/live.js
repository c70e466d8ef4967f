// Keeps one stream of events open while the page is looked at: a hidden tab holds none.
const LOST_AFTER_MS = 3000;
const RETRY_MS = 2000;

// `address()` tells which stream, `take(message, isWhole)` gets what arrives, `state(name)` hears of `live` and `lost`.
export function live({ address, take, state }) {
  let source = null;
  let heardMs = Date.now();
  let known = '';
  let retry = 0;

  const change = to => { if (to !== known) state(known = to); };

  function arrived({ data, type }) {
    heardMs = Date.now();
    take(JSON.parse(data), type === 'snap');
    change('live');
  }

  function open() {
    close();
    if (known !== 'lost') heardMs = Date.now();
    source = new EventSource(address());
    source.addEventListener('snap', arrived);
    source.addEventListener('tick', arrived);
    // The browser dials again by itself, except after an answer that was no stream.
    source.onerror = ({ target }) => {
      if (target.readyState !== EventSource.CLOSED || target !== source) return;
      retry = setTimeout(open, RETRY_MS * (1 + Math.random()));
      // A session that the control plane has forgotten does not come back by waiting.
      fetch(address(), { method: 'HEAD' }).then(({ status }) => status === 401 && location.reload(), () => {});
    };
  }

  function close() {
    clearTimeout(retry);
    source?.close();
  }

  setInterval(() => { if (!document.hidden && Date.now() - heardMs > LOST_AFTER_MS) change('lost'); }, 500);
  document.addEventListener('visibilitychange', () => (document.hidden ? close : open)());
  open();
  return { open, silentSeconds: () => Math.max(1, Math.round((Date.now() - heardMs) / 1000)) };
}
