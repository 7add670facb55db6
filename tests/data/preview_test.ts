import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { readSomeRows, tokenizeRows } from "../../src/data/preview.ts";
import { IGNORE } from "../../src/data/sample.ts";
import { FakeHost } from "../fake_host.ts";
import { BOS, bytesOf, EOS, tinyTokenizer } from "./tiny_tokenizer.ts";

const lines = (...rows: unknown[]) =>
  rows.map((row) => typeof row === "string" ? row : JSON.stringify(row)).join("\n");
const { config } = parseConfig(
  "base_model: m\ndatasets: [{path: d.jsonl, type: metharme}]\nsequence_len: 12\n" +
    "micro_batch_size: 1\nlearning_rate: 1e-3\nmax_steps: 1\noutput_dir: o\n",
  "c.yml",
);

Deno.test("rows are read in parts; a broken one ends the reading and is said", async () => {
  const host = new FakeHost({ "d.jsonl": lines({ text: "a" }, { text: "b" }, "{oops") });
  const texts = async (from: number, count: number) => {
    const { rows, more, failure } = await readSomeRows(host, { path: "d.jsonl" }, from, count);
    return [rows.map(({ value }) => value.text).join(""), more, failure?.text];
  };
  deepEqual(await texts(0, 1), ["a", true, undefined]);
  const [read, more, failure] = await texts(1, 5);
  deepEqual([read, more], ["b", false]);
  match(String(failure), /^d\.jsonl:3:2: the row is not valid JSON/);
  const missing = await readSomeRows(host, { path: "e.jsonl" }, 0, 5);
  match(missing.failure!.message, /no data set at e\.jsonl/);
});

Deno.test("each row becomes samples with labels, or says why not", async () => {
  const tokenizer = await tinyTokenizer();
  const rows = [
    { prompt: "x", generation: "y" },
    { prompt: "x" },
    { prompt: "long long long", generation: "y" },
  ].map((value, i) => ({ value, file: "d.jsonl", line: i + 1 }));
  const dataset = { path: "d.jsonl", type: "metharme" };
  const [good, missing, long] = await tokenizeRows(
    new FakeHost(),
    config,
    tokenizer,
    dataset,
    rows,
  );
  const answer = [...bytesOf("y"), EOS, EOS, EOS];
  deepEqual([...good!.samples[0]!.sample.tokens], [BOS, ...bytesOf("x"), ...answer]);
  deepEqual([...good!.samples[0]!.sample.labels], [IGNORE, IGNORE, ...answer]);
  equal(good!.samples[0]!.dropped, undefined);
  match(missing!.problem!, /^the row has no "generation"; its fields are "prompt"/);
  equal(long!.samples[0]!.dropped, "tooLong");
});

Deno.test("rows without a type say what they look like", async () => {
  const row = { value: { instruction: "a", output: "b" }, file: "d.jsonl", line: 1 };
  await rejects(
    tokenizeRows(new FakeHost(), config, await tinyTokenizer(), { path: "d.jsonl" }, [row]),
    /type is missing for d\.jsonl; its rows look like `type: alpaca` \(the rows have instruction/,
  );
});
