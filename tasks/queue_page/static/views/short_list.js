// A list that may be long. It can be filtered and sorted, and shows only its first rows, so that it fits on a phone.

import { card, el, number } from "../dom.js";
import { redraw } from "../redraw.js";

const FIRST_ON_DESK = 25;
const FIRST_ON_PHONE = 8;
const PHONE = "(max-width: 600px)";

// names: what the rows are. textOf(row): the text in which the filter looks. orders: name => comparison.
// draw: (rows, count) => table. The reader's choices stay while the figures change.
export function shortList(title, { names, filterBy, textOf, orders, draw }) {
  let all = [];
  let isOpen = false;
  const first = matchMedia(PHONE).matches ? FIRST_ON_PHONE : FIRST_ON_DESK;
  const filter = el("input", { type: "search", class: "form-control form-control-sm queue-inline", placeholder: `Filter by ${filterBy}`,
    "aria-label": `Filter ${names} by ${filterBy}`, oninput: () => show() });
  const order = el("select", { class: "form-select form-select-sm queue-inline", "aria-label": `Sort ${names} by`, onchange: () => show() },
    Object.keys(orders).map((name) => el("option", { value: name }, name)));
  const controls = el("div", { class: "queue-buttons" }, filter, el("label", {}, "Sort by ", order));
  const rows = el("div", {});
  return { element: card(title, controls, rows), show: (found) => { all = found; show(); } };

  function show() {
    const wanted = filter.value.trim().toLowerCase();
    const found = all.filter((row) => textOf(row).toLowerCase().includes(wanted)).sort(orders[order.value]);
    controls.hidden = all.length < 2;
    redraw(rows, () => [draw(isOpen ? found : found.slice(0, first), all.length), more(found.length)].filter(Boolean));
  }
  function more(count) {
    if (count <= first) return null;
    return el("button", { type: "button", class: "btn btn-sm btn-outline-secondary mt-2", "aria-expanded": String(isOpen),
      onclick: () => { isOpen = !isOpen; show(); } }, isOpen ? `Show the first ${first}` : `Show all ${number(count)} ${names}`);
  }
}
