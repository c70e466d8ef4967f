// Recent requests that follow what happens, until the reader turns to them: rows must not move under an eye or a pointer.
import { ask } from './ask.js';
import { set } from './cells.js';
import { $ } from './dom.js';

const FOLLOW_MS = 2000;
const requestsCard = $('requests');

export function startFollowing() {
  if (!requestsCard || document.body.dataset.live === 'no') return;
  followOnce();
}

async function followOnce() {
  const answer = !document.hidden && isLeftAlone()
    && await ask(`${location.pathname}/requests?history=${requestsCard.dataset.show}`).catch(() => null);
  // The reader may have come while the pods were asked.
  if (answer && isLeftAlone()) for (const id in answer.c) set(id, answer.c[id]);
  setTimeout(followOnce, answer?.again_ms ?? FOLLOW_MS);
}

const isLeftAlone = () => requestsCard.getBoundingClientRect().top >= 0
  && !requestsCard.querySelector('tbody').matches(':hover, :focus-within') && $('pause').ariaPressed !== 'true';
