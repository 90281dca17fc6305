// Forms made from JSON schemas: a field for each key, or JSON as a whole.

import { el } from "./dom.js";
import { fieldOf, fieldsOf, parsed, shownOf, valueOf } from "./schema.js";

let count = 0;

// {element, value()}: `value()` is what was typed, and throws an Error that says what is wrong.
export function inputs(schema) {
  const fields = schema ? fieldsOf(schema) : null;
  if (!fields) return schema && schema.type && schema.type !== "object" ? one(schema) : asJson();
  const made = fields.map((field) => ({ field, ...control(field) }));
  const json = asJson();
  const toggle = el("input", { type: "checkbox", id: `f${++count}` });
  const plain = el("div", { class: "stack" }, made.map((each) => each.element));
  json.element.hidden = true;
  toggle.addEventListener("change", () => {
    json.element.hidden = !toggle.checked;
    plain.hidden = toggle.checked;
  });
  const element = el("div", { class: "stack" }, plain, json.element,
    el("label", { class: "line", for: toggle.id }, toggle, el("small", {}, "write it as JSON")));
  const value = () => {
    if (toggle.checked) return json.value();
    const found = made.map(({ field, read }) => [field.key, valueOf(field, read())]);
    return Object.fromEntries(found.filter(([, each]) => each !== undefined));
  };
  return { element, value };
}

// A value that is no object: a text, a number, one of several.
function one(schema) {
  const field = fieldOf("answer", { title: "Answer", ...schema }, schema);
  const made = control(field);
  return { element: made.element, value: () => valueOf(field, made.read()) };
}

function asJson() {
  const field = { key: "json", title: "JSON", kind: "json", required: true, described: "", choices: [], initial: {} };
  const made = control(field);
  return { element: made.element, value: () => parsed("JSON", made.read()) };
}

// An answer without a schema: a text as it is, or JSON if that is asked for.
export function freeAnswer() {
  const text = control({
    key: "answer", title: "Answer", kind: "long", required: true, described: "", choices: [], initial: undefined,
  });
  const toggle = el("input", { type: "checkbox", id: `f${++count}` });
  const element = el("div", { class: "stack" }, text.element,
    el("label", { class: "line", for: toggle.id }, toggle, el("small", {}, "read it as JSON")));
  return { element, value: () => (toggle.checked ? parsed("Answer", text.read()) : text.read()) };
}

const HINTS = { json: "JSON", messages: "a message of yours, or JSON of a list of messages", integer: "a whole number", number: "a number" };

function control(field) {
  const id = `f${++count}`;
  const input = inputOf(field, id);
  const hint = [field.described, HINTS[field.kind], field.required ? "" : "optional"].filter(Boolean).join(" · ");
  const label = field.kind === "boolean"
    ? el("label", { class: "line", for: id }, input, field.title)
    : el("label", { for: id }, field.title, hint ? el("small", {}, hint) : null, input);
  return { element: label, read: () => (field.kind === "boolean" ? input.checked : input.value) };
}

function inputOf(field, id) {
  const name = { id, name: field.key };
  if (field.kind === "boolean") return el("input", { ...name, type: "checkbox", checked: field.initial === true });
  if (field.kind === "choice") {
    const none = field.initial === undefined ? [el("option", { value: "" }, "")] : [];
    const rest = field.choices.map((choice) => el("option", {
      value: String(choice), selected: choice === field.initial,
    }, String(choice)));
    return el("select", name, [...none, ...rest]);
  }
  if (field.kind === "long" || field.kind === "json" || field.kind === "messages") {
    const area = el("textarea", { ...name, rows: field.kind === "long" ? 2 : 3, spellcheck: field.kind === "json" ? "false" : null });
    area.value = shownOf(field);
    return area;
  }
  const input = el("input", { ...name, type: field.kind === "text" ? "text" : "number", step: field.kind === "number" ? "any" : null, autocomplete: "off" });
  input.value = shownOf(field);
  return input;
}

// A form that sends once at a time, and tells what went wrong. `send(value)` may reject.
export function form(made, buttons, send, extra = []) {
  const problem = el("p", { class: "problem", role: "alert" });
  const whole = el("form", { autocomplete: "off" }, made.element, extra, problem, el("div", { class: "buttons" }, buttons));
  whole.addEventListener("submit", (event) => {
    event.preventDefault();
    sending(whole, problem, async () => send(made.value(), event.submitter));
  });
  whole.sending = (work) => sending(whole, problem, work);
  return whole;
}

async function sending(whole, problem, work) {
  const buttons = [...whole.querySelectorAll("button")];
  problem.textContent = "";
  buttons.forEach((button) => (button.disabled = true));
  try {
    await work();
  } catch (error) {
    problem.textContent = error.message;
  } finally {
    buttons.forEach((button) => (button.disabled = false));
  }
}
