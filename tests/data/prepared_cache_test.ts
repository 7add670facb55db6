import { deepEqual, equal, notDeepEqual, notEqual, rejects } from "node:assert/strict";
import { type Config, parseConfig } from "../../src/config/config.ts";
import { Batches } from "../../src/data/batches.ts";
import { packFirstFit, packingEfficiency } from "../../src/data/pack.ts";
import { prepareData } from "../../src/data/prepare.ts";
import { ContentHash } from "../../src/data/prepared_cache.ts";
import { alpacaLengths } from "../../bench/data.ts";
import { FakeHost } from "../fake_host.ts";
import { tinyFiles, tinyTokenizer } from "./tiny_tokenizer.ts";

const TOKENIZER = await tinyTokenizer();
const lines = (...texts: string[]) => texts.map((text) => JSON.stringify({ text })).join("\n");

function hostWith(files: Record<string, string>): FakeHost {
  return new FakeHost({ ...tinyFiles(), ...files });
}

function prepare(host: FakeHost, yaml: string, tokenizer = TOKENIZER) {
  const text = `base_model: m\nlearning_rate: 1\nmicro_batch_size: 1\n` +
    `gradient_accumulation_steps: 1\nsequence_len: 512\n${yaml}`;
  const { config } = parseConfig(text, "c.yml");
  return prepareData(host, config, tokenizer);
}

Deno.test("prepared data is read again, and made anew when anything that matters changes", async () => {
  const host = hostWith({ "d.jsonl": lines("one", "two", "three") });
  const yaml = "dataset_prepared_path: kept\ndatasets: [{path: d.jsonl, type: completion}]\n";
  const first = await prepare(host, yaml);
  equal(first.cached, false);
  const again = await prepare(host, yaml);
  equal(again.cached, true);
  deepEqual({ ...again, cached: false }, first);
  equal((await prepare(host, `${yaml}logging_steps: 3`)).cached, true);
  equal((await prepare(host, `${yaml}seed: 7`)).cached, false);
  equal((await prepare(host, `${yaml}train_on_inputs: true`)).cached, false);

  host.set("d.jsonl", lines("one", "two", "four")); // as long as before
  const edited = await prepare(host, yaml);
  equal(edited.cached, false);
  notEqual(edited.report.tokens, first.report.tokens);
  host.set("model/tokenizer_config.json", `${await host.readText("model/tokenizer_config.json")} `);
  equal((await prepare(host, yaml)).cached, false);

  for (const name of await host.list("kept")) host.set(`kept/${name}`, "EFTDATA1 broken");
  equal((await prepare(host, yaml)).cached, false);
});

Deno.test("the content hash does not depend on how the bytes arrive", () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i * 37 & 255);
  const whole = new ContentHash();
  whole.add(bytes);
  for (const step of [1, 3, 4, 7, 64]) {
    const pieces = new ContentHash();
    for (let at = 0; at < bytes.length; at += step) pieces.add(bytes.subarray(at, at + step));
    equal(pieces.digest(), whole.digest());
  }
  bytes[500]! ^= 1;
  const other = new ContentHash();
  other.add(bytes);
  notEqual(other.digest(), whole.digest());
});

Deno.test("duplicates, shards and tokenised rows", async () => {
  const host = hostWith({
    "d.jsonl": lines("a", "b", "a", "c", "b"),
    "e.jsonl": lines("c", "d"),
    "ids.jsonl": '{"input_ids": [1, 20, 2], "attention_mask": [1, 1, 1], "labels": [-100, 20, 2]}',
  });
  const texts = async (yaml: string) => {
    const { train, evaluation } = await prepare(host, `shuffle_merged_datasets: false\n${yaml}`);
    return [train, evaluation].map((samples) =>
      samples.map(({ tokens }) => TOKENIZER.decode(tokens, { skipSpecial: true })).join("")
    );
  };
  const data = "datasets: [{path: d.jsonl, type: completion}]\n";
  deepEqual(await texts(`${data}dataset_exact_deduplication: true`), ["abc", ""]);
  deepEqual(
    await texts(
      `${data}dataset_exact_deduplication: true\ntest_datasets: [{path: e.jsonl, type: completion}]`,
    ),
    ["abc", "d"],
  );
  deepEqual(await texts(`${data}dataset_shard_num: 2\ndataset_shard_idx: 1`), ["bc", ""]);
  deepEqual(
    await texts("datasets: [{path: d.jsonl, type: completion, shards: 2, shards_idx: 0}]"),
    ["aab", ""],
  );
  const ids = await prepare(host, "datasets: [{path: ids.jsonl}]");
  deepEqual([...ids.train[0]!.labels], [-100, 20, 2]);
  await rejects(() => prepare(host, "datasets: [{path: d.jsonl}]"), /type is missing for d\.jsonl/);
});

