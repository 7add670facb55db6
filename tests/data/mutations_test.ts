// Any change of a valid row gives samples, a dropped row or an EftError at its line: never another
// exception, and never labels that do not fit their tokens.
import { ok } from "node:assert/strict";
import { type DatasetKeys, DroppedRow } from "../../src/data/formats/format.ts";
import { findFormat } from "../../src/data/formats/index.ts";
import { openPreference } from "../../src/data/formats/preference.ts";
import { EftError } from "../../src/errors.ts";
import { RandomStream } from "../../src/random.ts";
import { tinyTokenizer } from "./tiny_tokenizer.ts";

const MUTATIONS = 2500;
const TOKENIZER = await tinyTokenizer();
const talk = [{ from: "human", value: "Hi" }, { from: "gpt", value: "Ho" }];
const call = { function: { name: "f", arguments: '{"x": 1}' } };
const chat = [
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Ho", reasoning_content: "hm", tool_calls: [call] },
  { role: "tool", content: "1" },
  {
    role: "assistant",
    content: [{ type: "text", text: "a", train: true }, { text: "b", weight: 0 }],
  },
];
const details = [{ begin_offset: 0, end_offset: 1, train: true }];

const ROWS: [type: string, row: Record<string, unknown>, keys?: DatasetKeys][] = [
  ["alpaca", { instruction: "a", input: "b", output: "c" }],
  ["alpaca_w_system.load_open_orca", { system_prompt: "s", question: "q", response: "r" }],
  ["concisechoice", { question: "q", choices: ["a", "b"], solution: "a" }],
  ["jeopardy", { question: "q", category: "c", answer: "a" }],
  ["context_qa", { article: "a", question: "q", answer: "x" }],
  ["reflection", { instruction: "a", output: "b", reflection: "c", corrected: "d" }],
  [
    "creative_acr.load_critique",
    { instruction: "a", answer: "b", scores: { x: 1 }, critiques: { x: { y: "long text" } } },
  ],
  ["sharegpt", { conversations: talk }, { conversation: "llama-2" }],
  ["sharegpt_jokes", { title: "t", text: "x", explanation: "y" }],
  ["llama2_chat", { conversations: talk }],
  ["pygmalion", { conversations: [{ role: "human", value: "a" }, { role: "bot", value: "b" }] }],
  ["metharme", { prompt: "a", generation: "b" }],
  ["completion", { text: "abc" }],
  ["pretrain", { text: "abc" }],
  ["input_output", { segments: [{ label: true, text: "abc" }] }],
  ["stepwise_supervised", { prompt: "p", completions: ["a", "b"], labels: [true, false] }],
  ["tokenized", { input_ids: [1, 20], attention_mask: [1, 1], labels: [-100, 20] }],
  ["chat_template", { messages: chat, tools: [{ function: { parameters: '{"a": 1}' } }] }],
  [
    "chat_template",
    { messages: [chat[0], { role: "assistant", content: "abc", d: details }] },
    { message_field_training_detail: "d", split_thinking: true },
  ],
];
const PREFERENCES: [method: string, type: string, row: Record<string, unknown>][] = [
  ["dpo", "chatml.intel", { system: "s", question: "q", chosen: "a", rejected: "b" }],
  ["dpo", "zephyr.nectar", {
    prompt: "p",
    answers: [{ answer: "a", rank: 1 }, { answer: "b", rank: 2 }],
  }],
  ["dpo", "chat_template.default", {
    messages: [{ role: "user", content: "q" }],
    chosen: { role: "assistant", content: "a" },
    rejected: { role: "assistant", content: "b" },
  }],
  ["kto", "llama3.argilla", { instruction: "q", completion: "a", label: true }],
];

const STRANGE = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1.5,
    1e300,
    NaN,
    "",
    " ",
    "\0",
    "\ud800",
    "🦎",
    "</s><s>",
    "{}",
    "[",
    "{{ x }}",
  ],
  ...[[], {}, [null], [[]], [{}], { role: 1 }, { role: "user" }, "x".repeat(3000), -100, 99999],
  ...["__proto__", "constructor", "toString", { from: "gpt" }, [1, 2, 3], ["a"], undefined],
];

/** Changes one place of a value, anywhere below it. */
function mutate(value: unknown, random: RandomStream): unknown {
  const isObject = typeof value === "object" && value !== null;
  if (!isObject || random.below(5) === 0) {
    return structuredClone(STRANGE[random.below(STRANGE.length)]);
  }
  if (Array.isArray(value)) {
    const list = [...value], at = random.below(list.length + 1);
    const kind = random.below(8);
    if (kind < 2) list.splice(at, 1);
    else if (kind === 2) list.push(list[0]);
    else list[at] = mutate(list[at], random);
    return list;
  }
  const entries = Object.entries(value), at = random.below(Math.max(1, entries.length));
  if (entries.length === 0) return { [String(STRANGE[random.below(20)])]: 1 };
  if (random.below(6) === 0) entries.splice(at, 1);
  else entries[at] = [entries[at]![0], mutate(entries[at]![1], random)];
  return Object.fromEntries(entries);
}

function mutations(
  row: Record<string, unknown>,
  seed: number,
  check: (row: Record<string, unknown>) => void,
) {
  const random = new RandomStream(seed, 0);
  for (let i = 0; i < MUTATIONS; i++) {
    let changed: unknown = row;
    for (let times = 1 + random.below(2); times > 0; times--) changed = mutate(changed, random);
    if (typeof changed !== "object" || changed === null || Array.isArray(changed)) continue;
    try {
      check(changed as Record<string, unknown>);
    } catch (error) {
      if (error instanceof DroppedRow) continue;
      ok(error instanceof EftError, `${JSON.stringify(changed)}: ${(error as Error).stack}`);
      ok(error.place.line === 3, `${JSON.stringify(changed)}: ${error.message}`);
    }
  }
}

for (const [i, [type, row, keys = {}]] of ROWS.entries()) {
  Deno.test(`mutations of ${type} rows (${i})`, () => {
    const reader = findFormat(type)!.open({
      tokenizer: TOKENIZER,
      sequenceLen: 64,
      trainOnInputs: false,
      dataset: { ...keys, type },
      chat: type === "chat_template" ? { chat_template: "qwen3" } : {},
    });
    mutations(row, i, (value) => {
      for (const { tokens, labels } of reader.tokenize({ value, file: "f", line: 3 })) {
        ok(tokens.length === labels.length && tokens.every((id) => id >= 0));
      }
      reader.exchange?.({ value, file: "f", line: 3 });
    });
  });
}

for (const [i, [method, type, row]] of PREFERENCES.entries()) {
  Deno.test(`mutations of ${method} ${type} rows`, () => {
    const read = openPreference(method, {
      tokenizer: TOKENIZER,
      sequenceLen: 64,
      trainOnInputs: false,
      dataset: { type },
      chat: { chat_template: "chatml" },
    })!;
    mutations(row, 100 + i, (value) => {
      for (const each of Object.values(read({ value, file: "f", line: 3 }))) {
        ok(typeof each === "string" || typeof each === "boolean");
      }
    });
  });
}
