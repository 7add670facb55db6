// Whatever happens to a configuration, the answer is a configuration or an EftError, soon.
import { ok } from "node:assert/strict";
import fc from "fast-check";
import { stringify } from "yaml";
import { parseConfig } from "../../src/config/config.ts";
import { configJsonSchema } from "../../src/config/json_schema.ts";
import { knownKeys } from "../../src/config/overrides.ts";
import { EftError } from "../../src/errors.ts";

const RECIPE = {
  base_model: "./model",
  learning_rate: 2e-4,
  datasets: [
    { path: "data.jsonl", type: "alpaca", shards: 2, roles: { assistant: ["gpt", "model"] } },
    { path: "owner/name", name: "en", type: { field_output: "answer", format: "{instruction}" } },
  ],
  val_set_size: 0.05,
  special_tokens: { pad_token: "<pad>" },
  adapter: "lora",
  lora_r: 16,
  lora_alpha: 32,
  lora_target_modules: ["q_proj", "v_proj"],
  sample_packing: true,
  warmup_ratio: 0.1,
  bf16: "auto",
  trl: { beta: null },
  plugins: ["axolotl.integrations.liger.LigerPlugin"],
  chat_template_kwargs: { thinking: false },
  evals_per_epoch: 4,
};
const TEXT = `# a comment
anchors: &names [q_proj, v_proj]
`.replace("anchors:", "lora_target_modules:") + stringify(RECIPE).replace(
  /lora_target_modules:\n( .*\n)+/,
  "",
);

/** Throws unless the answer is one of the two that are allowed. */
function answers(text: string, overrides: { key: string; value: string }[] = []) {
  const start = performance.now();
  try {
    parseConfig(text, "c.yml", overrides);
  } catch (error) {
    ok(error instanceof EftError && error.code === "config", `${(error as Error).stack}`);
    ok(!/undefined|\[object/.test(error.message.replaceAll(text, "")), error.message);
  }
  ok(performance.now() - start < 2000, "it took too long");
}

Deno.test("the recipe itself is valid", () => {
  parseConfig(TEXT, "c.yml");
});

const special = fc.constantFrom(
  ...[":", "- ", "\t", "\n", "&a ", "*a", "<<: ", "? ", "| ", "> ", "{", "}", "[", "]", ",", "#"],
  ...["'", '"', "!!int ", "!!binary ", "%", "@", "---\n", "...", "~", "\0", "\uFEFF", "\r", "é"],
  ...["\u2028", "\uD800", "0x", ".nan", ".inf", "-", "2026-01-01", "yes", "null", "__proto__: "],
);

Deno.test("mutated text", () => {
  const mutation = fc.record({
    at: fc.nat(TEXT.length),
    length: fc.nat(12),
    text: fc.oneof(special, fc.string({ unit: "binary", maxLength: 6 })),
    copy: fc.option(fc.nat(TEXT.length), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
      let text = TEXT;
      for (const { at, length, text: added, copy } of mutations) {
        const from = copy === undefined ? added : text.slice(copy, copy + 40);
        text = text.slice(0, at) + from + text.slice(at + length);
      }
      answers(text);
    }),
    { numRuns: 2500 },
  );
});

const names = [
  ...knownKeys,
  ...Object.keys(configJsonSchema().properties as object),
  ...["constructor", "__proto__", "toString", "hasOwnProperty", "", "0", "a.b", "datasets.0"],
];
const value = fc.oneof(
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 3 }) },
  fc.constantFrom(...[-1, 0, 1, 1e400, NaN, "", "auto", "2e-4", "all", true, false, null]),
  fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 }),
  fc.array(fc.dictionary(fc.constantFrom("path", "type", "name", "shards"), fc.jsonValue())),
);

Deno.test("mutated structure", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom(...names), value), { minLength: 1, maxLength: 5 }),
      fc.array(fc.constantFrom(...Object.keys(RECIPE)), { maxLength: 2 }),
      fc.option(fc.tuple(fc.constantFrom(...names), value), { nil: undefined }),
      (changes, removed, inner) => {
        const config: Record<string, unknown> = structuredClone(RECIPE);
        for (const [name, changed] of changes) {
          Object.defineProperty(config, name, {
            value: changed,
            enumerable: true,
            configurable: true,
            writable: true,
          });
        }
        for (const name of removed) delete config[name];
        if (inner && Array.isArray(config.datasets) && config.datasets[0]) {
          config.datasets = [{ ...config.datasets[0], [inner[0]]: inner[1] }];
        }
        answers(stringify(config));
      },
    ),
    { numRuns: 1500 },
  );
});

Deno.test("any override", () => {
  const step = fc.oneof(fc.constantFrom(...names), fc.constantFrom("0", "1", "99", "path", "type"));
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 4 }),
      fc.oneof(special, fc.string(), fc.json()),
      (path, text) => answers(TEXT, [{ key: path.join("."), value: text }]),
    ),
    { numRuns: 1000 },
  );
});
