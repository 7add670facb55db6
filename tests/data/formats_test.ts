import { deepEqual, equal, throws } from "node:assert/strict";
import type { FormatContext } from "../../src/data/formats/format.ts";
import { findFormat, formatNames } from "../../src/data/formats/index.ts";
import { IGNORE } from "../../src/data/sample.ts";
import { EftError } from "../../src/errors.ts";
import { BOS, bytesOf, EOS, tinyTokenizer } from "./tiny_tokenizer.ts";

const WITHOUT = "Below is an instruction that describes a task. Write a response that " +
  "appropriately completes the request.";
const TOKENIZER = await tinyTokenizer();
const NO_BOS = await tinyTokenizer({ addsBos: false, addsEos: true });

function open(type: string, changes: Partial<FormatContext> = {}) {
  const defaults = { sequenceLen: 1000, trainOnInputs: false, dataset: { type } };
  return findFormat(type)!.open({ tokenizer: TOKENIZER, ...defaults, ...changes });
}

function tokenize(type: string, value: Record<string, unknown>, changes?: Partial<FormatContext>) {
  return open(type, changes).tokenize({ value, file: "d.jsonl", line: 17 })
    .map(({ tokens, labels }) => ({ tokens: [...tokens], labels: [...labels] }));
}

/** The text that asks a question. */
function prompt(type: string, question: string): string {
  const ids = open(type, { tokenizer: NO_BOS }).prompt!([{ role: "user", content: question }]);
  return NO_BOS.decode(ids);
}

Deno.test("prompts of all styles are Axolotl's, to the letter", () => {
  const prompts = {
    alpaca: `${WITHOUT}\n\n### Instruction:\nDo\n\n### Response:\n`,
    "alpaca:chat": `SYSTEM: ${WITHOUT}\nUSER: Do\nASSISTANT:`,
    "alpaca:chatml": `<|im_start|>system\n${WITHOUT}<|im_end|>\n<|im_start|>user\nDo<|im_end|>\n` +
      "<|im_start|>assistant\n",
    completion: "Do",
  };
  for (const [type, text] of Object.entries(prompts)) equal(prompt(type, "Do"), text);
  equal(prompt("alpaca:instruct", "x"), prompt("alpaca", "x"));
  equal(findFormat("alpaca:other"), undefined);
  equal(new Set(formatNames).size, formatNames.length);
});

Deno.test("the prompt is masked, the response and EOS are trained, no merge crosses the seam", () => {
  const row = { instruction: "Hi", input: "", output: "ab" };
  const asked = [BOS, ...bytesOf(prompt("alpaca:chat", "Hi"))];
  const [sample, ...others] = tokenize("alpaca:chat", row);
  equal(others.length, 0);
  deepEqual(sample!.tokens, [...asked, 266, EOS]); // not ":a"
  deepEqual(sample!.labels, [...asked.map(() => IGNORE), 266, EOS]);
  deepEqual(tokenize("alpaca:chat", row, { trainOnInputs: true })[0]!.labels, sample!.tokens);
});

Deno.test("a tokenizer without BOS adds none; one that adds EOS gets it once, at the end", () => {
  const row = { instruction: "Hi", input: null, output: "x" };
  const [sample] = tokenize("alpaca", row, { tokenizer: NO_BOS });
  deepEqual(sample!.tokens, [...bytesOf(prompt("alpaca", "Hi") + "x"), EOS]);
});

Deno.test("an output that already ends in EOS gets no second one; an empty one gets none", () => {
  const [ended] = tokenize("alpaca", { instruction: "Hi", output: "x</s>" });
  deepEqual(ended!.labels.slice(-3), [IGNORE, ...bytesOf("x"), EOS]);
  const [empty] = tokenize("alpaca", { instruction: "Hi", output: "" });
  equal(empty!.labels.filter((label) => label !== IGNORE).length, 0);
  equal(empty!.tokens.at(-1), bytesOf("\n")[0]);
});

Deno.test("prompt and response are cut at sequence_len, each on its own", () => {
  const row = { instruction: "Hi", output: "y".repeat(30) };
  const [sample] = tokenize("alpaca", row, { sequenceLen: 20 });
  const prompt = [BOS, ...bytesOf(WITHOUT).slice(0, 19)];
  // The response counts the BOS that is stripped from it, and has no room left for EOS.
  deepEqual(sample!.tokens, [...prompt, ...bytesOf("y".repeat(19))]);
  const [fits] = tokenize("alpaca", { ...row, output: "y".repeat(18) }, { sequenceLen: 20 });
  deepEqual(fits!.tokens.slice(20), [...bytesOf("y".repeat(18)), EOS]);
});

Deno.test("completion trains on all and splits long text, with one EOS", () => {
  const [short] = tokenize("completion", { text: "xyz" });
  deepEqual(short, {
    tokens: [BOS, ...bytesOf("xyz"), EOS],
    labels: [BOS, ...bytesOf("xyz"), EOS],
  });
  const chunks = tokenize("completion", { body: "0123456789" }, {
    sequenceLen: 5,
    dataset: { field: "body" },
  });
  deepEqual(chunks.map(({ tokens }) => tokens), [
    [BOS, ...bytesOf("0123")],
    bytesOf("45678"),
    [...bytesOf("9"), EOS],
  ]);
  deepEqual(tokenize("completion", { text: "" }), []);
  const long = tokenize("completion", { text: "x".repeat(1000) }, { sequenceLen: 5 });
  equal(long.length, 64);
});

Deno.test("missing and odd fields are found at their row", () => {
  const at = (message: RegExp) => (error: unknown) =>
    error instanceof EftError && error.code === "data" && error.place.file === "d.jsonl" &&
    error.place.line === 17 && message.test(error.message);
  throws(
    () => tokenize("alpaca", { instruction: "Hi", response: "x" }),
    at(/has no "output"; its fields are "instruction", "response"/),
  );
  throws(
    () => tokenize("alpaca", { instruction: 7, output: "x" }),
    at(/"instruction" must be text, found a number/),
  );
  throws(
    () => tokenize("alpaca", { instruction: "a", input: ["b"], output: "x" }),
    at(/"input" must be text, found a list/),
  );
  throws(() => tokenize("completion", {}), at(/has no "text"; its fields are none/));
});
