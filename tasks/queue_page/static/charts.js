// Line charts in SVG. Lines differ by colour (Okabe and Ito's, told apart by the colour-blind) and by dash.

import { el } from "./dom.js";

const WIDTH = window.innerWidth < 640 ? 360 : 560, HEIGHT = 190, LEFT = 46, RIGHT = 8, TOP = 10, BOTTOM = 22;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// series: [{name, points: [[Date, number|null]]}]; format: number => text
export function chart(title, series, { from, to, format = String, gap }) {
  const highest = niceCeiling(Math.max(...series.flatMap((s) => s.points.map(([, y]) => y ?? 0)), 0));
  const x = (at) => LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / highest) * (HEIGHT - TOP - BOTTOM);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "queue-chart", role: "img", "aria-label": summary(title, series, format) },
    ...grid(highest, y, format), ...times(from, to, x),
    ...series.flatMap((s, place) => lines(s.points, place, x, y, gap)));
  const reading = el("div", { class: "queue-chart-reading" });
  follow(drawing, reading, series, x, format);
  return el("figure", { class: "queue-figure" },
    el("figcaption", {}, title),
    el("div", { class: "queue-legend" }, series.map((s, place) => el("span", {}, swatch(place), s.name))),
    drawing, reading);
}

function swatch(place) {
  return svg("svg", { width: 22, height: 8, "aria-hidden": "true" },
    svg("line", { x1: 0, y1: 4, x2: 22, y2: 4, class: `queue-line queue-line-${place}`, "stroke-dasharray": DASHES[place] }));
}

function lines(points, place, x, y, gap) {
  const parts = [];
  let part = [];
  let last = null;
  for (const [at, value] of points) {
    if (value === null || (last !== null && at - last > gap)) { parts.push(part); part = []; }
    if (value !== null) part.push([x(at), y(value)]);
    last = at;
  }
  parts.push(part);
  return parts.filter((p) => p.length).flatMap((p) => [
    svg("path", { d: `M${p.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join("L")}`,
      class: `queue-line queue-line-${place}`, "stroke-dasharray": DASHES[place] }),
    ...(p.length === 1 ? [svg("circle", { cx: p[0][0], cy: p[0][1], r: 2.5, class: `queue-dot queue-line-${place}` })] : []),
  ]);
}

function grid(highest, y, format) {
  return [0, 0.5, 1].flatMap((share) => [
    svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(highest * share), y2: y(highest * share), class: "queue-gridline" }),
    svg("text", { x: LEFT - 6, y: y(highest * share) + 4, class: "queue-axis", "text-anchor": "end" }, format(highest * share)),
  ]);
}

function times(from, to, x) {
  const long = to - from > 2 * 86400000;
  const options = long ? { weekday: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit" };
  return [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = new Date(from.getTime() + share * (to - from));
    const anchor = share === 0 ? "start" : share === 1 ? "end" : "middle";
    return svg("text", { x: x(at), y: HEIGHT - 6, class: "queue-axis", "text-anchor": anchor }, at.toLocaleString("en-GB", options));
  });
}

function follow(drawing, reading, series, x, format) {
  const every = [...new Set(series.flatMap((s) => s.points.map(([at]) => at.getTime())))].sort((a, b) => a - b);
  if (!every.length) { reading.textContent = "Nothing happened in this time."; return; }
  const cursor = svg("line", { y1: TOP, y2: HEIGHT - BOTTOM, class: "queue-cursor", visibility: "hidden" });
  drawing.append(cursor);
  const show = (at) => {
    const values = series.map((s) => [s.name, s.points.find(([t]) => t.getTime() === at)?.[1]]);
    reading.textContent = `${new Date(at).toLocaleString()}: ${values.map(([n, v]) => `${n} ${v === null || v === undefined ? "–" : format(v)}`).join(", ")}`;
    cursor.setAttribute("x1", x(at)); cursor.setAttribute("x2", x(at)); cursor.setAttribute("visibility", "visible");
  };
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    show(every.reduce((best, t) => (Math.abs(x(t) - at) < Math.abs(x(best) - at) ? t : best)));
  });
  drawing.addEventListener("pointerleave", () => { cursor.setAttribute("visibility", "hidden"); reading.textContent = ""; });
}

function summary(title, series, format) {
  const last = series.map((s) => `${s.name} ${s.points.length && s.points.at(-1)[1] !== null ? format(s.points.at(-1)[1]) : "none"}`);
  return `${title}. Newest: ${last.join(", ")}`;
}

function niceCeiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}
