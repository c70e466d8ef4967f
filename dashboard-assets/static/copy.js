// Copies what a button names, also where the page came over plain HTTP and the browser has no clipboard for scripts.
import { $, all, onClick } from './dom.js';
import { say } from './say.js';

export function startCopies() {
  for (const button of all('[data-copy]')) button.hidden = false;
  onClick('[data-copy]', async ({ dataset }) => {
    const source = $(dataset.copy);
    getSelection().selectAllChildren(source);
    const isDone = await navigator.clipboard?.writeText(source.textContent).then(() => true, () => false);
    say(isDone || document.execCommand('copy') ? 'Copied.' : 'Selected: copy it by keyboard.');
  });
}
