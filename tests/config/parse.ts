// A small good configuration for tests, and how additions to it fail.

import { equal, ok } from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { EftError } from "../../src/errors.ts";

export const BASE = `base_model: ./model
datasets:
  - path: data.jsonl
    type: alpaca
learning_rate: 2e-4
`;

export const parse = (more = "") => parseConfig(BASE + more, "c.yml");

export function failure(text: string): EftError {
  try {
    parseConfig(text, "c.yml");
  } catch (error) {
    ok(error instanceof EftError, String(error));
    equal(error.code, "config");
    return error;
  }
  throw new Error(`this was accepted:\n${text}`);
}

/** Asserts that lines added to a good file fail with a text like "c.yml:6:1: ...". */
export function fails(more: string, text: RegExp) {
  const error = failure(BASE + more);
  ok(text.test(error.text), error.text);
}
