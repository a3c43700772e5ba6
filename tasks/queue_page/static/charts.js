// Line charts in SVG. Lines differ by dash and by colour. The colours are those of Okabe and Ito, which
// colour-blind people can distinguish.
// The legend shows the newest values, or the values at the time that the pointer or the arrow keys select.

import { el } from "./dom.js";
import { marks } from "./scale.js";

const WIDTH = window.innerWidth < 640 ? 360 : 560, HEIGHT = 190, LEFT = 46, RIGHT = 8, TOP = 10, BOTTOM = 22;
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
const pointedAt = new Map(); // by title; the entries survive a redraw

function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// series: [{name, points: [[Date, number|null]], gap}]; format: number => text; scale: for the marks of the axis
export function chart(title, series, { from, to, format = String, gap, scale = {} }) {
  const ticks = marks(Math.max(...series.flatMap((s) => s.points.map(([, y]) => y ?? 0)), 0), scale);
  const x = (at) => LEFT + ((at - from) / (to - from)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / ticks.at(-1)) * (HEIGHT - TOP - BOTTOM);
  const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "queue-chart", role: "img", tabindex: 0,
    "data-label": title, "aria-label": `${summary(title, series, format)}. Arrow keys read the values.` },
    ...grid(ticks, y, format), ...times(from, to, x), area(series[0].points, x, y, gap),
    ...series.flatMap((s, place) => lines(s.points, place, x, y, gap)));
  const values = series.map(() => el("b", {}));
  const at = el("span", { class: "queue-chart-at" });
  const said = el("div", { class: "visually-hidden", role: "status" });
  follow(drawing, { title, series, values, at, said, x, format });
  return el("figure", { class: "queue-figure" },
    el("figcaption", {}, title, at),
    el("div", { class: "queue-legend" }, series.map((s, place) => el("span", {}, swatch(place), s.name, " ", values[place]))),
    drawing, said);
}

function swatch(place) {
  return svg("svg", { width: 22, height: 8, "aria-hidden": "true" },
    svg("line", { x1: 0, y1: 4, x2: 22, y2: 4, class: `queue-line queue-line-${place}`, "stroke-dasharray": DASHES[place] }));
}

// A line ends where nothing is known. While nothing happens, the value is known: it is 0.
function parts(points, x, y, gap) {
  const found = [[]];
  let last = null;
  for (const [at, value] of points) {
    if (value === null || (last !== null && at - last > gap)) found.push([]);
    if (value !== null) found.at(-1).push([x(at), y(value)]);
    last = at;
  }
  return found.filter((part) => part.length);
}

function path(part) {
  return `M${part.map(([px, py]) => `${px.toFixed(1)},${py.toFixed(1)}`).join("L")}`;
}

function lines(points, place, x, y, gap) {
  return parts(points, x, y, gap).flatMap((part) => [
    svg("path", { d: path(part), class: `queue-line queue-line-${place}`, "stroke-dasharray": DASHES[place] }),
    ...(part.length === 1 ? [svg("circle", { cx: part[0][0], cy: part[0][1], r: 2.5, class: `queue-dot queue-line-${place}` })] : []),
  ]);
}

function area(points, x, y, gap) {
  const closed = parts(points, x, y, gap).map((part) => `${path(part)}L${part.at(-1)[0].toFixed(1)},${y(0)}L${part[0][0].toFixed(1)},${y(0)}Z`);
  return svg("path", { d: closed.join(""), class: "queue-area" });
}

function grid(ticks, y, format) {
  return ticks.flatMap((value) => [
    svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: "queue-gridline" }),
    svg("text", { x: LEFT - 6, y: y(value) + 4, class: "queue-axis", "text-anchor": "end" }, value ? format(value) : "0"),
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

function follow(drawing, { title, series, values, at, said, x, format }) {
  const every = [...new Set(series.flatMap((s) => s.points.map(([t]) => t.getTime())))].sort((a, b) => a - b);
  const cursor = svg("line", { y1: TOP, y2: HEIGHT - BOTTOM, class: "queue-cursor", visibility: "hidden" });
  drawing.append(cursor);
  const valueAt = (s, time) => {
    const value = s.points.find(([t]) => t.getTime() === time)?.[1];
    return value === null || value === undefined ? "–" : format(value);
  };
  const nearest = (distance) => every.reduce((best, t) => (distance(t) < distance(best) ? t : best));
  const show = (time) => {
    pointedAt.set(title, time);
    at.textContent = new Date(time).toLocaleString("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });
    series.forEach((s, place) => { values[place].textContent = valueAt(s, time); });
    cursor.setAttribute("x1", x(time)); cursor.setAttribute("x2", x(time)); cursor.setAttribute("visibility", "visible");
  };
  const rest = () => {
    pointedAt.delete(title);
    at.textContent = every.length ? "" : "nothing happened in this time";
    series.forEach((s, place) => { values[place].textContent = s.points.length ? valueAt(s, s.points.at(-1)[0].getTime()) : "–"; });
    cursor.setAttribute("visibility", "hidden");
  };
  if (every.length && pointedAt.has(title)) show(nearest((t) => Math.abs(t - pointedAt.get(title)))); else rest();
  if (!every.length) return;
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * WIDTH;
    show(nearest((t) => Math.abs(x(t) - place)));
  });
  drawing.addEventListener("pointerleave", rest);
  drawing.addEventListener("blur", () => { if (drawing.isConnected) rest(); });
  drawing.addEventListener("keydown", (event) => {
    const here = pointedAt.has(title) ? every.indexOf(nearest((t) => Math.abs(t - pointedAt.get(title)))) : every.length;
    const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: every.length - 1 }[event.key];
    if (event.key === "Escape") rest();
    if (next === undefined) return;
    event.preventDefault();
    show(every[Math.min(Math.max(next, 0), every.length - 1)]);
    said.textContent = `${at.textContent}: ${series.map((s, place) => `${s.name} ${values[place].textContent}`).join(", ")}`;
  });
}

function summary(title, series, format) {
  const last = series.map((s) => `${s.name} ${s.points.length && s.points.at(-1)[1] !== null ? format(s.points.at(-1)[1]) : "none"}`);
  return `${title}. Newest: ${last.join(", ")}`;
}
