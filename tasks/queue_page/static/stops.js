// The banner above every page says what is stopped, by whom, since when and why, as long as something is stopped.

import { ask, live } from "./data.js";
import { badge, el, flowLink, number, when } from "./dom.js";

const SHOWN = 3;

export function showStops(place) {
  live(place, () => ask("stops"), ({ count, stops }) => (count ? [banner(stops, count)] : []));
}

function banner(stops, count) {
  const more = stops.slice(SHOWN);
  const left = count - stops.length;
  return el("div", { class: "queue-stops" },
    el("ul", {}, stops.slice(0, SHOWN).map(line)),
    more.length ? el("details", { "data-key": "stops" }, el("summary", {}, `${number(count - SHOWN)} more`),
      el("ul", {}, more.map(line), left ? el("li", {}, `and ${number(left)} more, marked in the overview`) : null)) : null);
}

function line(stop) {
  return el("li", {}, badge(stop.what, "warning"), " ", stop.flow_name ? flowLink(stop.flow_name) : el("b", {}, "all flows"),
    " ", when(stop.since), stop.actor ? ` by ${stop.actor}` : " by somebody whom the audit log does not name",
    stop.reason ? `: ${stop.reason}` : ", without a reason");
}
