import { deepEqual, equal } from "node:assert/strict";
import { sampleLines, summaryLines } from "../../src/cli/preprocess.ts";
import { drop, emptyReport } from "../../src/data/report.ts";
import { IGNORE } from "../../src/data/sample.ts";
import { summarise } from "../../src/data/summary.ts";
import { tinyTokenizer } from "../data/tiny_tokenizer.ts";

Deno.test("samples are shown token by token with label and id, masked ones in red", async () => {
  const tokenizer = await tinyTokenizer();
  const sample = {
    tokens: Int32Array.of(1, 266, 20, 2),
    labels: Int32Array.of(IGNORE, IGNORE, 20, 2),
  };
  deepEqual(sampleLines(sample, tokenizer, false), [
    "<s>(-100, 1) ab(-100, 266) \\n(20, 20) </s>(2, 2)",
    "Total input len: 4, count of labels: 2",
  ]);
  const [colored] = sampleLines(sample, tokenizer, true);
  equal(colored!.startsWith("\x1b[31m<s>\x1b[0m\x1b[90m(-100, 1)\x1b[0m"), true);
  equal(colored!.includes("\x1b[32m</s>\x1b[0m"), true);
});

Deno.test("the summary names rows that were left out, with their lines", () => {
  const report = emptyReport();
  report.rows = 5;
  report.tokens = 40;
  report.trainedTokens = 10;
  for (let line = 1; line <= 12; line++) drop(report, { file: "d.jsonl", line, reason: "tooLong" });
  const sample = (length: number) => ({
    tokens: new Int32Array(length),
    labels: new Int32Array(length),
  });
  const batching = { microBatchSize: 1, sequenceLen: 80, packing: true, padToSequenceLen: true };
  const data = { train: [sample(10), sample(30)], evaluation: [], report, cached: false };
  const lines = summaryLines(summarise(data, { ...batching, padId: 0, seed: 1 }));
  const text = lines.join("\n");
  for (
    const part of [
      "rows        5 read, 12 left out",
      "12 longer than sequence_len",
      "d.jsonl:1: longer than sequence_len",
      "and 2 more",
      "samples     2 to train on, 0 to evaluate on",
      "tokens      40, 25.0 % trained",
      "packing     50.00 %",
      "9-11 ████████████████████████████████████████ 1",
    ]
  ) equal(text.includes(part), true, `${part}\n${text}`);
});
