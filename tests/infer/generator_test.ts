// Prefill and decode through the cache: the greedy continuations of transformers, rows side by side,
// and token by token.

import assert from "node:assert/strict";
import { Generator } from "../../src/infer/generator.ts";
import { distance, host, logitsOf, openModel } from "../model/logits.ts";

const base = "tests/golden/base-llama";
const sanitize = { sanitizeOps: false, sanitizeResources: false };

interface Expected {
  prompts: number[][];
  continuations: number[][];
}

async function expected(): Promise<Expected> {
  return JSON.parse(await host.readText("tests/golden/generate-llama/expected.json"));
}

/** Runs `body` with the base model and releases it. */
async function withModel(
  body: (opened: Awaited<ReturnType<typeof openModel>>) => Promise<void>,
) {
  const opened = await openModel(base);
  try {
    await body(opened);
  } finally {
    opened.memory.destroy();
  }
}

Deno.test(
  "greedy continuations equal those of transformers",
  sanitize,
  () =>
    withModel(async ({ model, memory }) => {
      const { prompts, continuations } = await expected();
      const generator = new Generator(memory, model, { batch: 1, context: 128 });
      for (const [i, prompt] of prompts.entries()) {
        generator.reset();
        const [text] = await generator.generate([prompt], {
          maxNewTokens: continuations[i].length,
          stopTokens: new Set(),
        });
        assert.deepEqual(text, continuations[i]);
      }
    }),
);

Deno.test(
  "prompts of different length side by side continue as alone",
  sanitize,
  () =>
    withModel(async ({ model, memory }) => {
      const { prompts, continuations } = await expected();
      const generator = new Generator(memory, model, { batch: 2, context: 128 });
      const heard: number[][] = [[], []];
      const options = { maxNewTokens: continuations[0].length, stopTokens: new Set<number>() };
      assert.deepEqual(await generator.generate(prompts, options), continuations);
      generator.reset();
      for await (const { prompt, token } of generator.stream(prompts, options)) {
        heard[prompt].push(token);
      }
      assert.deepEqual(heard, continuations);
    }),
);

Deno.test(
  "fewer prompts than rows, in either prefill length",
  sanitize,
  () =>
    withModel(async ({ model, memory }) => {
      const { prompts, continuations } = await expected();
      const generator = new Generator(memory, model, { batch: 3, context: 64 });
      for (const order of [[1], [1, 0]]) {
        generator.reset();
        const texts = await generator.generate(order.map((i) => prompts[i]), {
          maxNewTokens: continuations[0].length,
          stopTokens: new Set(),
        });
        assert.deepEqual(texts, order.map((i) => continuations[i]));
      }
    }),
);

Deno.test(
  "token by token gives the logits of one prefill and of the training graph",
  sanitize,
  () =>
    withModel(async (opened) => {
      const { model, memory } = opened;
      const { prompts: [, prompt], continuations: [, continuation] } = await expected();
      const tokens = [...prompt, ...continuation];
      const vocabulary = model.shape.vocabulary;
      const generator = new Generator(memory, model, { batch: 1, context: 96 });
      const [whole] = await generator.feed([tokens]);
      const training = await logitsOf(opened, [tokens]);
      const fromTraining = distance(whole, training.subarray(-vocabulary));
      let worst = 0;
      generator.reset();
      for (const [t, token] of tokens.entries()) {
        const [logits] = await generator.feed([[token]]);
        const wanted = training.subarray(t * vocabulary, (t + 1) * vocabulary);
        worst = Math.max(worst, distance(logits, wanted));
        if (t === tokens.length - 1) worst = Math.max(worst, distance(logits, whole));
      }
      // In pieces: a long one, single tokens, then one that is padded.
      generator.reset();
      let pieces: Float32Array[] = [];
      for (const [from, to] of [[0, 20], [20, 21], [21, 23], [23, tokens.length]]) {
        pieces = await generator.feed([tokens.slice(from, to)]);
      }
      const inPieces = distance(pieces[0], whole);
      console.log(
        `token by token: ${worst.toExponential(2)}, in pieces: ${inPieces.toExponential(2)}, ` +
          `training graph: ${fromTraining.toExponential(2)}`,
      );
      assert.ok(Math.max(worst, inPieces, fromTraining) < 1e-5);
    }),
);

Deno.test(
  "stop tokens, the length limit and the end of the context end a text",
  sanitize,
  () =>
    withModel(async ({ model, memory }) => {
      const { prompts, continuations } = await expected();
      const options = { maxNewTokens: 24, stopTokens: new Set<number>() };
      const generator = new Generator(memory, model, { batch: 1, context: 20 });
      const [stopped] = await generator.generate([prompts[0]], {
        ...options,
        stopTokens: new Set([148]),
      });
      assert.deepEqual(stopped, continuations[0].slice(0, continuations[0].indexOf(148)));
      generator.reset();
      const [limited] = await generator.generate([prompts[0]], { ...options, maxNewTokens: 3 });
      assert.deepEqual(limited, continuations[0].slice(0, 3));
      generator.reset();
      const [full] = await generator.generate([prompts[0]], options);
      assert.deepEqual(full, continuations[0].slice(0, full.length));
      assert.ok(full.length >= 20 - prompts[0].length, `${full.length} tokens`);
      generator.reset();
      await assert.rejects(
        generator.feed([Array.from({ length: 21 }, () => 3)]),
        /longer than the context of 20 tokens/,
      );
    }),
);

Deno.test(
  "a text that reaches the end of the context does not end its neighbour",
  sanitize,
  () =>
    withModel(async ({ model, memory }) => {
      const { prompts, continuations } = await expected();
      // Row 1 fills the context of 24 after a few tokens; row 0 has room for more.
      const generator = new Generator(memory, model, { batch: 2, context: 24 });
      const texts = await generator.generate(prompts, { maxNewTokens: 16, stopTokens: new Set() });
      assert.deepEqual(texts[0], continuations[0].slice(0, 16));
      assert.deepEqual(texts[1], continuations[1].slice(0, texts[1].length));
      assert.ok(texts[1].length >= 5 && texts[1].length <= 6);
    }),
);

Deno.test("what a generator took is given back", sanitize, () =>
  withModel(async (opened) => {
    const { prompts } = await expected();
    const { model, memory } = opened;
    const generator = new Generator(memory, model, { batch: 2, context: 32 });
    await generator.feed(prompts);
    const before = memory.device.allocatedBytes;
    await generator.destroy();
    assert.ok(memory.device.allocatedBytes < before);
    const again = new Generator(memory, model, { batch: 2, context: 32 });
    await again.feed(prompts);
    assert.equal(memory.device.allocatedBytes, before);
  }));
