// The entry point: shows the view of the page that was opened.

import { el, mayAct, page } from "./dom.js";
import { showStops } from "./stops.js";

const VIEWS = {
  overview: "./views/overview.js",
  flow: "./views/flow.js",
  records: "./views/records.js",
  record: "./views/record.js",
  failures: "./views/failures.js",
  runs: "./views/runs.js",
  run: "./views/run.js",
  processes: "./views/processes.js",
  alerts: "./views/alerts.js",
  schedule: "./views/schedule.js",
  database: "./views/database.js",
  audit: "./views/audit.js",
};

showStops(document.getElementById("queue-stops"));
const view = document.getElementById("queue-view");
if (!mayAct) {
  page.querySelector(".queue-tabs").after(el("p", { class: "queue-muted queue-readonly" }, page.dataset.whyNotAct));
}
const { show } = await import(VIEWS[page.dataset.page]);
view.replaceChildren();
show(view, page.dataset.subject);
