// The switch: Off asks first, On acts at once; neither shows anything that pods have not confirmed.
import { ask, rulesAddress } from './ask.js';
import { $, onClick } from './dom.js';
import { howFar, openProgress, startProgress } from './progress.js';
import { fail, settle, toast } from './say.js';
import { openTurnOff, startTurnOff } from './turn-off.js';

// Pods confirm within some tens of milliseconds; whoever does not is told of.
const CONFIRM_MS = 400;

export function startSwitches() {
  // A page that stands still cannot show what pods confirm: its forms lead to one that can.
  if (document.body.dataset.live === 'no') return;
  startProgress();
  startTurnOff();
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

// Withdraws a rule, and offers to make the same again.
async function turnOn(rule, banner) {
  let before = null;
  try {
    before = await howFar(rule);
    // It would turn on more than one is looking at, so it is shown first.
    if (before.is_wide && !banner) return openProgress(rule);
    await ask(`${rulesAddress}/${rule}`, 'DELETE');
  } catch (error) {
    // Somebody else was faster, or a first click, or its time was over.
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
