// Copies the element that a button names, also over plain HTTP, where browsers offer scripts no clipboard.
import { $, all, onClick } from './dom.js';
import { say } from './say.js';

export function startCopies() {
  for (const button of all('[data-copy]')) button.hidden = false;
  onClick('[data-copy]', async ({ dataset }) => {
    const source = $(dataset.copy);
    getSelection().selectAllChildren(source);
    const isDone = await navigator.clipboard?.writeText(source.textContent).then(() => true, () => false);
    say(isDone || document.execCommand('copy') ? 'Copied.' : 'Selected: copy it with the keyboard.');
  });
}
