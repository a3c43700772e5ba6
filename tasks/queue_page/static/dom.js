// Builds elements. Texts become text nodes, never markup, so that text from a record cannot change the page.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const page = document.getElementById("queue-page");
export const base = page.dataset.base;

// Leaves out a login that somebody typed into the page's address, because fetch refuses addresses with a login.
export function addressOf(path) {
  return new URL(base + path, location.origin).href;
}
export const mayAct = page.dataset.whyNotAct === "";

export function link(path, text, attributes = {}) {
  return el("a", { href: base + path, ...attributes }, text);
}

export function recordLink(id) {
  return link(`/records/${id}`, String(id));
}

export function flowLink(name) {
  return link(`/flows/${encodeURIComponent(name)}`, name);
}

export function number(value) {
  return value === null || value === undefined ? "–" : Number(value).toLocaleString("en-US");
}

export function short(value) {
  if (value === null || value === undefined) return "–";
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} M`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(value < 1e4 ? 1 : 0)} k`;
  return value < 10 && value % 1 ? value.toFixed(1) : number(Math.round(value));
}

export function percent(value) {
  return value === null || value === undefined ? "–" : `${Number(value).toFixed(1)} %`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.001) return "< 1 ms";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const steps = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];
  for (const [unit, name, part, partName] of steps) {
    if (seconds >= unit) {
      const rest = Math.floor((seconds % unit) / part);
      return rest ? `${Math.floor(seconds / unit)} ${name} ${rest} ${partName}` : `${Math.floor(seconds / unit)} ${name}`;
    }
  }
  return `${Math.round(seconds)} s`;
}

export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${value.toFixed(value < 10 && unit ? 1 : 0)} ${units[unit]}`;
}

// The text says how long ago the instant was. The tooltip shows the instant itself.
export function when(text) {
  if (!text) return "–";
  return el("time", { datetime: text, title: new Date(text).toLocaleString() }, ago(text));
}

function ago(text) {
  const seconds = (Date.now() - new Date(text).getTime()) / 1000;
  return seconds >= 0 ? `${duration(Math.max(seconds, 0.001))} ago` : `in ${duration(-seconds)}`;
}

// Ages are updated even if the server has nothing new.
export function tickAges() {
  const marked = document.getSelection();
  document.querySelectorAll("#queue-page time").forEach((time) => {
    const text = ago(time.dateTime);
    if (time.textContent !== text && (marked.isCollapsed || !marked.containsNode(time, true))) time.textContent = text;
  });
}

export function badge(text, kind = text) {
  return el("span", { class: `queue-badge queue-is-${kind}` }, text);
}

// In the server's texts, backticks mark commands, such as `queuectl reset 10`.
export function prose(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

// Shows the places of the frames in a muted colour and the error in bold, so that the error is seen first.
export function traceback(text) {
  const rows = text.trimEnd().split("\n");
  const last = rows.findLastIndex((row) => /^\S/.test(row));
  return el("pre", { class: "queue-code queue-traceback", tabindex: "0", "aria-label": "Traceback" }, rows.flatMap((row, place) => [
    el("span", { class: place >= last ? "queue-traceback-error" : /^\s*File "/.test(row) ? "queue-traceback-place" : null }, row), "\n"]));
}

export function card(title, ...content) {
  return el("section", { class: "queue-card" }, title ? el("h2", {}, title) : null, ...content);
}

export function tile(label, value, note = "", kind = "") {
  return el("div", { class: `queue-tile ${kind ? `queue-tile-${kind}` : ""}` },
    el("div", { class: "queue-tile-label" }, label),
    el("div", { class: "queue-tile-value" }, value),
    el("div", { class: "queue-tile-note" }, note));
}

// `columns`: a number of columns that makes all rows equally long.
export function tiles(columns, ...content) {
  return el("div", { class: "queue-tiles", "data-columns": columns }, ...content);
}

// columns: [heading, row => content, "number"?]. On a phone each row becomes a card with its headings.
export function table(caption, columns, rows, empty = "Nothing here.") {
  if (!rows.length) return el("p", { class: "queue-muted" }, empty);
  const cell = (row) => ([heading, content, kind]) =>
    el("td", { "data-heading": heading, class: kind === "number" ? "queue-number" : null }, content(row));
  return el("div", { class: "queue-scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", { class: "queue-table" },
      el("caption", { class: "visually-hidden" }, caption),
      el("thead", {}, el("tr", {}, columns.map(([heading, , kind]) =>
        el("th", { scope: "col", class: kind === "number" ? "queue-number" : null }, heading)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, columns.map(cell(row)))))));
}

export function facts(pairs) {
  return el("dl", { class: "queue-facts" },
    pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

// Messages often begin with their type already.
export function errorText({ exception_type: type, error_message: message }) {
  return message.startsWith(type) ? message : `${type}: ${message}`;
}

export function explanation(answer) {
  return el("ul", { class: "queue-reasons" }, answer.reasons.map((reason) =>
    el("li", { class: reason.is_blocking ? "queue-blocking" : null }, badge(reason.code, "code"), " ", prose(reason.text))));
}
