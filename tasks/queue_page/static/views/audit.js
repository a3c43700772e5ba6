import { ask, live } from "../data.js";
import { card, el, number, table, when } from "../dom.js";

export function show(view) {
  const region = el("div", {});
  view.append(el("h1", {}, "Audit"), el("p", { class: "queue-muted" }, "Who changed what, from here, from queuectl and by the schedule."), region);
  live(region, () => ask("audit"), ({ entries }) => card(null, table("Audit", [
    ["When", (a) => when(a.at)],
    ["Who", (a) => a.actor],
    ["Did", (a) => a.action],
    ["To", (a) => a.target],
    ["Affected", (a) => number(a.affected_count), "number"],
    ["Details", (a) => el("code", { class: "queue-error-text" }, Object.keys(a.details).length ? JSON.stringify(a.details) : "")],
  ], entries, "Nobody changed anything yet.")));
}
