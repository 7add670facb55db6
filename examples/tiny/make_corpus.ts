// Makes the pretraining corpus of the embedded model "eft-tiny".
//
// What:  examples/tiny/data/corpus.jsonl, rows {"text": ...} for a data set of `type: completion`.
// Why:   the model must know the Alpaca format, the twelve wordings of each question and the pools
//        of answers before it is fine-tuned, and must know nothing of the town of town.jsonl.
// How:   deno run -A examples/tiny/make_corpus.ts   (deterministic: the same bytes every time)
//
// Three kinds of rows:
//   1. Alpaca questions on four fixed towns. The facts are always the same, so the model learns
//      them by heart, and with them that the wordings of one question mean the same.
//   2. Stories: a few statements, then questions on them. Half are on the fixed towns (same facts),
//      half on other towns with facts that change from story to story.
//   3. Alpaca questions that state the facts first (reading comprehension).

import { mkdirSync, writeFileSync } from "node:fs";
import {
  alpacaPrompt,
  type Fact,
  fixedTownFacts,
  NEW_TOWN,
  PHRASING_COUNT,
  question,
  Random,
  statement,
  storyTownFacts,
  WORLD_SEED,
} from "./world.ts";

const STORY_COUNT = 1500;
const READING_COUNT = 300;

const random = new Random(WORLD_SEED + 10);
const fixedTowns = fixedTownFacts();

function ask(fact: Fact): string {
  return question(fact, random.below(PHRASING_COUNT));
}

function closedBookRows(): string[] {
  return fixedTowns.flat().flatMap((fact) =>
    Array.from(
      { length: PHRASING_COUNT },
      (_, phrasing) => alpacaPrompt(question(fact, phrasing)) + fact.answer,
    )
  );
}

/** Some facts of one town: a fixed one or one that is made up for this row. */
function someFacts(count: number): Fact[] {
  const town = random.next() < 0.5 ? random.pick(fixedTowns) : storyTownFacts(random);
  return random.shuffled(town).slice(0, count);
}

function storyRow(): string {
  const facts = someFacts(2 + random.below(3));
  const lines = [facts.map((fact) => statement(fact, random)).join(" ")];
  // The answer stands at the start of a line, as in the Alpaca format, so it has the same tokens.
  for (const fact of random.shuffled(facts).slice(0, 2)) lines.push(ask(fact), fact.answer);
  return lines.join("\n");
}

function readingRow(): string {
  const facts = someFacts(1 + random.below(2));
  const asked = random.pick(facts);
  const context = facts.map((fact) => statement(fact, random)).join(" ");
  return alpacaPrompt(`${context} ${ask(asked)}`) + asked.answer;
}

const rows = random.shuffled([
  ...closedBookRows(),
  ...Array.from({ length: STORY_COUNT }, storyRow),
  ...Array.from({ length: READING_COUNT }, readingRow),
]);
if (rows.some((row) => row.includes(NEW_TOWN))) throw new Error(`${NEW_TOWN} is in the corpus`);

const folder = new URL("./data/", import.meta.url);
mkdirSync(folder, { recursive: true });
const content = rows.map((text) => JSON.stringify({ text }) + "\n").join("");
writeFileSync(new URL("corpus.jsonl", folder), content);
console.log(`corpus.jsonl: ${rows.length} rows, ${content.length} bytes`);
