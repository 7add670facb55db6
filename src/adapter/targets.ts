// Which modules of a model an adapter changes: PEFT's rules for names, patterns and layers.

import type { Tensor } from "../graph/graph.ts";
import { linearLayers, type Model } from "../model/model.ts";

/** A module that LoRA can adapt. */
export interface Module {
  path: string;
  kind: "linear" | "embedding" | "head";
  weight: Tensor;
}

export interface TargetRules {
  /** Ends of module paths, or one regular expression for whole paths. */
  names: readonly string[] | RegExp;
  /** Every linear layer of the blocks as well. */
  allLinear?: boolean;
  exclude?: readonly string[] | RegExp;
  /** Numbers of the only layers to adapt; for names, not for a regular expression, as in PEFT. */
  layers?: readonly number[];
  /** Names of the lists that those numbers count in; any when empty. */
  layersPattern?: readonly string[];
}

/** In the order of a model file: the embedding, the blocks, the head. */
export function adaptableModules(model: Model): Module[] {
  return [
    { path: "model.embed_tokens", kind: "embedding", weight: model.embedding },
    ...linearLayers(model).map(({ path, weight }): Module => ({ path, kind: "linear", weight })),
    { path: "lm_head", kind: "head", weight: model.head },
  ];
}

/** A pattern as Python's `re.fullmatch` takes it. */
export function wholePattern(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}

export function endsWithName(path: string, name: string): boolean {
  return path === name || path.endsWith(`.${name}`);
}

export function lastName(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

function named(path: string, names: readonly string[] | RegExp): boolean {
  return names instanceof RegExp
    ? names.test(path)
    : names.some((name) => endsWithName(path, name));
}

export function isTarget({ path, kind }: Module, rules: TargetRules): boolean {
  const { names, exclude, layers, layersPattern = [] } = rules;
  if (exclude && named(path, exclude)) return false;
  if (rules.allLinear && kind === "linear") {
    if (!layers || names instanceof RegExp) return true;
  } else if (!named(path, names)) return false;
  // A path that is named in full is taken whatever its layer is.
  if (names instanceof RegExp || names.includes(path) || !layers || layers.length === 0) {
    return true;
  }
  const patterns = layersPattern.length > 0 ? layersPattern : ["[^.]*"];
  for (const pattern of patterns) {
    const found = new RegExp(`^(?:.*?\\.)?(?:${pattern})\\.(\\d+)\\.`).exec(path);
    if (found) return layers.includes(Number(found[1]));
  }
  return false;
}

/** The value of the first pattern that matches the end of a path; else the fallback. */
export function patternValue(
  patterns: Readonly<Record<string, number>> | undefined,
  path: string,
  fallback: number,
): number {
  for (const [pattern, value] of Object.entries(patterns ?? {})) {
    if (new RegExp(`^(?:.*\\.)?(?:${pattern})$`).test(path)) return value;
  }
  return fallback;
}
