// An event stream that reconnects after a failure.
const REDIAL_MS = 3000;

// `take(event)` receives the events; `fail(waitMs)` is called after a failure with the time until the next attempt.
export function makeLine(take, fail) {
  let source = null;
  let redialing = 0;
  const hangUp = () => {
    clearTimeout(redialing);
    source?.close();
    source = null;
  };
  const dial = address => {
    hangUp();
    source = new EventSource(address);
    source.addEventListener('snap', take);
    source.addEventListener('tick', take);
    // The browser would reconnect by itself, without reporting when.
    source.onerror = ({ target }) => {
      if (target !== source) return;
      hangUp();
      const waitMs = REDIAL_MS * (1 + Math.random());
      redialing = setTimeout(dial, waitMs, address);
      fail(waitMs);
    };
  };
  return { dial, hangUp };
}
