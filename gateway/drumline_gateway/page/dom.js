// The one place that makes elements. Whatever comes from a run is set as text or as an attribute, never as markup.

const SVG = "http://www.w3.org/2000/svg";

// Attributes that hold code or addresses are not to be had from data: only these names are taken.
const ATTRIBUTES = new Set([
  "aria-current", "aria-expanded", "aria-hidden", "aria-label", "aria-labelledby", "aria-live", "aria-describedby",
  "checked", "class", "cx", "cy", "d", "disabled", "dx", "dy", "for", "height", "hidden", "href", "id", "marker-end",
  "markerHeight", "markerWidth", "max", "min", "name", "open", "orient", "placeholder", "r", "refX", "refY", "required",
  "role", "rows", "rx", "scope", "selected", "step", "tabindex", "title", "type", "value", "viewBox", "width", "x",
  "x1", "x2", "y", "y1", "y2", "preserveAspectRatio", "autocomplete", "spellcheck",
]);

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on") && typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === null || value === undefined || value === false) continue;
    else if (!ATTRIBUTES.has(name)) throw new Error(`attribute ${name} is not in the list`);
    else if (name === "href" && !String(value).startsWith("#")) throw new Error("links lead within the page");
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
}

export function badge(status, text = status) {
  return el("span", { class: `badge ${/^[a-z]+$/.test(status) ? status : ""}` }, text);
}

export function card(title, ...children) {
  const id = `h-${title.toLowerCase().replace(/[^a-z]+/g, "-")}`;
  return el("section", { class: "card", "aria-labelledby": id }, el("h2", { id }, title), ...children);
}

export function say(text) {
  document.getElementById("told").textContent = text;
}

export const link = (...parts) => `#/${parts.map((part) => encodeURIComponent(part)).join("/")}`;

export function table(caption, heads, rows, empty) {
  if (!rows.length) return el("p", { class: "empty" }, empty);
  return el("div", { class: "scroll" }, el("table", { "aria-label": caption },
    el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))));
}
