// A shared worker that holds one stream of events for all windows of a browser.
// A browser opens six connections to one address for all windows: with a stream each, the seventh would never load.
import { makeLine } from './line.js';

// Views that change within this time cause one change of the stream.
const SETTLE_MS = 50;
// A closed or hidden window sends a message. A crashed one does not; a visible one sends a message twice a second.
const GONE_AFTER_MS = 10_000;
// The visible windows: the view of each, and the time of its last message.
const readers = new Map();
let views = [];
let settling = 0;

const sharedLine = makeLine(
  ({ data, lastEventId, type }) => publish({ type, data, view: views[lastEventId] }),
  waitMs => publish({ type: 'fail', waitMs }),
);

self.onconnect = ({ ports }) => {
  ports[0].onmessage = ({ data }) => receive(ports[0], data);
};

// Sends a message to the windows of its view; a message without a view goes to all.
function publish(message) {
  for (const [port, { view }] of readers) if (!message.view || message.view === view) port.postMessage(message);
}

// `view` is empty when the window is no longer visible; `isAnew` requests whole values.
function receive(port, { view, root, isAnew }) {
  const nowMs = Date.now();
  if (view) readers.set(port, { view, heardMs: nowMs });
  else readers.delete(port);
  for (const [other, { heardMs }] of readers) if (nowMs - heardMs > GONE_AFTER_MS) readers.delete(other);
  if (isAnew || wanted().join() !== views.join()) settling ||= setTimeout(turnTo, SETTLE_MS, root);
}

const wanted = () => [...new Set([...readers.values()].map(({ view }) => view))];

// Opens the stream of all wanted views. The number of a view is its position in the address.
function turnTo(root) {
  settling = 0;
  views = wanted();
  const parts = views.map(view => `view=${encodeURIComponent(view)}`);
  if (views.length) sharedLine.dial(`${root}events/shared?${parts.join('&')}`);
  else sharedLine.hangUp();
}
