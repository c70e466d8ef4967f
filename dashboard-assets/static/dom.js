// Short names for what all the others do with the page.
export const $ = id => document.getElementById(id);
// Where the dashboard's root is, relative to this page: a proxy may serve it under any path.
export const base = document.body.dataset.root;
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];
export const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
export const onClick = (selector, act) => document.addEventListener('click', event => {
  const found = event.target.closest(selector);
  if (found) act(found, event);
});

// Marks an element as waiting once that takes longer than anybody waits unawares, which shows the shape of what is to come.
// What it returns ends that, and tells whether it had come so far. Whoever waits anew ends the older wait first.
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

// As many clones of a template's one element in `list` as there are entries; `each` fills one of them.
export function repeat(list, template, entries, each) {
  while (list.children.length > entries.length) list.lastElementChild.remove();
  while (list.children.length < entries.length) list.append(document.importNode(template.content, true));
  entries.forEach((entry, at) => each(list.children[at], entry, at));
}
