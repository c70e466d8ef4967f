// The progress dialog of a rule: each pod's receipt as it arrives.
import { ask, rulesAddress } from './ask.js';
import { paint, set } from './cells.js';
import { $, base, onClick, repeat, wait, write } from './dom.js';
import { fail, say, settle } from './say.js';

const WAITING_MS = 250;
const SETTLED_MS = 1000;
const progress = $('progress');
let look = 0;
let watched = 0;
let farArrived = null;

export const howFar = rule => ask(`${base}rules/${rule}/progress`);

// Polls and shows the progress while the dialog is open and shows this rule.
export async function openProgress(rule, before) {
  clearTimeout(look);
  const opening = before ?? (watched += 1);
  const banner = $('progress-failed');
  if (!before) {
    farArrived?.();
    farArrived = wait(progress, () => progress.showModal());
  }
  const far = await howFar(rule).catch(error => ({ error }));
  if (opening !== watched) return;
  const isShown = farArrived() || before;
  if (isShown && !progress.open) return;
  if (far.error) fail('The progress is unknown.', far.error, banner);
  else {
    settle(banner);
    show(far);
  }
  if (!isShown) progress.showModal();
  look = setTimeout(openProgress, far.is_waiting ? WAITING_MS : SETTLED_MS, rule, opening);
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
}

export const startProgress = () => onClick('#send-again', () => ask(`${rulesAddress}/${progress.dataset.rule}/resend`, 'POST').then(
  () => say('Sent again.'),
  error => fail('The rule was not sent again.', error, $('progress-failed')),
));
