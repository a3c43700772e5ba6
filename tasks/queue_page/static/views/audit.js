import { ask, live, showTrouble, troubleOf } from "../data.js";
import { card, el, number, table, when } from "../dom.js";

const PAGE = 50;

export function show(view) {
  const newest = el("div", {});
  const older = el("div", {});
  const more = el("button", { type: "button", class: "btn btn-sm btn-outline-secondary", hidden: true, onclick: () => showOlder() }, "Older");
  let last = null;
  view.append(el("h1", {}, "Audit"), el("p", { class: "queue-muted" }, "The changes that were made on the Queue page, with queuectl or by the schedule, and who made them."),
    newest, older, more);
  const refresh = live(newest, () => ask("audit"), ({ entries }) => { keep(entries); return card(null, rows(entries)); });

  async function showOlder() {
    refresh.stop(); // new entries would move the pages
    try {
      const { entries } = await ask("audit", { before_id: last });
      older.append(card(null, rows(entries)));
      keep(entries);
      showTrouble("", older);
    } catch (error) {
      showTrouble(troubleOf(error), older);
    }
  }
  function keep(entries) {
    last = entries.at(-1)?.id ?? last;
    more.hidden = entries.length < PAGE;
  }
}

function rows(entries) {
  return table("Audit", [
    ["When", (a) => when(a.at)],
    ["Who", (a) => a.actor],
    ["Did", (a) => a.action],
    ["To", (a) => a.target],
    ["Affected", (a) => number(a.affected_count), "number"],
    ["Details", (a) => el("code", { class: "queue-error-text" }, Object.keys(a.details).length ? JSON.stringify(a.details) : "")],
  ], entries, "Nobody changed anything yet.");
}
