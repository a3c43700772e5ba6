import { chart } from "../charts.js";
import { ask, live } from "../data.js";
import { duration, el, short } from "../dom.js";

const SPANS = ["1h", "24h", "7d"];

// Throughput, depth, failures and latency of a flow (null: of all flows). The reader chooses the time span.
export function chartsOf(region, flow) {
  let span = "1h";
  const figures = el("div", { class: "queue-figures" });
  const buttons = SPANS.map((name) => el("button", {
    type: "button", class: "btn btn-sm btn-outline-secondary", "aria-pressed": String(name === span),
    onclick: () => { span = name; mark(); refresh(); },
  }, name));
  const mark = () => buttons.forEach((b) => b.setAttribute("aria-pressed", String(b.textContent === span)));
  region.append(el("div", { class: "btn-group queue-spans", role: "group", "aria-label": "How far back" }, buttons), figures);
  const refresh = live(figures, () => ask("charts", { span, flow }), draw);
}

function draw({ now, span, counts, depths, durations }) {
  const to = new Date(now);
  const from = new Date(to.getTime() - span.seconds * 1000);
  const inside = (rows, value) => rows.map((row) => [new Date(row.at), value(row)]).filter(([at]) => at >= from);
  const over = new Date(to.getTime() - span.bucket_seconds * 1000); // the present bucket is not full yet
  const perMinute = (name) => inside(counts.filter((row) => new Date(row.at) <= over), (row) => (row[name] * 60) / span.bucket_seconds);
  const options = { from, to, gap: span.bucket_seconds * 1000 * 2.5, format: short };
  const longer = { from, to, gap: (span.seconds > 3600 ? 3600 : 60) * 1500, format: duration, scale: { seconds: true } };
  return [
    chart("Throughput, records a minute", [
      { name: "enqueued", points: perMinute("enqueued") },
      { name: "completed", points: perMinute("completed") },
    ], options),
    chart("Depth, records", [
      { name: "pending", points: inside(depths, (row) => row.pending) },
      { name: "processing", points: inside(depths, (row) => row.processing) },
    ], { ...options, scale: { whole: true } }),
    chart("Failures, records a minute", [
      { name: "failed", points: perMinute("failed") },
      { name: "retried", points: perMinute("retried") },
    ], options),
    chart("Latency: processing and waiting", [
      { name: "median", points: inside(durations, (row) => row.processing_p50) },
      { name: "95 %", points: inside(durations, (row) => row.processing_p95) },
      { name: "waiting, 95 %", points: inside(durations, (row) => row.wait_p95) },
    ], longer),
  ];
}

