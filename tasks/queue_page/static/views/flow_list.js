// The flows of the overview.

import { badge, duration, flowLink, number, percent, table } from "../dom.js";
import { shortList } from "./short_list.js";

const rest = (flow) => flow.pending + flow.processing + flow.failed;
const isOpen = (flow) => Number(flow.is_registered && !flow.is_stopped);
const ORDERS = {
  "most to do": (a, b) => rest(b) - rest(a),
  name: (a, b) => (a.flow_name < b.flow_name ? -1 : 1),
  pending: (a, b) => b.pending - a.pending,
  failed: (a, b) => b.failed - a.failed,
  "paused or unknown": (a, b) => isOpen(a) - isOpen(b) || rest(b) - rest(a),
  "oldest due": (a, b) => (b.oldest_due_seconds ?? -1) - (a.oldest_due_seconds ?? -1),
  "lowest success": (a, b) => (a.success_rate_1h ?? 101) - (b.success_rate_1h ?? 101),
  "slowest, 95 %": (a, b) => (b.processing_p95 ?? -1) - (a.processing_p95 ?? -1),
};

export function about(flow, value) {
  return (flow.is_approximate ? "≈ " : "") + number(value);
}

export function flowList() {
  return shortList("Flows; rates and times of the last hour",
    { names: "flows", filterBy: "name", textOf: (flow) => flow.flow_name, orders: ORDERS, draw: flowTable });
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
