// Asks the server for data every few seconds, and tells the user when the server does not answer.

import { addressOf, duration, el, tickAges } from "./dom.js";
import { redraw } from "./redraw.js";

const REFRESH_MILLISECONDS = 3000;
const LATE_REPLICA_SECONDS = 10;
const NEVER_BETTER = [400, 404];
const place = document.getElementById("queue-trouble");
const troubles = new Map();

setInterval(() => { if (!document.hidden) tickAges(); }, 1000);

export async function ask(name, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const response = await fetch(addressOf(`/api/${name}?${new URLSearchParams(given)}`), { credentials: "same-origin" });
  const answer = await response.json().catch(() => ({ error: `the server answered ${response.status}` }));
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status });
  showLag(response.headers.get("X-Replica-Lag-Seconds"));
  return answer;
}

// `lag`: null if the answer does not come from a replica.
function showLag(lag) {
  if (lag === null) return;
  const isLate = Number(lag) > LATE_REPLICA_SECONDS;
  showTrouble(isLate ? `Lists and charts come from a replica that is ${duration(Number(lag))} behind.` : "", "replica");
}

// `part`: the part of the page that has the trouble. Only the same part can remove its text.
export function showTrouble(text, part = "page") {
  if (text) troubles.set(part, text); else troubles.delete(part);
  const said = [...new Set(troubles.values())];
  if (said.join("\n") === place.innerText) return;
  place.replaceChildren(...said.map((one) => el("div", { class: "queue-trouble" }, one)));
}

export function troubleOf(error) {
  return error.message === "Failed to fetch" ? "Flower does not answer. Trying again …" : error.message;
}

// Keeps a region of the page up to date. Draws nothing if nothing changed, and drops the answer to an older question.
export function live(region, load, draw) {
  let shown = null;
  let timer = null;
  let question = 0;
  async function refresh() {
    clearTimeout(timer);
    question += 1;
    const mine = question;
    const isLast = () => mine === question;
    try {
      const answer = await load();
      if (!isLast()) return;
      const text = JSON.stringify(answer);
      if (text === shown || redraw(region, () => draw(answer))) shown = text;
      showTrouble("", region);
    } catch (error) {
      if (!isLast()) return;
      showTrouble(troubleOf(error), region);
      if (shown === null || NEVER_BETTER.includes(error.status)) region.replaceChildren();
      if (NEVER_BETTER.includes(error.status)) return;
    }
    timer = setTimeout(refresh, document.hidden ? 5 * REFRESH_MILLISECONDS : REFRESH_MILLISECONDS);
  }
  refresh.stop = () => { clearTimeout(timer); question += 1; };
  refresh();
  return refresh;
}
