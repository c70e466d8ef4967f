// The dialog that turns an endpoint off: impact, pods, duration, response to callers, and reason.
import { ask, rulesAddress } from './ask.js';
import { paint, set } from './cells.js';
import { shortTime } from './clock.js';
import { $, all, base, repeat, wait, write } from './dom.js';
import { query } from './page.js';
import { openProgress } from './progress.js';
import { fail, settle } from './say.js';

const MINUTES = { '15m': 15, '1h': 60, '4h': 240 };
const turnOff = $('off');
const order = turnOff?.querySelector('form');
let impact = null;
let asked = null;
let impactArrived = null;

export async function openTurnOff(id) {
  asked = id;
  impactArrived?.();
  // Reset before the dialog is visible, so that text typed while its numbers load is kept.
  order.reset();
  impact = null;
  const mine = impactArrived = wait(turnOff, () => {
    $('go').disabled = true;
    turnOff.showModal();
  });
  const answer = await weigh('').catch(error => ({ error }));
  // Another endpoint was chosen in the meantime.
  if (mine !== impactArrived) return;
  const isShown = impactArrived();
  // The user closed the dialog in the meantime.
  if (isShown && !turnOff.open) return;
  if (answer.error) {
    turnOff.close();
    return fail('The endpoint is still on.', answer.error);
  }
  settle($('off-failed'));
  repeat($('scopes'), $('scope'), answer.scopes, ({ firstChild, lastChild }, [prefix, words], at) => {
    firstChild.value = prefix;
    firstChild.checked = !at;
    write(lastChild, words);
  });
  showImpact(answer);
  if (!isShown) turnOff.showModal();
  order.elements.reason.focus();
}

// Fetches the impact of turning off the endpoint, or everything under a prefix.
function weigh(prefix) {
  const address = new URL(`${base}endpoints/${asked}/impact${query()}`, location);
  if (prefix) address.searchParams.set('prefix', prefix);
  return ask(address);
}

function fillCalls(id, entries) {
  repeat($(id), $('caller'), entries, ({ firstChild, lastChild }, [name, words]) => {
    write(firstChild, name);
    write(lastChild, words);
  });
}

function showImpact(answer) {
  impact = answer;
  set('off', impact);
  paint('off');
  repeat($('picks'), $('pick'), impact.names, (item, pod) => {
    item.querySelector('input').value = pod;
    write(item.querySelector('span'), pod);
  });
  $('pick-find').value = '';
  showPicks();
  fillCalls('reach', impact.endpoints);
  fillCalls('callers', impact.callers);
  repeat($('warns'), $('warn'), impact.warnings, write);
  $('health').hidden = !impact.health;
  explain();
}

async function choose(event) {
  const { name, value } = event.target;
  if (name !== 'prefix') return explain();
  $('go').disabled = true;
  const answer = await weigh(value).catch(error => ({ error }));
  // Another scope was chosen in the meantime.
  if (order.elements.prefix.value !== value) return;
  if (answer.error) fail('The impact of this choice is unknown.', answer.error, $('off-failed'));
  else showImpact(answer);
}

// Shows the pods whose name contains the typed text; chosen pods stay chosen.
function showPicks() {
  const typed = $('pick-find').value.trim().toLowerCase();
  for (const item of $('picks').children) item.hidden = !item.textContent.toLowerCase().includes(typed);
}

const picked = () => all('input:checked', $('picks')).map(box => box.value);

// Updates the texts that depend on the choices, once the impact is known.
function explain() {
  if (!impact) return;
  const { where, ttl } = order.elements;
  const isPicked = where.value === 'chosen';
  const minutes = MINUTES[ttl.value] ?? 0;
  const pods = (isPicked ? picked() : impact.names).length;
  write($('ttl-help'), `At ${shortTime(Date.now() + minutes * 60_000)}`);
  write($('picked'), `${picked().length} of ${impact.names.length} chosen`);
  write($('go'), `Turn off on ${pods} ${pods === 1 ? 'pod' : 'pods'}`);
  $('go').disabled = isPicked && !pods;
}

async function send(event) {
  event.preventDefault();
  const { where, ttl, status, reason, override } = order.elements;
  reason.value = reason.value.trim();
  if (!order.reportValidity()) return;
  $('go').disabled = true;
  try {
    const { id } = await ask(rulesAddress, 'POST', {
      ...impact.command,
      action: { disable: { status: +status.value } },
      reason: reason.value,
      pods: where.value === 'chosen' ? picked() : undefined,
      override_protected: override.checked,
      ttl: ttl.value || undefined,
    });
    turnOff.close();
    openProgress(id);
  } catch (error) {
    fail(`${impact.endpoint} ${error.kind ? 'was not turned off' : 'may be off'}.`, error, $('off-failed'));
  }
  $('go').disabled = false;
}

export function startTurnOff() {
  order?.addEventListener('change', choose);
  $('pick-find')?.addEventListener('input', showPicks);
  // Enter must not submit the form.
  $('pick-find')?.addEventListener('keydown', event => { if (event.key === 'Enter') event.preventDefault(); });
  order?.addEventListener('submit', send);
}
