// DOM helpers for all other modules.
export const $ = id => document.getElementById(id);
// The dashboard's root relative to this page; a proxy may serve it under any path.
export const base = document.body.dataset.root;
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
export const onClick = (selector, act) => document.addEventListener('click', event => {
  const found = event.target.closest(selector);
  if (found) act(found, event);
});

// Marks an element as busy if a wait takes longer than people notice; it then shows placeholders.
// Returns a function that ends the wait and returns whether it was noticed. End an older wait before a new one.
const UNAWARES_MS = 300;
export function wait(element, begin) {
  let isNoticed = false;
  const timer = setTimeout(() => {
    isNoticed = element.ariaBusy = true;
    begin?.();
  }, UNAWARES_MS);
  return () => {
    clearTimeout(timer);
    element.ariaBusy = null;
    return isNoticed;
  };
}

// Keeps one clone of the template's element in `list` per entry; `each` fills a clone.
export function repeat(list, template, entries, each) {
  while (list.children.length > entries.length) list.lastElementChild.remove();
  while (list.children.length < entries.length) list.append(document.importNode(template.content, true));
  entries.forEach((entry, at) => each(list.children[at], entry, at));
}
