// Puts named texts and attributes into a dialog that was there from the start.
export function fill(root, values) {
  for (const place of root.querySelectorAll('[data-k]')) {
    const text = values[place.dataset.k];
    if (text !== undefined && place.textContent !== String(text)) place.textContent = text;
  }
  for (const place of root.querySelectorAll('[data-a]')) {
    const [attribute, key] = place.dataset.a.split('=');
    if (values[key] !== undefined) place.setAttribute(attribute, values[key]);
  }
}

// As many clones of a template's one element in `list` as there are entries; `each` fills one of them.
export function list(list, template, entries, each) {
  while (list.children.length > entries.length) list.lastElementChild.remove();
  while (list.children.length < entries.length) list.append(document.importNode(template.content, true));
  entries.forEach((entry, at) => each(list.children[at], entry));
}
