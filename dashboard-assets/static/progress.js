// The progress of a rule: each pod's receipt as it comes in.
import { ask, rulesAddress } from './ask.js';
import { paint, set } from './cells.js';
import { $, onClick, repeat, write } from './dom.js';
import { fail, say, settle } from './say.js';

const WAITING_MS = 250;
const SETTLED_MS = 1000;
const progress = $('progress');
let look = 0;
let saidTitle = '';

export const howFar = rule => ask(`/rules/${rule}/progress`);

// Asks, shows, and asks again for as long as the dialog is open.
export async function openProgress(rule) {
  const banner = $('progress-failed');
  let pauseMs = SETTLED_MS;
  clearTimeout(look);
  try {
    const far = await howFar(rule);
    settle(banner);
    show(far);
    if (far.is_waiting) pauseMs = WAITING_MS;
  } catch (error) {
    fail('The progress is not known.', error.message, banner);
  }
  if (!progress.open) progress.showModal();
  look = setTimeout(() => { if (progress.open) openProgress(rule); }, pauseMs);
}

function show(far) {
  set('progress', far);
  paint('progress');
  repeat($('acks'), $('ack'), far.pods, (item, { pod, kind, words }) => {
    const [first, second] = item.querySelectorAll('span');
    item.dataset.kind = kind;
    write(first, pod);
    write(second, words);
  });
  $('take-back').hidden = !far.is_in_force;
  $('send-again').hidden = !far.is_waiting && !far.refused;
  if (far.title !== saidTitle) say(`${far.endpoint}: ${saidTitle = far.title}`);
}

export const startProgress = () => onClick('#send-again', async () => {
  try {
    await ask(`${rulesAddress}/${progress.dataset.rule}/resend`, 'POST');
    say('Sent again.');
  } catch (error) {
    fail('It was not sent again.', error.message, $('progress-failed'));
  }
});
