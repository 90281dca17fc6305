// What changed between two values of a state, by path. Pure.

// A path as a key: parts are JSON, so no key can be taken for another one.
export const pathKey = (path) => JSON.stringify(path);

// -> Map of path key -> "new" | "changed" | "within" (something below it), and "removed" for what is gone.
export function changes(before, now) {
  const found = new Map();
  if (before !== undefined) compare(before, now, [], found);
  return found;
}

function compare(before, now, path, found) {
  if (Object.is(before, now)) return false;
  if (!isBranch(before) || !isBranch(now) || Array.isArray(before) !== Array.isArray(now)) {
    found.set(pathKey(path), "changed");
    return true;
  }
  let any = false;
  for (const key of Object.keys(now)) {
    const inner = [...path, key];
    if (!Object.hasOwn(before, key)) {
      found.set(pathKey(inner), "new");
      any = true;
    } else if (compare(before[key], now[key], inner, found)) {
      any = true;
    }
  }
  for (const key of Object.keys(before)) {
    if (!Object.hasOwn(now, key)) {
      found.set(pathKey([...path, key]), "removed");
      any = true;
    }
  }
  if (any) found.set(pathKey(path), "within");
  return any;
}

export function isBranch(value) {
  return value !== null && typeof value === "object";
}
