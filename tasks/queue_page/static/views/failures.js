import { button } from "../actions.js";
import { ask, live, showTrouble, troubleOf } from "../data.js";
import { badge, card, el, errorText, flowLink, link, number, recordLink, table, traceback, when } from "../dom.js";

const SPANS = ["1h", "24h", "7d"];
const OTHER = "other";

export function show(view) {
  const group = new URLSearchParams(location.search).get("group");
  if (group) { showGroup(view, group); return; }
  let span = "24h";
  const groups = el("div", {});
  const choice = el("select", { class: "form-select form-select-sm queue-inline", "aria-label": "How far back",
    onchange: () => { span = choice.value; refresh(); } }, SPANS.map((s) => el("option", { value: s, selected: s === span }, s)));
  view.append(el("h1", {}, "Failures"), el("p", {}, "Attempts that raised an error, grouped by error, in the last ", choice), groups);
  const refresh = live(groups, () => ask("failures", { span }), (answer) => draw(answer, () => refresh()));
}

function draw({ groups }, done) {
  const since = groups.length ? el("p", { class: "queue-muted" },
    `Counted by whole hours, since ${new Date(groups[0].counted_since).toLocaleString()}. `,
    "Per flow and hour, 100 kinds are counted separately; all others are counted as other.") : null;
  return card(null, since, table("Failures by error", [
    ["Error", (g) => g.error_group === OTHER ? el("span", {}, "other kinds") : link(`/failures?group=${encodeURIComponent(g.error_group)}`, errorText(g), { class: "queue-error-text" })],
    ["Attempts", (g) => number(g.error_count) + (g.is_capped ? " +" : ""), "number"],
    ["Records", (g) => number(g.record_count), "number"],
    ["Gave up", (g) => number(g.failed_count), "number"],
    ["Flows", (g) => g.flow_names.flatMap((name, place) => [place ? ", " : "", flowLink(name)])],
    ["First", (g) => when(g.first_at)],
    ["Last", (g) => when(g.last_at)],
    ["", (g) => g.error_group === OTHER ? "" : resetButton(g.error_group, done)],
  ], groups, "No attempt failed in this time."));
}

function resetButton(group, done) {
  return button("Reset all", { action: "reset", body: { error_group: group }, dryRun: true, done,
    question: "Every failed record whose last attempt ended with this error is tried once more." });
}

function showGroup(view, group) {
  const rows = el("div", {});
  view.append(el("h1", {}, "One kind of error"), el("pre", { class: "queue-code", tabindex: "0" }, group),
    el("div", { class: "queue-buttons" }, resetButton(group, () => find()), link(`/records?group=${encodeURIComponent(group)}`, "Its records", { class: "btn btn-sm btn-outline-secondary" }), link("/failures", "All failures", { class: "btn btn-sm btn-outline-secondary" })), rows);
  find();
  async function find(before = {}) {
    try {
      const { attempts, traceback: newest } = await ask("attempts", { group, ...before });
      rows.replaceChildren(...[
        newest ? card("Newest traceback", traceback(newest)) : null,
        attemptTable(attempts, find),
      ].filter(Boolean));
      showTrouble("");
    } catch (error) {
      showTrouble(troubleOf(error));
    }
  }
}

function attemptTable(attempts, find) {
  const last = attempts.at(-1);
  return card("Attempts", table("Attempts", [
    ["Record", (a) => recordLink(a.record_id)],
    ["Flow", (a) => flowLink(a.flow_name)],
    ["Record is", (a) => (a.status ? badge(a.status) : "purged")],
    ["Attempt", (a) => (a.outcome === "crashed" ? "–" : number(a.attempt_number)), "number"],
    ["Outcome", (a) => badge(a.outcome)],
    ["When", (a) => when(a.finished_at)],
    ["Message", (a) => el("span", { class: "queue-error-text" }, a.error_message)],
  ], attempts, "No attempt ended with this error."),
  attempts.length === 50 ? el("button", { type: "button", class: "btn btn-sm btn-outline-secondary",
    onclick: () => find({ before_at: last.finished_at, before_id: last.record_id }) }, "Older attempts") : null);
}
