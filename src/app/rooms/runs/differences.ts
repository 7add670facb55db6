// Which keys of several configurations differ.

/** The value under a key in each configuration; undefined where it is missing. */
export interface KeyDifference {
  key: string;
  values: unknown[];
}

/**
 * Compares configurations leaf by leaf. Keys come in the order in which the configurations first name
 * them; a key that all have with the same value is left out.
 */
export function differences(configs: readonly unknown[]): KeyDifference[] {
  const leaves = configs.map((config) => new Map(leavesOf(config, "")));
  const keys = new Set(leaves.flatMap((each) => [...each.keys()]));
  return [...keys]
    .map((key) => ({ key, values: leaves.map((each) => each.get(key)) }))
    .filter(({ values }) => values.some((value) => value !== values[0]));
}

function leavesOf(value: unknown, key: string): [string, unknown][] {
  if (value === null || typeof value !== "object") return [[key, value]];
  const entries = Object.entries(value);
  if (entries.length === 0) return [[key, Array.isArray(value) ? "[]" : "{}"]];
  return entries.flatMap(([name, inner]) => leavesOf(inner, key === "" ? name : `${key}.${name}`));
}
