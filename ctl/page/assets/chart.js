// Lines over the last two minutes, and strips of health.
import { element, rate, svg } from "./dom.js";

const SPAN = 120_000;
const HEIGHT = 170, LEFT = 46, BOTTOM = 18, TOP = 8;
const COLOURS = 7;

export class Chart {
  constructor(place, title) {
    this.place = place;
    this.title = title;
    this.points = []; // {time, values: Map of name → number}
    this.colours = new Map();
    new ResizeObserver(() => this.points.length && this.draw()).observe(place);
  }

  add(time, values) {
    this.points.push({ time, values });
    while (this.points[0].time < time - SPAN) this.points.shift();
    this.draw();
  }

  // Those that have a line: the busiest ones.
  series() {
    const sums = new Map();
    for (const { values } of this.points) for (const [name, value] of values) sums.set(name, (sums.get(name) ?? 0) + value);
    return [...sums].filter(([, sum]) => sum > 0).sort((one, other) => other[1] - one[1]).slice(0, COLOURS).map(([name]) => name);
  }

  colour(name) {
    if (!this.colours.has(name)) this.colours.set(name, `var(--series-${this.colours.size % COLOURS})`);
    return this.colours.get(name);
  }

  draw() {
    const names = this.series();
    const now = this.points.at(-1).time;
    const width = Math.max(200, this.place.clientWidth); // text keeps its shape
    const top = nice(Math.max(1, ...this.points.flatMap(({ values }) => names.map((name) => values.get(name) ?? 0))));
    const x = (time) => LEFT + (width - LEFT - 4) * (1 - (now - time) / SPAN);
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    const lines = [0, 0.5, 1].map((part) => svg("g", {},
      svg("line", { class: "grid", x1: LEFT, x2: width, y1: y(part * top), y2: y(part * top) }),
      svg("text", { x: LEFT - 6, y: y(part * top) + 4, "text-anchor": "end" }, rate(part * top))));
    const times = [["−2 min", LEFT, "start"], ["now", width - 4, "end"]].map(([text, at, anchor]) =>
      svg("text", { x: at, y: HEIGHT - 3, "text-anchor": anchor }, text));
    const curves = names.map((name) => {
      const path = this.points.map(({ time, values }, i) => `${i ? "L" : "M"}${x(time).toFixed(1)} ${y(values.get(name) ?? 0).toFixed(1)}`).join("");
      const line = svg("path", { class: "series", d: path });
      line.style.stroke = this.colour(name);
      return line;
    });
    const last = this.points.at(-1).values;
    const legend = names.map((name) => {
      const entry = element("li", {}, `${name} ${rate(last.get(name) ?? 0)}`);
      entry.style.setProperty("--colour", this.colour(name));
      return entry;
    });
    const label = `${this.title}: ${names.map((name) => `${name} ${rate(last.get(name) ?? 0)}`).join(", ") || "nothing"}`;
    this.place.replaceChildren(
      svg("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label }, ...lines, ...times, ...curves),
      element("ul", { class: "legend" }, ...legend));
  }
}

// The next round number.
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

const STRIP = 600_000;

// The last ten minutes of a backend; `history`: [[time, health], …].
export function strip(history, now) {
  const parts = history.map(([time, health], i) => {
    const end = i + 1 < history.length ? history[i + 1][0] : now;
    const from = Math.max(0, 1 - (now - time) / STRIP), to = Math.max(0, 1 - (now - end) / STRIP);
    const kind = health === "up" ? "up" : health === "down" ? "down" : health === "unchecked" ? "none" : "other";
    return svg("rect", { class: kind, x: from * 140, width: Math.max(0, to - from) * 140, height: 14 });
  });
  const label = `last ten minutes: ${history.map(([time, health]) => `${health} from ${new Date(time).toLocaleTimeString()}`).join(", ")}`;
  return svg("svg", { class: "strip", viewBox: "0 0 140 14", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("title", {}, label), svg("rect", { class: "none", width: 140, height: 14 }), ...parts);
}
