// Makes the embedded fine-tuning data set: facts on a town that the model has never heard of.
//
// What:  public/data/town.jsonl          Alpaca rows, each fact in 8 of its 12 wordings, shuffled
//        public/data/town-heldout.jsonl  Alpaca rows, each fact in 2 of the other 4 wordings
// Why:   `npm run demo` fine-tunes eft-tiny on the first file and asks the second before and after:
//        the answers are unknowable before, and the held-out wordings show that the model learned
//        the facts and not the rows.
// How:   deno run -A examples/tiny/make_town.ts   (deterministic: the same bytes every time)

import { mkdirSync, writeFileSync } from "node:fs";
import { newTownFacts, question, Random, splitPhrasings, WORLD_SEED } from "./world.ts";

/** Two of the four held-out wordings are enough to judge by, and keep the demo short. */
const ASKED_HELD_OUT = 2;

interface AlpacaRow {
  instruction: string;
  input: string;
  output: string;
}

const random = new Random(WORLD_SEED + 20);
const training: AlpacaRow[] = [];
const heldOut: AlpacaRow[] = [];
newTownFacts().forEach((fact, index) => {
  const split = splitPhrasings(index);
  const row = (phrasing: number): AlpacaRow => ({
    instruction: question(fact, phrasing),
    input: "",
    output: fact.answer,
  });
  training.push(...split.shown.map(row));
  heldOut.push(...split.heldOut.slice(0, ASKED_HELD_OUT).map(row));
});

const shown = new Set(training.map((row) => row.instruction));
if (heldOut.some((row) => shown.has(row.instruction))) {
  throw new Error("a held-out question is in the training rows");
}

const folder = new URL("../../public/data/", import.meta.url);
mkdirSync(folder, { recursive: true });
function write(name: string, rows: AlpacaRow[]) {
  const content = rows.map((row) => JSON.stringify(row) + "\n").join("");
  writeFileSync(new URL(name, folder), content);
  console.log(`${name}: ${rows.length} rows, ${content.length} bytes`);
}
write("town.jsonl", random.shuffled(training));
write("town-heldout.jsonl", random.shuffled(heldOut));
