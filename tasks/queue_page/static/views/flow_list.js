// The flows of the overview: filtered, sorted, and the first of them, so that a thousand flows fit on a phone.

import { badge, card, duration, el, flowLink, number, percent, table } from "../dom.js";
import { redraw } from "../redraw.js";

const FIRST_ON_DESK = 25;
const FIRST_ON_PHONE = 8;
const PHONE = "(max-width: 600px)";
const rest = (flow) => flow.pending + flow.processing + flow.failed;
const ORDERS = {
  "most to do": (a, b) => rest(b) - rest(a),
  name: (a, b) => (a.flow_name < b.flow_name ? -1 : 1),
  pending: (a, b) => b.pending - a.pending,
  failed: (a, b) => b.failed - a.failed,
  "oldest due": (a, b) => (b.oldest_due_seconds ?? -1) - (a.oldest_due_seconds ?? -1),
  "lowest success": (a, b) => (a.success_rate_1h ?? 101) - (b.success_rate_1h ?? 101),
  "slowest, 95 %": (a, b) => (b.processing_p95 ?? -1) - (a.processing_p95 ?? -1),
};

export function about(flow, value) {
  return (flow.is_approximate ? "≈ " : "") + number(value);
}

// What the reader chose stays while the figures change.
export function flowList() {
  let flows = [];
  let isOpen = false;
  const first = matchMedia(PHONE).matches ? FIRST_ON_PHONE : FIRST_ON_DESK;
  const filter = el("input", { type: "search", class: "form-control form-control-sm queue-inline", placeholder: "Filter by name",
    "aria-label": "Filter flows by name", oninput: () => draw() });
  const order = el("select", { class: "form-select form-select-sm queue-inline", "aria-label": "Sort flows by", onchange: () => draw() },
    Object.keys(ORDERS).map((name) => el("option", { value: name }, name)));
  const controls = el("div", { class: "queue-buttons" }, filter, el("label", {}, "Sort by ", order));
  const rows = el("div", {});
  const element = card("Flows; rates and times of the last hour", controls, rows);
  return { element, show: (found) => { flows = found; draw(); } };

  function draw() {
    const wanted = filter.value.trim().toLowerCase();
    const found = flows.filter((flow) => flow.flow_name.toLowerCase().includes(wanted)).sort(ORDERS[order.value]);
    controls.hidden = flows.length < 2;
    redraw(rows, () => [flowTable(isOpen ? found : found.slice(0, first), flows.length), more(found.length)].filter(Boolean));
  }
  function more(count) {
    if (count <= first) return null;
    return el("button", { type: "button", class: "btn btn-sm btn-outline-secondary mt-2", "aria-expanded": String(isOpen),
      onclick: () => { isOpen = !isOpen; draw(); } }, isOpen ? `Show the first ${first}` : `Show all ${number(count)} flows`);
  }
}

function flowTable(flows, count) {
  return table("Flows", [
    ["Flow", (f) => flowLink(f.flow_name)],
    ["State", (f) => (!f.is_registered ? badge("unknown flow", "warning") : f.is_stopped ? badge("paused", "warning") : badge("open", "completed"))],
    ["Pending", (f) => about(f, f.pending), "number"],
    ["Processing", (f) => number(f.processing), "number"],
    ["Failed", (f) => number(f.failed), "number"],
    ["Completed", (f) => number(f.completed), "number"],
    ["Oldest due", (f) => duration(f.oldest_due_seconds), "number"],
    ["Out", (f) => number(f.finished_1h), "number"],
    ["Success", (f) => percent(f.success_rate_1h), "number"],
    ["Median", (f) => duration(f.processing_p50), "number"],
    ["95 %", (f) => duration(f.processing_p95), "number"],
    ["99 %", (f) => duration(f.processing_p99), "number"],
    ["Wait, 95 %", (f) => duration(f.wait_p95), "number"],
    ["Runs", (f) => number(f.runs), "number"],
  ], flows, count ? "No flow has this in its name." : "No flow is registered yet. Start a worker: celery -A processing_queue worker");
}
