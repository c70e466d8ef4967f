// The dialog that turns an endpoint off: what it costs now, where, for how long, what callers get, and why.
import { ask, post } from './ask.js';
import { at } from './clock.js';
import { fill, list } from './fill.js';
import { openProgress } from './progress.js';
import { fail, settle } from './say.js';

const $ = id => document.getElementById(id);
const HOURS = { '15m': 0.25, '1h': 1, '4h': 4 };
const dialog = $('off');
const form = dialog.querySelector('form');
const go = dialog.querySelector('[data-k="go"]');
let impact = null;

export async function openTurnOff(id, window) {
  try {
    impact = await ask(`/endpoints/${encodeURIComponent(id)}/impact?window=${encodeURIComponent(window)}`);
  } catch (error) {
    return fail('The endpoint is still on.', error.message);
  }
  form.reset();
  settle($('off-failed'));
  fill(dialog, impact);
  list($('picks'), $('pick'), impact.names, (item, name) => {
    item.querySelector('input').value = name;
    item.querySelector('span').textContent = name;
  });
  words();
  dialog.showModal();
  $('reason').focus({ preventScroll: true });
}

// The words that depend on what is chosen.
function words() {
  const isChosen = form.elements.where.value === 'chosen';
  const hours = HOURS[form.elements.ttl.value];
  const pods = isChosen ? chosen().length : impact.names.length;
  $('chosen').hidden = !isChosen;
  $('where-help').textContent = isChosen ? 'Only these. Pods that join later stay on.' : 'Pods that join later get it too.';
  $('ttl-help').textContent = hours ? at(Date.now() + hours * 3_600_000) : 'Until somebody turns it on again.';
  go.textContent = `Turn off on ${pods} ${pods === 1 ? 'pod' : 'pods'}`;
  go.disabled = isChosen && pods === 0;
}

const chosen = () => [...$('picks').querySelectorAll('input:checked')].map(box => box.value);

form.addEventListener('change', words);
form.addEventListener('submit', async event => {
  event.preventDefault();
  const { where, ttl, status, reason } = form.elements;
  reason.value = reason.value.trim();
  if (!form.reportValidity()) return;
  const command = { ...impact.command, action: { disable: { status: Number(status.value) } }, reason: reason.value };
  if (where.value === 'chosen') command.pods = chosen();
  if (ttl.value) command.ttl = ttl.value;
  go.disabled = true;
  try {
    const { id } = await post('/api/v1/rules', command);
    dialog.close();
    openProgress(id);
  } catch (error) {
    fail(`${impact.endpoint} is still on.`, error.message, $('off-failed'));
  } finally {
    go.disabled = false;
  }
});
