import { ask, live } from "../data.js";
import { badge, bytes, duration, el, flowLink, link, number, percent, table, when } from "../dom.js";
import { shortList } from "./short_list.js";

const ORDERS = {
  host: (a, b) => (a.hostname < b.hostname ? -1 : a.hostname > b.hostname ? 1 : a.pid - b.pid),
  "longest silent": (a, b) => b.silent_seconds - a.silent_seconds,
  started: (a, b) => (a.started_at < b.started_at ? 1 : -1),
  version: (a, b) => (version(a) < version(b) ? -1 : 1),
  CPU: (a, b) => (b.cpu_percent ?? -1) - (a.cpu_percent ?? -1),
  memory: (a, b) => (b.memory_bytes ?? -1) - (a.memory_bytes ?? -1),
};

export function show(view) {
  const said = el("div", {});
  let lease = null;
  const list = shortList("Living processes, and those that died in the last hour",
    { names: "processes", filterBy: "host, queue or flow", textOf, orders: ORDERS, draw: (rows, count) => processTable(rows, count, lease) });
  view.append(el("h1", {}, "Worker processes"), said, list.element);
  live(said, () => ask("processes"), ({ processes, lease_seconds: seconds }) => {
    lease = seconds;
    list.show(processes);
    return el("p", { class: "queue-muted" }, summary(processes));
  });
}

function summary(processes) {
  const alive = processes.filter((p) => p.is_alive);
  const hosts = new Set(alive.map((p) => p.hostname)).size;
  const versions = [...new Set(alive.map(version))].sort();
  return `${number(alive.length)} alive on ${number(hosts)} host${hosts === 1 ? "" : "s"}`
    + (versions.length > 1 ? `, with different versions: ${versions.join(", ")}.` : ".");
}

function version(process) {
  return process.versions["processing-queue"] ?? "unknown";
}

function textOf(process) {
  return [process.hostname, process.pid, ...process.celery_queues, ...process.flow_names, process.run?.flow_name ?? ""].join(" ");
}

function processTable(processes, count, lease) {
  return table("Worker processes", [
    ["Process", (p) => el("span", {}, `${p.pid} on ${p.hostname}`)],
    ["State", (p) => badge(p.is_alive ? p.state : p.state === "dead" ? "dead" : "silent", p.is_alive ? p.state : "dead")],
    ["Run", (p) => (p.run ? el("span", {}, flowLink(p.run.flow_name), " in ", link(`/runs/${p.run.flow_instance_id}`, p.run.flow_instance_id.slice(0, 8)), ", ", when(p.run.started_at)) : "none")],
    ["Working on", (p) => (p.in_hand_record_id === null ? "–" : el("span", {}, link(`/records/${p.in_hand_record_id}`, `record ${p.in_hand_record_id}`), " since ", when(p.in_hand_since)))],
    ["Heartbeat", (p) => `${duration(Math.max(p.silent_seconds, 0))} ago; lease ${duration(lease)}`],
    ["Started", (p) => when(p.started_at)],
    ["Queues", (p) => p.celery_queues.join(", ")],
    ["Flows", (p) => el("span", { class: "queue-prose" }, flows(p))],
    ["Pool", (p) => `${p.pool_in_use} of ${p.pool_capacity}`],
    ["CPU", (p) => percent(p.cpu_percent), "number"],
    ["Memory", (p) => bytes(p.memory_bytes), "number"],
    ["Version", (p) => version(p)],
    ["Records", (p) => link(`/records?worker=${p.worker_process_id}`, "its records")],
  ], processes, count ? "No process has this in its host, queues or flows." : "No worker process is alive. Start one: celery -A processing_queue worker");
}

function flows({ flow_names: names, flow_count: count }) {
  return names.join(", ") + (count > names.length ? ` and ${number(count - names.length)} more` : "");
}
