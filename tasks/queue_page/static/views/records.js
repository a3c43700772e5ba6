import { button } from "../actions.js";
import { ask, showTrouble, troubleOf } from "../data.js";
import { badge, base, card, el, flowLink, mayAct, number, recordLink, table, when } from "../dom.js";

const FIELDS = [
  ["id", "Record id", { inputmode: "numeric" }],
  ["flow", "Flow", {}],
  ["status", "Status", { choices: ["", "pending", "processing", "completed", "failed", "cancelled"] }],
  ["error", "Error contains", {}],
  ["key", "Dedup, order or correlation key", {}],
  ["run", "Run, by its id", {}],
  ["worker", "Worker: host, or PID on HOST", {}],
  ["group", "Kind of error", {}],
  ["payload_key", "Payload has the key", {}],
  ["payload_value", "with the value", {}],
  ["from", "Created from (UTC)", { type: "datetime-local" }],
  ["before", "Created before (UTC)", { type: "datetime-local" }],
];

export function show(view) {
  const asked = new URLSearchParams(location.search);
  const group = asked.get("group") ?? "";
  const form = el("form", { class: "queue-search queue-card", role: "search", onsubmit: (event) => { event.preventDefault(); search(); } },
    FIELDS.map(([name, label, attributes]) => el("label", { class: "queue-field" }, label, input(name, attributes, asked.get(name) ?? ""))),
    el("div", { class: "queue-buttons" }, el("button", { class: "btn btn-sm btn-primary", type: "submit" }, "Search")));
  const found = el("div", {});
  let asking = 0;
  view.append(el("h1", {}, "Records"), form, found);
  find();

  function query() {
    return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, exact(name, value)]).filter(([, value]) => value !== ""));
  }
  // A text input drops line breaks. So a kind of error that nobody has edited is taken from the page's address.
  function exact(name, value) {
    return name === "group" && value === group.replace(/[\r\n]/g, "") ? group : value.trim();
  }
  function search() {
    const { id, ...rest } = query();
    if (id) { location.assign(`${base}/records/${encodeURIComponent(id)}`); return; }
    history.replaceState(null, "", `?${new URLSearchParams(rest)}`);
    find();
  }
  // `known`: ids that an earlier page showed although they are lower than `beforeId`.
  async function find(beforeId = null, known = []) {
    try {
      const { id, ...rest } = query();
      asking += 1;
      const mine = asking;
      const page = await ask("records", { ...rest, before_id: beforeId, known: beforeId && (known.join(",") || "0") });
      if (mine !== asking) return;
      found.replaceChildren(results(page, rest, find));
      showTrouble("");
    } catch (error) {
      showTrouble(troubleOf(error));
    }
  }
}

function input(name, { choices, ...attributes }, value) {
  if (!choices) return el("input", { name, value, class: "form-control form-control-sm", ...attributes });
  return el("select", { name, class: "form-select form-select-sm" },
    choices.map((choice) => el("option", { value: choice, selected: choice === value }, choice || "any")));
}

function results({ records, next_before_id: next, is_capped: isCapped, known_ids: known }, query, find) {
  const chosen = () => [...document.querySelectorAll("input[name=chosen]:checked")].map((box) => Number(box.value));
  const again = () => find();
  const more = next === null ? null : el("button", { type: "button", class: "btn btn-sm btn-outline-secondary", onclick: () => find(next, known) },
    records.length < 50 ? "Search further back" : "Older records");
  const saved = (form) => el("a", { class: "btn btn-sm btn-outline-secondary", href: `${base}/export.${form}?${new URLSearchParams(query)}` }, `Export ${form.toUpperCase()}`);
  return card(`${number(records.length)} record${records.length === 1 ? "" : "s"}${next === null ? "" : ", newest first"}`,
    el("div", { class: "queue-buttons" },
      button("Reset chosen", { action: "reset", body: () => ({ ids: chosen() }), dryRun: true, done: again, question: "The chosen records that failed are tried once more." }),
      button("Cancel chosen", { action: "cancel", body: () => ({ ids: chosen() }), dryRun: true, danger: true, done: again, question: "The chosen records that are not finished are cancelled." }),
      query.status === "failed" ? button("Reset all found", { action: "reset", body: query, dryRun: true, done: again, question: "Every failed record that this search finds is tried once more." }) : null,
      saved("csv"), saved("json")),
    isCapped ? el("p", { class: "queue-muted" }, query.group
      ? "Only the newest 5,000 attempts with this error were looked at: choose a flow to see more."
      : "Only the newest 1,000 runs and 5,000 attempts were looked at: choose a run to see more.") : null,
    table("Records", [
      ["Choose", (r) => el("input", { type: "checkbox", name: "chosen", value: r.id, disabled: !mayAct, "aria-label": `Choose record ${r.id}` })],
      ["Id", (r) => recordLink(r.id)],
      ["Flow", (r) => flowLink(r.flow_name)],
      ["Status", (r) => badge(r.status)],
      ["Priority", (r) => number(r.priority), "number"],
      ["Created", (r) => when(r.created_at)],
      ["Due", (r) => when(r.scheduled_at)],
      ["Changed", (r) => when(r.updated_at)],
      ["Retries", (r) => number(r.retry_count), "number"],
      ["Error", (r) => el("span", { class: "queue-error-text" }, r.error_message ?? "")],
    ], records, next === null ? "No record matches." : "No record matches among those looked at so far."),
    more ? el("div", { class: "queue-buttons" }, more) : null);
}
