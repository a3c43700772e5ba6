import { button } from "../actions.js";
import { ask, live } from "../data.js";
import { badge, card, el, flowLink, number, prose, table, when } from "../dom.js";

export function show(view) {
  const region = el("div", {});
  view.append(el("h1", {}, "Alerts"), region);
  const refresh = live(region, () => ask("alerts"), ({ live: open, resolved, left_out_count: leftOut, contacts }) => [
    card("Open", table("Open alerts", [...columns(), ["Acknowledged", (a) => acknowledge(a, () => refresh())]], open, "No alert is open.")),
    card("Resolved in the last 24 hours", table("Resolved alerts", [...columns(), ["Resolved", (a) => when(a.resolved_at)]], resolved, "None.")),
    ...(leftOut ? [el("p", { class: "queue-muted" }, `and ${number(leftOut)} more alert${leftOut === 1 ? "" : "s"}`)] : []),
    card("Who can be notified", contactTable(contacts)),
  ]);
}

function columns() {
  return [
    ["Alert", (a) => el("span", {}, badge(a.level), el("br"), el("code", {}, a.code))],
    ["Flow", (a) => (a.flow_name ? flowLink(a.flow_name) : "all")],
    ["What, and the next step", (a) => el("div", { class: "queue-prose" }, prose(a.message), el("div", { class: "queue-muted" }, prose(a.next_step)))],
    ["Who was told", (a) => told(a)],
    ["Opened", (a) => el("span", {}, when(a.opened_at), `, seen ${number(a.seen_count)}×`)],
  ];
}

function acknowledge(alert, done) {
  if (alert.acknowledged_by) return `by ${alert.acknowledged_by}`;
  return button("Acknowledge", { action: "acknowledge", body: { alert: alert.id }, done,
    question: `You take responsibility for this alert, which is not escalated any more: ${alert.message}` });
}

function told(alert) {
  return el("ul", { class: "queue-prose" },
    alert.notifications.map((n) => el("li", {}, el("b", {}, name(n.contact)), ` ${n.change}: `, outcome(n))),
    alert.notifications.length ? null : el("li", {}, "nobody"),
    alert.next ? el("li", { class: "queue-muted" }, "next ", el("b", {}, name(alert.next.contact)), " ", when(alert.next.at)) : null);
}

function outcome(n) {
  const error = n.error_message ?? "no reason is known";
  return {
    sent: [badge("told", "completed"), " ", when(n.sent_at)],
    waiting: [badge("waits", "warning"), " since ", when(n.created_at)],
    "being sent": [badge("being sent", "processing")],
    failing: [badge(`tried ${n.try_count}×`, "failed"), ` ${error}`],
    "given up": [badge("given up", "failed"), ` after ${n.try_count} tries: ${error}`],
    dropped: ["not told, because the alert was resolved first"],
    forgotten: ["not told, because the contact was forgotten first"],
    "without channel": ["nobody has a channel"],
  }[n.state];
}

function contactTable(contacts) {
  return table("Who can be notified", [
    ["Contact", (c) => name(c.contact)],
    ["Channel last seen", (c) => when(c.last_seen_at)],
    ["In", (c) => `${c.process_kind}, ${c.pid} on ${c.hostname}`],
    ["Waiting", (c) => number(c.waiting_count), "number"],
  ], contacts, "No process has a channel to anybody: alerts go to the log only. Set CONTACT_PRIMARY for the workers of the control queue.");
}

function name(contact) {
  return contact.replaceAll("_", " ");
}
