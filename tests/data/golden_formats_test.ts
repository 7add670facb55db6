// Every data set type against Axolotl's own prompt strategies, v0.4.0 and 0.18.0: the same token ids
// and labels, row by row (tests/golden/formats).
import { deepEqual, equal, ok } from "node:assert/strict";
import { type ChatKeys, type DatasetKeys, DroppedRow } from "../../src/data/formats/format.ts";
import { findFormat } from "../../src/data/formats/index.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { EftError } from "../../src/errors.ts";
import { denoHost } from "../../src/host/deno.ts";

interface Case {
  era: string;
  type: string;
  tokenizer: "bos" | "chatml";
  dataset: DatasetKeys;
  config: Record<string, unknown> & { sequence_len: number; train_on_inputs: boolean };
  rows: Record<string, unknown>[];
  /** Samples as [input_ids, labels], or how Axolotl failed. */
  expected: ([number[], number[]][] | string)[];
}

const FOLDER = "tests/golden/formats";
const host = denoHost();
const tokenizers = {
  bos: await loadTokenizer(host, `${FOLDER}/bos`),
  chatml: await loadTokenizer(host, `${FOLDER}/chatml`),
};

function run({ type, tokenizer, dataset, config, rows }: Case): Case["expected"] {
  return rows.map((value, i) => {
    try {
      const reader = findFormat(type)!.open({
        tokenizer: tokenizers[tokenizer],
        sequenceLen: config.sequence_len,
        trainOnInputs: config.train_on_inputs,
        dataset: { ...dataset, type: type === "user_defined" ? dataset : type },
        chat: config as ChatKeys,
      });
      return reader.tokenize({ value: structuredClone(value), file: "rows", line: i + 1 })
        .map(({ tokens, labels }) => [[...tokens], [...labels]] as [number[], number[]]);
    } catch (error) {
      if (error instanceof EftError || error instanceof DroppedRow) return error.message;
      throw error;
    }
  });
}

for (const era of ["v0.4.0", "v0.18.0"]) {
  const cases = JSON.parse(await host.readText(`${FOLDER}/cases-${era}.json`)) as Case[];
  const byType = Map.groupBy(cases, ({ type }) => type);
  for (const [type, those] of byType) {
    Deno.test(`${type} gives the tokens and labels of Axolotl ${era}`, () => {
      for (const each of those) {
        const found = run(each);
        each.expected.forEach((expected, i) => {
          const where = `${JSON.stringify(each.dataset)} ${JSON.stringify(each.config)} row ${i}`;
          if (typeof expected === "string") {
            // What makes Axolotl fail or leave a row out is a message here, or no sample.
            ok(typeof found[i] === "string" || found[i]!.length === 0, `${where}: ${expected}`);
          } else deepEqual(found[i], expected, where);
        });
        equal(found.length, each.expected.length);
      }
    });
  }
}
