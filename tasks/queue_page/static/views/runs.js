import { ask, live } from "../data.js";
import { badge, card, el, flowLink, link, number, table, when } from "../dom.js";

export function show(view) {
  const region = el("div", {});
  view.append(el("h1", {}, "Runs"), region);
  live(region, () => ask("runs"), ({ alive, alive_count: count, over }) => [
    card(heading(count, alive.length), table("Runs alive", columns(true), alive, "No run is alive: nothing is being processed.")),
    card("Runs that ended", table("Runs that ended", columns(false), over, "No run has ended yet.")),
  ]);
}

function heading(count, shown) {
  const rest = count > shown ? `, of which the oldest ${number(shown)} are shown` : "";
  return `${number(count)} run${count === 1 ? "" : "s"} alive${rest}`;
}

function columns(alive) {
  return [
    ["Run", (r) => link(`/runs/${r.flow_instance_id}`, r.flow_instance_id.slice(0, 8), { title: r.flow_instance_id })],
    ["Flow", (r) => flowLink(r.flow_name)],
    ["State", (r) => badge(r.state)],
    ["Worker", (r) => el("span", { class: "queue-nowrap" }, r.hostname ? `${r.pid} on ${r.hostname}` : "–")],
    ["Started", (r) => when(r.started_at)],
    alive ? ["Heartbeat", (r) => when(r.heartbeat_at)] : ["Ended", (r) => when(r.finished_at)],
    ["Claimed", (r) => number(r.records_claimed), "number"],
    ["Completed", (r) => number(r.records_completed), "number"],
    ["Retried", (r) => number(r.records_retried), "number"],
    ["Failed", (r) => number(r.records_failed), "number"],
    ["Released", (r) => number(r.records_released), "number"],
    ["Refused", (r) => number(r.records_refused), "number"],
    ["Error", (r) => el("span", { class: "queue-error-text" }, r.error_message ?? "")],
  ];
}
