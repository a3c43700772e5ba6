import { chartsOf } from "./figures.js";
import { about, flowList } from "./flow_list.js";
import { live, ask } from "../data.js";
import { badge, card, duration, el, link, number, percent, prose, short, tile, tiles } from "../dom.js";

export function show(view) {
  const figures = el("div", {});
  const flows = flowList();
  const charts = el("div", {});
  view.append(figures, charts, flows.element);
  chartsOf(charts, null);
  live(figures, () => ask("overview"), (answer) => {
    flows.show(answer.flows);
    return [overallTiles(answer), alertLine(answer.alerts, answer.alert_count)];
  });
}

export function flowTiles(flow) {
  const level = (name) => (flow.levels[name] === "critical" ? "danger" : flow.levels[name] ?? "");
  return [
    tile("Pending", about(flow, flow.pending), `${number(flow.due)} due`),
    tile("Processing", number(flow.processing), `${number(flow.runs)} run${flow.runs === 1 ? "" : "s"}`),
    tile("Oldest due", duration(flow.oldest_due_seconds), flow.oldest_due_seconds === null ? "nothing waits" : "waiting", level("oldest_due")),
    tile("In and out, 1 h", `${short(flow.enqueued_1h)} / ${short(flow.finished_1h)}`, "records enqueued / finished"),
    tile("Success", percent(flow.success_rate_1h), `1 h; ${percent(flow.success_rate_24h)} in 24 h`, level("success_rate")),
    tile("Processing, median", duration(flow.processing_p50), `95 %: ${duration(flow.processing_p95)}, 99 %: ${duration(flow.processing_p99)}`),
    tile("Waiting, median", duration(flow.wait_p50), `95 %: ${duration(flow.wait_p95)}`),
    tile("Failed", number(flow.failed), `${number(flow.completed)} completed, ${number(flow.cancelled)} cancelled`, level("failed")),
  ];
}

function overallTiles({ total, fleet, capacity }) {
  return tiles(5, flowTiles(total),
    tile("Worker processes", number(fleet.alive), `pool use ${percent(fleet.pool_utilization_percent)}`,
      fleet.alive ? fleet.pool_level ?? "" : "danger"),
    tile("Capacity", percent(capacity.utilization_percent),
      `${number(capacity.load)} of ${number(capacity.records_per_hour)} records an hour`));
}

function alertLine(alerts, count) {
  if (!alerts.length) return el("p", { class: "queue-muted" }, "No alert is open.");
  return card(null, link("/alerts", `${number(count)} open alert${count === 1 ? "" : "s"}`), ": ",
    el("ul", { class: "queue-reasons" }, alerts.slice(0, 3).map((alert) => el("li", {}, badge(alert.level), " ", prose(alert.message)))));
}
