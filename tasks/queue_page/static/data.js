// Asking the server, again and again, and showing that it does not answer.

import { base, el } from "./dom.js";

const REFRESH_MILLISECONDS = 3000;
const trouble = document.getElementById("queue-trouble");

export async function ask(name, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const response = await fetch(`${base}/api/${name}?${new URLSearchParams(given)}`, { credentials: "same-origin" });
  const answer = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

export function showTrouble(text) {
  trouble.replaceChildren(...(text ? [el("div", { class: "queue-trouble" }, text)] : []));
}

// Keeps a region of the page fresh. What has the focus keeps it; nothing is drawn when nothing changed.
export function live(region, load, draw) {
  let shown = null;
  let timer = null;
  async function refresh() {
    clearTimeout(timer);
    try {
      const answer = await load();
      const text = JSON.stringify(answer);
      if (text !== shown || region.dataset.ages === "true") redraw(region, draw(answer));
      shown = text;
      showTrouble("");
    } catch (error) {
      showTrouble(error.message === "Failed to fetch" ? "Flower does not answer. Trying again …" : error.message);
      if (shown === null) region.replaceChildren();
    }
    timer = setTimeout(refresh, document.hidden ? 5 * REFRESH_MILLISECONDS : REFRESH_MILLISECONDS);
  }
  refresh();
  return refresh;
}

function redraw(region, content) {
  const focus = document.activeElement;
  const wasInside = region.contains(focus) ? [...region.querySelectorAll("a, button, [tabindex], summary")].indexOf(focus) : -1;
  const open = [...region.querySelectorAll("details")].map((details) => details.open);
  const checked = new Set([...region.querySelectorAll("input:checked")].map((box) => box.value));
  region.replaceChildren(...[content].flat());
  region.querySelectorAll("details").forEach((details, place) => { details.open = open[place] ?? details.open; });
  region.querySelectorAll("input[type=checkbox]").forEach((box) => { box.checked = checked.has(box.value); });
  if (wasInside >= 0) region.querySelectorAll("a, button, [tabindex], summary")[wasInside]?.focus();
}
