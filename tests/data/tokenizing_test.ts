// Token ids of hard texts against Python's `tokenizers`, for every kind of model
// (tests/golden/formats/tokenizing.json).
import { deepEqual } from "node:assert/strict";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { denoHost } from "../../src/host/deno.ts";
import { FakeHost } from "../fake_host.ts";

interface Golden {
  texts: string[];
  tokenizers: { name: string; tokenizer: unknown; ids: number[][]; decoded: string[] }[];
}

const golden = JSON.parse(
  await denoHost().readText("tests/golden/formats/tokenizing.json"),
) as Golden;
const config = JSON.stringify({ bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" });

for (const { name, tokenizer, ids } of golden.tokenizers) {
  Deno.test(`${name}: the ids of Python's tokenizers`, async () => {
    const host = new FakeHost({
      "m/tokenizer.json": JSON.stringify(tokenizer),
      "m/tokenizer_config.json": config,
    });
    const ours = await loadTokenizer(host, "m");
    // Without the mask token, which takes the space before it, words are encoded one by one.
    const plain = tokenizer as { added_tokens: { content: string }[] };
    const others = plain.added_tokens.filter(({ content }) => content !== "<mask>");
    host.set("m/tokenizer.json", JSON.stringify({ ...plain, added_tokens: others }));
    const quick = await loadTokenizer(host, "m");
    golden.texts.forEach((text, i) => {
      if (text.includes("<mask>")) return;
      deepEqual(quick.encode(text, { bos: false }), ids[i], text);
      deepEqual(quick.encode(text, { bos: false }), ids[i], `${text}, from the kept words`);
    });
    const wrong = golden.texts.flatMap((text, i) => {
      const found = ours.encode(text, { bos: false });
      return JSON.stringify(found) === JSON.stringify(ids[i])
        ? []
        : [{ text, found, expected: ids[i] }];
    });
    deepEqual(wrong, []);
  });
}
