// Elements made of text: what comes from the network never becomes markup.

export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(made, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...children.map((child) => (child instanceof Node ? child : String(child))));
  return made;
}

// Columns: {title, number, cell(row) → text or element}.
// What somebody is about to copy stays as it is.
export function table(place, columns, rows, empty) {
  const chosen = getSelection();
  if (chosen.type === "Range" && place.contains(chosen.anchorNode)) return;
  if (rows.length === 0) return void place.replaceChildren(element("p", { class: "empty" }, empty));
  const head = element("tr", {}, ...columns.map((one) => element("th", { scope: "col", class: one.number && "number" }, one.title)));
  const body = rows.map((row) => element("tr", {}, ...columns.map((one) => element("td", { class: one.number ? "number" : one.style }, one.cell(row)))));
  place.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
}

// A word as the shell takes it.
export function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function command(...words) {
  return element("code", {}, words.join(" "));
}

const digits = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => digits.format(value);
export const rate = (value) => (value === undefined ? "" : value > 0 && value < 10 ? value.toFixed(1) : value < 10_000 ? digits.format(value) : short.format(value));
