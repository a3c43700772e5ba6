import { ask, live } from "../data.js";
import { badge, card, el, number, table, when } from "../dom.js";

export function show(view) {
  const region = el("div", {});
  view.append(el("h1", {}, "Schedule"), region);
  live(region, () => ask("schedule"), ({ entries, beats }) => [
    card("Entries", table("Schedule", [
      ["Entry", (e) => e.entry],
      ["Task", (e) => el("code", {}, e.task ?? "–")],
      ["When", (e) => el("code", {}, e.when)],
      ["State", (e) => (e.newest ? badge(e.newest.state === "skipped" && !e.last_at ? "not yet" : e.newest.state, e.newest.state) : e.last_at ? badge("hinted", "completed") : "–")],
      ["Last", (e) => when(e.last_at)],
      ["Next", (e) => when(e.next_at)],
      ["Taken", (e) => (e.newest ? number(e.newest.take_number) : "–"), "number"],
      ["Error", (e) => el("span", { class: "queue-error-text" }, e.newest?.error_message ?? "")],
    ], entries, "Beat has no schedule.")),
    card("Beats", table("Beats", [
      ["Beat", (b) => `${b.pid} on ${b.hostname}`],
      ["Leads", (b) => (b.is_leader ? badge("leader", "completed") : "no")],
      ["Started", (b) => when(b.started_at)],
      ["Last sign", (b) => when(b.heartbeat_at)],
    ], beats, "No beat has been seen in the last hour. Start one: celery -A processing_queue beat")),
  ]);
}
