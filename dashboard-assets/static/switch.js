// The switch: Off asks first, On acts at once; neither shows anything that pods have not confirmed.
import { openProgress } from './progress.js';
import { openTurnOff } from './turn-off.js';
import { ask, post, take } from './ask.js';
import { fail, settle, toast } from './say.js';

export function startSwitches(window) {
  document.addEventListener('click', event => {
    const button = event.target.closest('.sw');
    if (button) {
      event.preventDefault();
      if (button.getAttribute('aria-disabled') !== 'true') turn(button, window());
    }
    const item = event.target.closest('.attn li[data-rule]:not([data-rule=""])');
    if (item && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      openProgress(item.dataset.rule);
    }
  });
  for (const dialog of document.querySelectorAll('dialog')) {
    dialog.addEventListener('click', event => {
      if (event.target === dialog || event.target.closest('[data-close]')) dialog.close();
    });
  }
  document.getElementById('take-back').addEventListener('click', event => {
    const { rule } = event.target.closest('dialog').dataset;
    turnOn(rule, document.getElementById('progress-failed'));
  });
}

function turn(button, window) {
  settle();
  switch (button.dataset.switch) {
    case 'off': return turnOn(button.dataset.rule);
    case 'turning-off': return openProgress(button.dataset.rule);
    default: return openTurnOff(button.closest('[data-cells]').dataset.cells, window);
  }
}

// Withdraws a rule, and offers to make the same again.
async function turnOn(rule, banner) {
  let before = null;
  try {
    before = await ask(`/rules/${encodeURIComponent(rule)}/progress`);
    await take(`/api/v1/rules/${encodeURIComponent(rule)}`);
  } catch (error) {
    return fail(`${before?.endpoint ?? 'The endpoint'} is still off.`, error.message, banner);
  }
  toast(`${before.endpoint} is turning on`, async () => {
    try {
      const { id } = await post('/api/v1/rules', before.again);
      openProgress(id);
    } catch (error) {
      fail(`${before.endpoint} stays on.`, error.message);
    }
  });
}
