import { button } from "../actions.js";
import { ask, live } from "../data.js";
import { badge, bytes, card, el, errorText, explanation, facts, flowLink, link, mayAct, number, traceback, when } from "../dom.js";

export function show(view, id) {
  const body = el("div", {});
  view.append(el("h1", {}, `Record ${id}`), body);
  const refresh = live(body, () => ask("record", { id }), (answer) => draw(answer, () => refresh(), gone));
  function gone() {
    refresh.stop();
    body.replaceChildren(card(null, el("p", {}, "This record was purged. ", link("/records", "All records"))));
  }
}

// The page leaves out this sentence, because it has a button for the reset.
const HAS_A_BUTTON = / ?`queuectl reset \d+` tries it again\./;

function draw({ record, attempts, explanation: answer, payload_is_shown: shown }, done, gone) {
  const reasons = answer.reasons.map((r) => ({ ...r, text: mayAct ? r.text.replace(HAS_A_BUTTON, "") : r.text }));
  return [
    el("div", { class: "queue-head" }, el("p", {}, badge(record.status), " in ", flowLink(record.flow_name)), buttons(record, done, gone)),
    card(record.status === "completed" ? "How it ended" : "Why it is not done", explanation({ reasons })),
    card("History", facts([
      ["Created", when(record.created_at)], ["Due", when(record.scheduled_at)],
      ["Claimed", record.claimed_at && when(record.claimed_at)], ["Started", record.started_at && when(record.started_at)],
      ["Completed", record.completed_at && when(record.completed_at)], ["Changed", when(record.updated_at)],
      ["Priority", number(record.priority)], ["Failed attempts", number(record.retry_count)], ["Crash strikes", number(record.crash_strikes)],
      ["Claims without an outcome", record.unfinished_claims ? number(record.unfinished_claims) : null],
      ["Claims", number(record.claim_number)], ["Run", runLink(record)],
      ["Worker process", record.hostname && `${record.pid} on ${record.hostname}`],
      ["Dedup key", record.dedup_key], ["Order key", record.order_key], ["Correlation", record.correlation_id],
      ["Progress", record.progress && JSON.stringify(record.progress)],
      ["Cancel asked", record.cancel_requested_at && el("span", {}, record.cancel_requested_by, ", ", when(record.cancel_requested_at))],
      ["Handler running since", record.in_hand_since && when(record.in_hand_since)],
      ["End asked", record.end_requested_at && el("span", {}, record.end_requested_by, ", ", when(record.end_requested_at))],
      ["Error", record.error_message],
    ])),
    card(`Payload, ${bytes(record.payload_bytes)}`, shown ? null : el("p", { class: "queue-muted" },
      "Only an outline of the payload is shown. The setting SHOW_PAYLOADS allows more."), json(record.payload)),
    record.result === null ? null : card("Result", json(record.result)),
    card("Attempts that failed", attempts.length ? attempts.map((a, place) => attempt(a, place === 0)) : el("p", { class: "queue-muted" }, "None.")),
  ].filter(Boolean);
}

function runLink({ flow_instance_id: id }) {
  return id && link(`/runs/${id}`, id);
}

function json(value) {
  return el("pre", { class: "queue-code", tabindex: "0" }, JSON.stringify(value, null, 2));
}

function attempt(a, isOpen) {
  return el("details", { class: "queue-attempt", "data-key": `${a.claim_number}`, open: isOpen },
    el("summary", {}, badge(a.outcome), a.outcome === "crashed" ? " " : ` attempt ${a.attempt_number}, `, when(a.finished_at), ": ", errorText(a)),
    facts([["Run", runLink(a)], ["Worker process", a.hostname && `${a.pid} on ${a.hostname}`],
      ["Kind of error", link(`/failures?group=${encodeURIComponent(a.error_group)}`, a.error_group)]]),
    a.traceback ? traceback(a.traceback) : el("p", { class: "queue-muted" }, "No traceback."));
}

function buttons(record, done, gone) {
  const ids = [record.id];
  const finished = ["completed", "failed", "cancelled"].includes(record.status);
  return el("div", { class: "queue-buttons" },
    record.status === "failed" ? button("Reset", { action: "reset", body: { ids }, done, question: "The record becomes pending and is tried once more." }) : null,
    finished ? null : button("Cancel", { action: "cancel", body: { ids }, danger: true, done,
      question: record.status === "processing" ? "The record's run is asked to stop it." : "The record will never be processed.", fields: [["reason", "Reason", { maxlength: 200 }]] }),
    record.status === "processing" ? button("End its handler", { action: "end", body: { id: record.id, claim: record.claim_number }, danger: true, done,
      question: "The handler's process ends. One attempt is charged to this record, and the process' other records are given back.", fields: [["reason", "Reason", { maxlength: 200 }]] }) : null,
    record.status === "pending" ? button("Change priority", { action: "priority", body: { ids }, done,
      question: "0 is the most urgent, 9 the least.", fields: [["priority", "Priority", { type: "number", min: 0, max: 9, required: true, value: record.priority }]] }) : null,
    finished ? button("Purge", { action: "purge", body: { ids }, danger: true, done: gone, question: "The record and its attempts are deleted for good." }) : null);
}
