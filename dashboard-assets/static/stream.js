// A shared worker that holds one stream of events for all windows of a browser.
// A browser opens six connections to one address for all of its windows: with a stream each, the seventh would never load.
import { makeLine } from './line.js';

// Windows that come, go or turn at the same time are one change of the stream.
const SETTLE_MS = 50;
// A window that is closed or hidden says so. A crashed one does not; a visible one speaks twice a second.
const GONE_AFTER_MS = 10_000;
// The visible windows: what each looks at, and when it spoke last.
const readers = new Map();
let views = [];
let settling = 0;

const sharedLine = makeLine(
  ({ data, lastEventId, type }) => publish({ type, data, view: views[lastEventId] }),
  waitMs => publish({ type: 'fail', waitMs }),
);

self.onconnect = ({ ports }) => {
  ports[0].onmessage = ({ data }) => hear(ports[0], data);
};

// To the windows that look at the message's view; a message without one goes to all.
function publish(message) {
  for (const [port, { view }] of readers) if (!message.view || message.view === view) port.postMessage(message);
}

// `view` is empty when the window is not looked at any more; `isAnew` asks for whole values.
function hear(port, { view, root, isAnew }) {
  const nowMs = Date.now();
  if (view) readers.set(port, { view, heardMs: nowMs });
  else readers.delete(port);
  for (const [other, { heardMs }] of readers) if (nowMs - heardMs > GONE_AFTER_MS) readers.delete(other);
  if (isAnew || wanted().join() !== views.join()) settling ||= setTimeout(turnTo, SETTLE_MS, root);
}

const wanted = () => [...new Set([...readers.values()].map(({ view }) => view))];

// Opens the stream of all that is looked at. The number of a view is its place in the address.
function turnTo(root) {
  settling = 0;
  views = wanted();
  const parts = views.map(view => `view=${encodeURIComponent(view)}`);
  if (views.length) sharedLine.dial(`${root}events/shared?${parts.join('&')}`);
  else sharedLine.hangUp();
}
