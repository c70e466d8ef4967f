// The progress of a rule: each pod's receipt as it comes in.
import { ask, post } from './ask.js';
import { fill, list } from './fill.js';
import { fail, say, settle } from './say.js';

const $ = id => document.getElementById(id);
const WAITING_MS = 250;
const SETTLED_MS = 1000;
const dialog = $('progress');
let timer = 0;
let said = '';

export async function openProgress(rule) {
  dialog.dataset.rule = rule;
  said = '';
  settle($('progress-failed'));
  await look(rule);
  if (!dialog.open && dialog.dataset.rule === rule) dialog.showModal();
}

// Asks, shows, and asks again for as long as the dialog is open.
async function look(rule) {
  clearTimeout(timer);
  let progress = null;
  try {
    progress = await ask(`/rules/${encodeURIComponent(rule)}/progress`);
    show(progress);
  } catch (error) {
    fail('The progress is not known.', error.message, $('progress-failed'));
  }
  timer = setTimeout(() => {
    if (dialog.open && dialog.dataset.rule === rule) look(rule);
  }, progress?.is_waiting ? WAITING_MS : SETTLED_MS);
}

function show(progress) {
  fill(dialog, progress);
  list($('acks'), $('ack'), progress.pods, (item, { pod, kind, words }) => {
    const [name, word] = item.querySelectorAll('span');
    item.dataset.kind = kind;
    if (name.textContent !== pod) name.textContent = pod;
    if (word.textContent !== words) word.textContent = words;
  });
  $('take-back').hidden = !progress.is_in_force;
  $('send-again').hidden = !progress.is_waiting && !progress.refused;
  if (progress.title !== said) {
    said = progress.title;
    say(`${progress.endpoint}: ${progress.title}`);
  }
}

$('send-again').addEventListener('click', async () => {
  const { rule } = dialog.dataset;
  settle($('progress-failed'));
  try {
    await post(`/api/v1/rules/${encodeURIComponent(rule)}/resend`);
    say('Sent again.');
  } catch (error) {
    fail('It was not sent again.', error.message, $('progress-failed'));
  }
});
dialog.addEventListener('close', () => { clearTimeout(timer); delete dialog.dataset.rule; });