Deno.test("notes say what would spoil the run", async () => {
  const row = (output: string) => JSON.stringify({ instruction: "x", output });
  const host = hostWith({
    "cut.jsonl": JSON.stringify({ segments: [{ label: true, text: "no end" }] }),
    "twice.jsonl": JSON.stringify({ text: "<s>hello" }),
    "long.jsonl": [row("a"), row("b".repeat(600)), row("c".repeat(600))].join("\n"),
    "masked.jsonl": [row("a"), row(""), row("")].join("\n"),
    "chat.jsonl": JSON.stringify({
      messages: [{ role: "user", content: "Hi" }, { role: "assistant", content: "Ho" }],
    }),
  });
  const notes = async (path: string, type: string, more = "") => {
    const { report } = await prepare(host, `datasets: [{path: ${path}, type: ${type}}]\n${more}`);
    return report.notes.join("\n");
  };
  const matches = (text: string, pattern: RegExp) => equal(pattern.test(text), true, text);
  matches(await notes("cut.jsonl", "input_output"), /will not learn to stop/);
  matches(await notes("twice.jsonl", "completion"), /begin with two <s> tokens/);
  matches(await notes("long.jsonl", "alpaca"), /2 of 3 samples are longer than sequence_len/);
  matches(await notes("masked.jsonl", "alpaca"), /2 of 3 samples have no trained token/);
  const chat = "chat_template: jinja\nchat_template_jinja: |\n";
  matches(
    await notes(
      "chat.jsonl",
      "chat_template",
      `${chat}  {% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}`,
    ),
    /no generation prompt/,
  );
  matches(
    await notes("chat.jsonl", "chat_template", "chat_template: chatml"),
    /never writes <\/s>/,
  );
  equal(await notes("masked.jsonl", "alpaca", "train_on_inputs: true"), "");
});

Deno.test("preference rows are read and then refused", async () => {
  const host = hostWith({
    "p.jsonl": '{"question": "q", "chosen": "a", "rejected": "b"}',
    "bad.jsonl": '{"question": "q", "chosen": "a"}',
  });
  const read = (path: string) => {
    const yaml = "base_model: m\nlearning_rate: 1\nmicro_batch_size: 1\n" +
      `gradient_accumulation_steps: 1\ndatasets: [{path: ${path}, type: alpaca}]`;
    const { config } = parseConfig(yaml, "c.yml");
    const datasets = [{ ...config.datasets![0]!, type: "chatml.intel" }];
    return prepareData(host, { ...config, datasets, rl: "dpo" } as unknown as Config, TOKENIZER);
  };
  await rejects(
    () => read("p.jsonl"),
    /rl: dpo is not trained yet; the 1 rows of p\.jsonl are well-/,
  );
  await rejects(() => read("bad.jsonl"), /has no "rejected_response"/);
});

Deno.test("packing fills rows of Alpaca's lengths to 99 %, a million in under two seconds", () => {
  const lengths = alpacaLengths(1e6), start = performance.now();
  const bins = packFirstFit(lengths, 2048, lengths.map((_, i) => i));
  equal(performance.now() - start < 2000, true);
  equal(packingEfficiency(lengths, 2048, bins) >= 0.99, true);
  const few = packFirstFit(
    new Uint32Array(10).fill(1),
    100,
    Uint32Array.from({ length: 10 }, (_, i) => i),
    100,
    4,
  );
  deepEqual(few.map((bin) => bin.length), [4, 4, 2]);
});

Deno.test("group_by_length puts like lengths together, sequential keeps the order", () => {
  const samples = Array.from({ length: 40 }, (_, i) => ({
    tokens: new Int32Array(1 + i * 7 % 40),
    labels: new Int32Array(1 + i * 7 % 40),
  }));
  const options = {
    microBatchSize: 4,
    sequenceLen: 64,
    packing: false,
    padToSequenceLen: false,
    padId: 0,
    seed: 1,
    lengthMultiple: 4,
  };
  const lengths = (more: object) =>
    [...new Batches(samples, { ...options, ...more }).epoch(0)].map(({ length }) => length);
  deepEqual(lengths({ groupByLength: true }), [40, 36, 32, 28, 24, 20, 16, 12, 8, 4]);
  notDeepEqual(lengths({}), lengths({ groupByLength: true }));
});
