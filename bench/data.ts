// How fast rows become samples: reading and tokenising an alpaca file, and the tokenizer library
// alone on the same text, in MB of the file per second on one core; packing a million lengths.
import { parseConfig } from "../src/config/config.ts";
import { packFirstFit, packingEfficiency, packSequential } from "../src/data/pack.ts";
import { prepareData } from "../src/data/prepare.ts";
import { loadTokenizer } from "../src/data/tokenizer.ts";
import { denoHost } from "../src/host/deno.ts";
import { RandomStream } from "../src/random.ts";

const random = new RandomStream(7, 0);
const host = denoHost();
const MEGABYTES = 8;

/** Words whose frequencies fall with their rank, as those of a language do. */
function words(count: number): string[] {
  const letters = "etaoinshrdlcumwfgypbvk";
  return Array.from({ length: count }, () => {
    let word = "";
    for (let i = 2 + random.below(8); i > 0; i--) word += letters[random.below(letters.length)];
    return word;
  });
}

const vocabulary = words(20000);
function sentence(length: number): string {
  const parts = Array.from({ length }, () => {
    const rank = Math.floor(Math.exp(random.uniform() * Math.log(vocabulary.length)));
    return vocabulary[rank];
  });
  return `${parts.join(" ")}.`;
}

function alpacaFile(bytes: number): string {
  const lines: string[] = [];
  for (let size = 0; size < bytes;) {
    const line = JSON.stringify({
      instruction: sentence(6 + random.below(12)),
      input: random.below(3) === 0 ? sentence(random.below(40)) : "",
      output: sentence(10 + random.below(120)),
    });
    lines.push(line);
    size += line.length + 1;
  }
  return lines.join("\n");
}

/** Lengths like those of the Alpaca data set: log-normal, about 90 tokens at the middle. */
export function alpacaLengths(count: number, seed = 1): Uint32Array {
  const draw = new RandomStream(seed, 0);
  return Uint32Array.from(
    { length: count },
    () => Math.min(2048, Math.max(30, Math.round(Math.exp(4.6 + 0.6 * draw.normal())))),
  );
}

export async function benchData(): Promise<void> {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/rows.jsonl`;
  const text = alpacaFile(MEGABYTES * 1e6);
  await Deno.writeTextFile(file, text);
  const tokenizer = await loadTokenizer(host, "public/models/eft-tiny");
  const yaml = `base_model: public/models/eft-tiny\nlearning_rate: 1\nsequence_len: 2048\n` +
    `micro_batch_size: 1\ngradient_accumulation_steps: 1\ndatasets: [{path: ${file}, type: alpaca}]`;
  const { config } = parseConfig(yaml, "bench.yml");
  const rate = (name: string, start: number) => {
    const seconds = (performance.now() - start) / 1000;
    console.log(`${name.padEnd(36)}${(MEGABYTES / seconds).toFixed(1).padStart(8)} MB/s`);
  };
  for (const name of ["read and tokenise, first time", "read and tokenise, warm"]) {
    const start = performance.now();
    await prepareData(host, config, tokenizer);
    rate(name, start);
  }
  const outputs = text.split("\n").map((line) => Object.values(JSON.parse(line)).join("\n"));
  const start = performance.now();
  for (const each of outputs) tokenizer.encode(each, { bos: false });
  rate("the tokenizer alone", start);

  const lengths = alpacaLengths(1e6);
  const order = lengths.map((_, i) => i);
  for (
    const [name, pack] of [["first-fit decreasing", packFirstFit], [
      "sequential",
      packSequential,
    ]] as const
  ) {
    const start = performance.now();
    const bins = pack(lengths, 2048, order);
    const seconds = (performance.now() - start) / 1000;
    const used = packingEfficiency(lengths, 2048, bins);
    console.log(
      `pack 1 million lengths, ${name.padEnd(20)} ${seconds.toFixed(2)} s, ${
        (100 * used).toFixed(2)
      } % used`,
    );
  }
  await Deno.remove(folder, { recursive: true });
}

if (import.meta.main) await benchData();
