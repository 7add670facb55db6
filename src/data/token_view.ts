// A sample as a person checks it: each token's text, and whether it is trained. The terminal and the
// page show the same.
import { IGNORE, type Sample } from "./sample.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** `zero` marks a label that is the id 0: trained, but often padding by mistake. */
export type TokenState = "masked" | "trained" | "zero";

export interface TokenView {
  text: string;
  id: number;
  label: number;
  state: TokenState;
}

export function tokenViews({ tokens, labels }: Sample, tokenizer: Tokenizer): TokenView[] {
  return Array.from(tokens, (id, i) => {
    const label = labels[i]!;
    const state = label === IGNORE ? "masked" : label === 0 ? "zero" : "trained";
    return { text: tokenizer.decode([id]), id, label, state };
  });
}
