// Redraws a region, and keeps the reader's focus, selected text, scroll position and open details.

const FOCUSABLE = "a, button, input, select, [tabindex], summary";
const SCROLLED = ".queue-scroll, .queue-code";

// Returns false if nothing was drawn, because text in the region is selected.
export function redraw(region, content) {
  const selection = document.getSelection();
  if (!selection.isCollapsed && region.contains(selection.anchorNode)) return false;
  const focus = region.contains(document.activeElement) ? placeOf(region, document.activeElement) : null;
  const open = new Map([...region.querySelectorAll("details")].map((details) => [keyOf(details), details.open]));
  const checked = new Set([...region.querySelectorAll("input:checked")].map((box) => box.value));
  const scrolled = [...region.querySelectorAll(SCROLLED)].map((box) => [box.scrollLeft, box.scrollTop]);
  region.replaceChildren(...[content()].flat());
  region.querySelectorAll("details").forEach((details) => { details.open = open.get(keyOf(details)) ?? details.open; });
  region.querySelectorAll("input[type=checkbox]").forEach((box) => { box.checked = checked.has(box.value); });
  region.querySelectorAll(SCROLLED).forEach((box, place) => { [box.scrollLeft, box.scrollTop] = scrolled[place] ?? [0, 0]; });
  if (focus) elementAt(region, focus)?.focus({ preventScroll: true });
  return true;
}

function keyOf(details) {
  return details.dataset.key ?? details.querySelector("summary")?.textContent;
}

// An element is found by its text, or else by its place. So an additional row does not move the focus to another
// button.
function placeOf(region, element) {
  const all = [...region.querySelectorAll(FOCUSABLE)];
  const like = all.filter((one) => labelOf(one) === labelOf(element));
  return { label: labelOf(element), among: like.indexOf(element), place: all.indexOf(element) };
}

function elementAt(region, { label, among, place }) {
  const all = [...region.querySelectorAll(FOCUSABLE)];
  return all.filter((one) => labelOf(one) === label)[among] ?? all[place];
}

function labelOf(element) {
  return `${element.tagName} ${element.dataset.label ?? element.getAttribute("href") ?? element.value ?? ""} ${element.textContent.length < 60 ? element.textContent : ""}`;
}
