import { ask, live } from "../data.js";
import { badge, bytes, card, duration, el, flowLink, link, number, percent, table, when } from "../dom.js";

export function show(view) {
  const region = el("div", {});
  view.append(el("h1", {}, "Runs and worker processes"), region);
  live(region, () => ask("runs"), ({ alive, over, processes, lease_seconds: lease }) => [
    card(`${number(alive.length)} run${alive.length === 1 ? "" : "s"} alive`, table("Runs alive", columns(true), alive, "No run is alive: nothing is being processed.")),
    card("Worker processes", processTable(processes, lease)),
    card("Runs that ended", table("Runs that ended", columns(false), over, "No run has ended yet.")),
  ]);
}

function columns(alive) {
  return [
    ["Run", (r) => el("code", { title: r.flow_instance_id }, r.flow_instance_id.slice(0, 8))],
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

function processTable(processes, lease) {
  return table("Worker processes", [
    ["Process", (p) => `${p.pid} on ${p.hostname}`],
    ["State", (p) => badge(p.is_alive ? p.state : p.state === "dead" ? "dead" : "silent", p.is_alive ? p.state : "dead")],
    ["Started", (p) => when(p.started_at)],
    ["Silent for", (p) => `${duration(p.silent_seconds)} of ${duration(lease)}`],
    ["In hand", (p) => p.in_hand_record_id === null ? "–"
      : el("span", {}, link(`/records/${p.in_hand_record_id}`, `record ${p.in_hand_record_id}`), ` of ${p.in_hand_flow_name} since `, when(p.in_hand_since))],
    ["Flows", (p) => p.flow_names.join(", ")],
    ["Queues", (p) => p.celery_queues.join(", ")],
    ["Pool", (p) => `${p.pool_in_use} of ${p.pool_capacity}`],
    ["CPU", (p) => percent(p.cpu_percent), "number"],
    ["Memory", (p) => bytes(p.memory_bytes), "number"],
    ["Version", (p) => p.versions["processing-queue"] ?? "–"],
  ], processes, "No worker process is alive. Start one: celery -A processing_queue worker");
}
