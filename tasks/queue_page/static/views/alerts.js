import { button } from "../actions.js";
import { ask, live } from "../data.js";
import { badge, card, el, flowLink, number, prose, table, when } from "../dom.js";

export function show(view) {
  const region = el("div", {});
  view.append(el("h1", {}, "Alerts"), region);
  const refresh = live(region, () => ask("alerts"), ({ live: open, resolved }) => [
    card("Open", table("Open alerts", [...columns(), ["Acknowledged", (a) => acknowledge(a, () => refresh())]], open, "No alert is open.")),
    card("Resolved in the last 24 hours", table("Resolved alerts", [...columns(), ["Resolved", (a) => when(a.resolved_at)]], resolved, "None.")),
  ]);
}

function columns() {
  return [
    ["Level", (a) => badge(a.level)],
    ["Code", (a) => el("code", {}, a.code)],
    ["Flow", (a) => (a.flow_name ? flowLink(a.flow_name) : "all")],
    ["What", (a) => el("span", {}, prose(a.message))],
    ["Next step", (a) => el("span", {}, prose(a.next_step))],
    ["Opened", (a) => when(a.opened_at)],
    ["Seen", (a) => number(a.seen_count), "number"],
  ];
}

function acknowledge(alert, done) {
  if (alert.acknowledged_by) return `by ${alert.acknowledged_by}`;
  return button("Acknowledge", { action: "acknowledge", body: { alert: alert.id }, done,
    question: `You look after it; it is not escalated any more: ${alert.message}` });
}
