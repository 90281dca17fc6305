// From a JSON schema to the fields of a form, and from what was typed to a value. Pure.

const DEPTH_MAX = 8;

// -> [{key, title, kind, required, choices, described, initial}]; null if the schema is of no object with known keys.
// kind: "text" | "long" | "number" | "integer" | "boolean" | "choice" | "messages" | "json"
export function fieldsOf(schema) {
  const root = resolved(schema, schema);
  if (!root || typeof root.properties !== "object" || root.properties === null) return null;
  const required = new Set(Array.isArray(root.required) ? root.required : []);
  return Object.entries(root.properties).map(([key, given]) => fieldOf(key, given, schema, required.has(key)));
}

export function fieldOf(key, given, root, required = true) {
  const outer = given && typeof given === "object" ? given : {};
  const schema = { ...resolved(given, root), ...("default" in outer ? { default: outer.default } : {}) };
  const kind = kindOf(key, schema, root);
  return {
    key, kind, required,
    title: String(outer.title ?? schema.title ?? key),
    described: String(outer.description ?? schema.description ?? ""),
    choices: kind === "choice" ? (schema.enum ?? [schema.const]) : [],
    initial: schema.default,
  };
}

function kindOf(key, schema, root) {
  if (Array.isArray(schema.enum) || "const" in schema) return "choice";
  if (schema.type === "boolean") return "boolean";
  if (schema.type === "integer" || schema.type === "number") return schema.type;
  if (schema.type === "string") return schema.maxLength && schema.maxLength <= 80 ? "text" : "long";
  if (schema.type === "array" && (key === "messages" || holdsMessages(schema.items, root))) return "messages";
  return "json";
}

function holdsMessages(items, root) {
  const shown = resolved(items, root);
  const names = [shown, ...(shown?.anyOf ?? []), ...(shown?.oneOf ?? [])];
  return names.some((each) => /HumanMessage/.test(`${each?.$ref ?? ""} ${each?.title ?? ""}`));
}

// A reference is what it names, and "this or null" is this.
function resolved(given, root, depth = 0) {
  if (!given || typeof given !== "object" || depth > DEPTH_MAX) return {};
  if (typeof given.$ref === "string" && given.$ref.startsWith("#/")) {
    const found = given.$ref.slice(2).split("/").reduce((at, part) => {
      const name = part.replaceAll("~1", "/").replaceAll("~0", "~");
      return at && Object.hasOwn(at, name) ? at[name] : undefined;
    }, root);
    return resolved(found, root, depth + 1);
  }
  for (const list of [given.anyOf, given.oneOf, given.allOf]) {
    if (!Array.isArray(list)) continue;
    const real = list.filter((each) => each?.type !== "null");
    if (real.length === 1) return { ...given, anyOf: undefined, ...resolved(real[0], root, depth + 1) };
  }
  return given;
}

// What a field shows at first.
export function shownOf(field) {
  if (field.initial === undefined || field.initial === null) return "";
  return field.kind === "json" || field.kind === "messages" ? JSON.stringify(field.initial) : String(field.initial);
}

// The value of what was typed; undefined: leave it out. Throws an Error with what is wrong.
export function valueOf(field, typed) {
  if (field.kind === "boolean") return typed === true;
  const text = String(typed);
  if (field.kind === "choice") {
    const found = field.choices.find((choice) => String(choice) === text);
    if (found === undefined && field.required) throw new Error(`${field.title}: choose one`);
    return found;
  }
  if (text.trim() === "") {
    if (!field.required || (field.kind !== "text" && field.kind !== "long")) return undefined;
    return text;
  }
  if (field.kind === "number" || field.kind === "integer") {
    const value = Number(text);
    if (!Number.isFinite(value) || (field.kind === "integer" && !Number.isInteger(value))) {
      throw new Error(`${field.title}: ${field.kind === "integer" ? "a whole number" : "a number"} is needed`);
    }
    return value;
  }
  if (field.kind === "messages") return messagesOf(field, text);
  return field.kind === "json" ? parsed(field.title, text) : text;
}

function messagesOf(field, text) {
  return /^\s*\[/.test(text) ? parsed(field.title, text) : [{ role: "user", content: text }];
}

export function parsed(title, text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${title}: this is no JSON (${error.message})`);
  }
}
