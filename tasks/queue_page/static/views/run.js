import { ask, live } from "../data.js";
import { badge, card, el, errorText, facts, flowLink, link, number, recordLink, table, when } from "../dom.js";

const AT_MOST = 50;

export function show(view, id) {
  const body = el("div", {});
  view.append(el("h1", {}, `Run ${id.slice(0, 8)}`), body);
  live(body, () => ask("run", { run: id }), draw);
}

function draw({ run, records, attempts }) {
  const all = link(`/records?run=${run.flow_instance_id}`, "All its records", { class: "btn btn-sm btn-outline-secondary" });
  const first = (rows) => (rows.length === AT_MOST ? el("p", { class: "queue-muted" }, `The first ${AT_MOST}.`) : null);
  return [
    el("div", { class: "queue-head" }, el("p", {}, badge(run.state), " of ", flowLink(run.flow_name)), el("div", { class: "queue-buttons" }, all)),
    card("Its records by outcome", facts([
      ["Claimed", number(run.records_claimed)], ["Batches", number(run.batch_count)],
      ["Completed", number(run.records_completed)], ["Retried", number(run.records_retried)], ["Failed", number(run.records_failed)],
      ["Snoozed", number(run.records_snoozed)], ["Cancelled", number(run.records_cancelled)], ["Released", number(run.records_released)],
      ["Refused", number(run.records_refused)],
    ])),
    card("Where and when", facts([
      ["Worker process", run.hostname ? el("span", {}, `${run.pid} on ${run.hostname}, `, badge(run.process_state)) : "its row is gone"],
      ["Version", run.version], ["Started", when(run.started_at)],
      run.finished_at ? ["Ended", when(run.finished_at)] : ["Last heartbeat", when(run.heartbeat_at)],
      ["Run", run.flow_instance_id], ["Celery task", run.celery_task_id], ["Error", run.error_message],
    ])),
    card("Claimed now", table("Records that the run has claimed", [
      ["Record", (r) => recordLink(r.id)],
      ["Claimed", (r) => when(r.claimed_at)],
      ["Handler began", (r) => (r.started_at ? when(r.started_at) : "not yet")],
      ["Priority", (r) => number(r.priority), "number"],
      ["Failed attempts", (r) => number(r.retry_count), "number"],
      ["Crash strikes", (r) => number(r.crash_strikes), "number"],
    ], records, "The run has no claimed records."), first(records)),
    card("Attempts that did not succeed", table("Attempts of the run", [
      ["Record", (a) => recordLink(a.record_id)],
      ["Outcome", (a) => badge(a.outcome)],
      ["Record is", (a) => (a.status ? badge(a.status) : "purged")],
      ["When", (a) => when(a.finished_at)],
      ["Error", (a) => link(`/failures?group=${encodeURIComponent(a.error_group)}`, errorText(a), { class: "queue-error-text" })],
    ], attempts, "None."), first(attempts)),
  ];
}
