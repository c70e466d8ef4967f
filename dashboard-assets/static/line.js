// One stream of events that dials again by itself after a failure.
const REDIAL_MS = 3000;

// `take(event)` gets what arrives; `fail(waitMs)` is called after a failure with the time until the next attempt.
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
    // The browser would dial again by itself, and not say when.
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
