import { button } from "../actions.js";
import { ask, live } from "../data.js";
import { card, el, explanation, link, tiles } from "../dom.js";
import { chartsOf } from "./figures.js";
import { flowTiles } from "./overview.js";

export function show(view, name) {
  const status = el("div", {});
  const charts = el("div", {});
  view.append(el("h1", {}, name), status, charts);
  chartsOf(charts, name);
  const refresh = live(status, () => ask("flow", { flow: name }), ({ flow, explanation: answer, meant }) => [
    flow ? tiles(4, flowTiles(flow)) : null,
    card("Why it moves, or not", explanation(answer)),
    flow?.is_registered === false ? buttonsOfNone(name, meant, refreshLater, moved) : buttons(name, refreshLater),
  ].filter(Boolean));
  function refreshLater() { refresh(); }
  function moved({ text, counts }) {
    if (counts.skipped) { refresh(); return; }
    refresh.stop();
    status.replaceChildren(card(null, el("p", {}, text, " ", link("", "Overview"))));
  }
}

function buttons(name, done) {
  return el("div", { class: "queue-buttons" },
    button("Pause", { action: "pause", body: { flow: name }, done,
      question: `No more records of ${name} are claimed; running records finish.`, fields: [["reason", "Reason, for those who look later", { maxlength: 200 }]] }),
    button("Resume", { action: "resume", body: { flow: name }, done, question: `Records of ${name} are claimed again.` }),
    button("Reset all failed", { action: "reset", body: { flow: name, status: "failed" }, dryRun: true, done,
      question: "Every failed record of this flow is tried once more." }),
    cancelAll(name, done), records(name));
}

// The buttons for a name that is not a flow.
function buttonsOfNone(name, meant, done, moved) {
  return el("div", { class: "queue-buttons" },
    button("Move to a flow", { action: "move", body: { flow: name }, dryRun: true, done: moved,
      question: `${name} is not a flow: no worker processes its records. They are moved to a flow, with their attempts. A pending record stays if an unfinished record of that flow has its dedup_key.`,
      fields: [["to_flow", "Flow", { required: true, maxlength: 63, value: meant }]] }),
    cancelAll(name, done), records(name));
}

function cancelAll(name, done) {
  return button("Cancel all pending", { action: "cancel", body: { flow: name, status: "pending" }, dryRun: true, danger: true, done,
    question: "Every pending record of this name is cancelled; running records finish." });
}

function records(name) {
  return link(`/records?flow=${encodeURIComponent(name)}`, "Its records", { class: "btn btn-sm btn-outline-secondary" });
}
