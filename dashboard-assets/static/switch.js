// The switch: turning off opens a dialog, turning on acts at once. Both show only what pods have confirmed.
import { ask, rulesAddress } from './ask.js';
import { $, onClick } from './dom.js';
import { howFar, openProgress, startProgress } from './progress.js';
import { fail, settle, toast } from './say.js';
import { openTurnOff, startTurnOff } from './turn-off.js';

// Pods confirm within some tens of milliseconds; the toast says how many have by then.
const CONFIRM_MS = 400;

export function startSwitches() {
  // A static page cannot show confirmations: its forms lead to a page that can.
  if (document.body.dataset.live === 'no') return;
  startProgress();
  startTurnOff();
  // A viewer's switches are disabled, and the server refuses its commands.
  onClick('.sw, [data-ends], #turn', (button, event) => {
    event.preventDefault();
    if (button.ariaDisabled !== 'true') turnOver(button.dataset);
  });
  onClick('li[data-rule]:not([data-rule=""]), p[data-rule]', (item, event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openProgress(item.dataset.rule);
  });
  onClick('#take-back', () => turnOn($('progress').dataset.rule, $('progress-failed')));
}

function turnOver({ switch: now, rule, ends, id }) {
  settle();
  if (ends || now === 'off') turnOn(ends ?? rule);
  else if (/^(turning-off|partly-on)$/.test(now)) openProgress(rule);
  else openTurnOff(id);
}

// Ends a rule, and offers to create it again.
async function turnOn(rule, banner) {
  let before = null;
  try {
    before = await howFar(rule);
    // The rule covers more than the visible endpoint, so show it first.
    if (before.is_wide && !banner) return openProgress(rule);
    await ask(`${rulesAddress}/${rule}`, 'DELETE');
  } catch (error) {
    // The rule ended before: by another person, by a first click, or by its expiry.
    if (/:ended$/.test(error.kind)) return openProgress(rule);
    return fail(`${before?.endpoint ?? 'The endpoint'} ${error.kind ? 'was not turned on' : 'may be on'}.`, error, banner);
  }
  await new Promise(done => { setTimeout(done, CONFIRM_MS); });
  toast((await howFar(rule).catch(() => before)).ending, async () => {
    try {
      openProgress((await ask(rulesAddress, 'POST', before.again)).id);
    } catch (error) {
      fail(`${before.endpoint} stays on.`, error);
    }
  });
}
