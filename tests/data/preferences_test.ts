// The texts of preference rows against Axolotl's transforms (tests/golden/formats/preferences.json).
import { deepEqual, equal } from "node:assert/strict";
import { openPreference } from "../../src/data/formats/preference.ts";
import { denoHost } from "../../src/host/deno.ts";
import { tinyTokenizer } from "./tiny_tokenizer.ts";

type Golden = [method: string, type: string, row: Record<string, unknown>, texts: unknown];

const golden = JSON.parse(
  await denoHost().readText("tests/golden/formats/preferences.json"),
) as Golden[];
const context = {
  tokenizer: await tinyTokenizer(),
  sequenceLen: 100,
  trainOnInputs: false,
};

for (const [method, type, value, texts] of golden) {
  Deno.test(`${method} ${type}: ${Object.keys(value)}`, () => {
    const read = openPreference(method, { ...context, dataset: { type } })!;
    const found = read({ value, file: "f", line: 1 });
    deepEqual(found, method === "kto" ? { ...texts as object, good: true } : texts);
  });
}

Deno.test("chat templates and the user's own formats write preference rows, too", () => {
  const read = (dataset: Record<string, unknown>, value: Record<string, unknown>, method = "dpo") =>
    openPreference(method, { ...context, dataset, chat: { chat_template: "chatml" } })!({
      value,
      file: "f",
      line: 1,
    });
  const answers = {
    chosen: { role: "assistant", content: "a" },
    rejected: { role: "assistant", content: "b" },
  };
  const texts = {
    prompt: "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\n",
    chosen: "a<|im_end|>",
    rejected: "b<|im_end|>",
  };
  const messages = [{ role: "user", content: "q" }];
  deepEqual(read({ type: "chat_template.default" }, { messages, ...answers }), texts);
  const talks = {
    chosen: [...messages, answers.chosen],
    rejected: [...messages, answers.rejected],
  };
  deepEqual(read({ type: "chat_template.argilla_chat" }, talks), texts);
  const own = {
    field_prompt: "p",
    prompt_format: "[{system}|{prompt}]",
    chosen_format: "{chosen}!",
  };
  deepEqual(
    read({ type: own }, { p: "q", system: "s", chosen: "a", rejected: "b" }),
    { prompt: "[s|q]", chosen: "a!", rejected: "b" },
  );
  equal(openPreference("dpo", { ...context, dataset: { type: "chatml.nothing" } }), undefined);
});
