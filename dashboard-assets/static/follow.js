// Updates the recent requests until the reader interacts with them: rows must not move under a pointer.
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
  // The reader may have started to interact during the request.
  if (answer && isLeftAlone()) for (const id in answer.c) set(id, answer.c[id]);
  setTimeout(followOnce, answer?.again_ms ?? FOLLOW_MS);
}

const isLeftAlone = () => requestsCard.getBoundingClientRect().top >= 0
  && !requestsCard.querySelector('tbody').matches(':hover, :focus-within') && $('pause').ariaPressed !== 'true';
