import { deepEqual, equal, notDeepEqual, rejects } from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { prepareData } from "../../src/data/prepare.ts";
import { IGNORE, type Sample } from "../../src/data/sample.ts";
import { EftError } from "../../src/errors.ts";
import { FakeHost } from "../fake_host.ts";
import { tinyTokenizer } from "./tiny_tokenizer.ts";

const texts = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => JSON.stringify({ text: String(from + i) })).join("\n");

const HOST = new FakeHost({
  "ten.jsonl": texts(100, 10),
  "five.jsonl": texts(200, 5),
  "mixed.jsonl": [
    JSON.stringify({ instruction: "a", output: "b" }),
    JSON.stringify({ instruction: "a".repeat(300), output: "b" }),
    JSON.stringify({ instruction: "a", output: "" }),
  ].join("\n"),
  "folder/x.jsonl": texts(300, 1),
  "folder/y.jsonl": texts(400, 1),
});
const TOKENIZER = await tinyTokenizer();

function prepare(yaml: string) {
  const text = `base_model: m\nlearning_rate: 1e-3\n${yaml}`;
  return prepareData(HOST, parseConfig(text, "c.yml").config, TOKENIZER);
}

const numbers = (samples: Sample[]) =>
  samples.map(({ tokens }) => Number(TOKENIZER.decode(tokens, { skipSpecial: true })));
const NONE = { tooLong: 0, tooShort: 0, untrained: 0, duplicate: 0, malformed: 0 };
const ten = "datasets: [{path: ten.jsonl, type: completion}]\n";

Deno.test("data sets are merged and shuffled by the seed", async () => {
  const both = `datasets:
  - {path: ten.jsonl, type: completion}
  - {path: five.jsonl, type: completion}
`;
  const kept = await prepare(`${both}shuffle_merged_datasets: false`);
  const ordered = [...Array(10).keys()].map((i) => 100 + i)
    .concat([...Array(5).keys()].map((i) => 200 + i));
  deepEqual(numbers(kept.train), ordered);
  deepEqual(kept.evaluation, []);
  deepEqual(kept.report, {
    rows: 15,
    dropped: { ...NONE },
    places: [],
    notes: [],
    tokens: 15 * 5, // BOS, three digits, EOS
    trainedTokens: 15 * 4,
  });
  const shuffled = await prepare(both);
  notDeepEqual(numbers(shuffled.train), ordered);
  deepEqual(numbers(shuffled.train).sort(), ordered);
  deepEqual(shuffled, await prepare(both));
  notDeepEqual(shuffled.train, (await prepare(`${both}seed: 1`)).train);
});

Deno.test("evaluation gets the tail: a fraction rounded up, or a number of rows", async () => {
  const split = async (size: string) => {
    const data = await prepare(`${ten}shuffle_merged_datasets: false\nval_set_size: ${size}`);
    return numbers(data.evaluation);
  };
  deepEqual(await split("0.11"), [108, 109]);
  deepEqual(await split("3"), [107, 108, 109]);
  await rejects(() => split("10"), /takes 10 samples for evaluation, but there are only 10/);
  const data = await prepare(`${ten}test_datasets: [{path: five.jsonl, type: completion}]`);
  deepEqual(numbers(data.evaluation), [200, 201, 202, 203, 204]);
  equal(data.train.length, 10);
  equal(data.report.tokens, 50);
});

Deno.test("samples are dropped, cut or refused by length, and dropped without trained tokens", async () => {
  const mixed = "datasets: [{path: mixed.jsonl, type: alpaca}]\nsequence_len: 250\n";
  const dropped = await prepare(mixed);
  equal(dropped.train.length, 1);
  deepEqual(dropped.report.dropped, { ...NONE, tooLong: 1, untrained: 1 });
  deepEqual(dropped.report.places.map(({ line, reason }) => [line, reason]).sort(), [
    [2, "tooLong"],
    [3, "untrained"],
  ]);

  // Cut to sequence_len, the long row has only its prompt left.
  const cut = await prepare(`${mixed}excess_length_strategy: truncate`);
  deepEqual(cut.report.dropped, { ...NONE, untrained: 2 });
  const inputs = await prepare(`${mixed}excess_length_strategy: truncate\ntrain_on_inputs: true`);
  deepEqual(inputs.train.map(({ tokens }) => tokens.length).sort(), [142, 144, 250]);
  equal(inputs.train.every(({ labels }) => !labels.includes(IGNORE)), true);

  await rejects(() => prepare(`${mixed}excess_length_strategy: raise`), (error: unknown) => {
    return error instanceof EftError && error.place.file === "mixed.jsonl" &&
      error.place.line === 2 &&
      /row has at least 252 tokens, more than sequence_len/.test(error.message);
  });
  const short = await prepare(`${ten}min_sample_len: 5`);
  equal(short.report.dropped.tooShort, 0);
  await rejects(
    () => prepare(`${ten}min_sample_len: 6`),
    /no sample of `datasets` is left: of 10 rows, 0 .* 10 shorter than min_sample_len \(6\)/,
  );
  await rejects(
    () => prepare(`${ten}sequence_len: 139\ntest_datasets: [{path: mixed.jsonl, type: alpaca}]`),
    /no sample of `test_datasets` is left: of 3 rows, 2 samples are longer/,
  );
});

Deno.test("data_files choose within a folder, or stand alone with the reader's name", async () => {
  const read = async (dataset: string) => numbers((await prepare(`datasets: [${dataset}]`)).train);
  deepEqual((await read("{path: folder, type: completion}")).sort(), [300, 400]);
  deepEqual(await read("{path: folder, data_files: y.jsonl, type: completion}"), [400]);
  deepEqual(await read("{path: json, data_files: [folder/x.jsonl], type: completion}"), [300]);
  await rejects(() => read("{path: nowhere/x.jsonl, type: completion}"), /nowhere/);
});

Deno.test("a tokenizer without EOS is refused", async () => {
  const tokenizer = await tinyTokenizer({ config: { eos_token: null } });
  const { config } = parseConfig(`base_model: m\nlearning_rate: 1\n${ten}`, "c.yml");
  await rejects(() => prepareData(HOST, config, tokenizer), /names no end-of-sequence token/);
});
