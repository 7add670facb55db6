// Base and tuned model answering side by side: each as it answers alone, streamed, stopped, and in
// turn where only one of two models may be on the device.

import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { Chat, type ChatOptions, type Piece } from "../../src/infer/chat.ts";
import { Generator } from "../../src/infer/generator.ts";
import { openInference } from "../../src/infer/session.ts";
import { testDevice } from "../device.ts";
import { configText, host, lora, sanitize, tinyFolder, train } from "../train/tiny.ts";

const sampling = { temperature: 1, topK: 20, topP: 0.9 };
const prompt = [...new TextEncoder().encode("Name")].map((byte) => byte - 30);

async function trained(keys: Record<string, unknown>) {
  const folder = tinyFolder();
  await train(folder, keys);
  const { config } = parseConfig(configText(folder, keys), "test.yml");
  const device = await testDevice();
  return { folder, config, device };
}

async function withChat(
  { config, device }: Awaited<ReturnType<typeof trained>>,
  options: ChatOptions,
  body: (chat: Chat) => Promise<void>,
) {
  const before = device.allocatedBytes;
  const chat = await Chat.open(host, config, device, options);
  try {
    await body(chat);
  } finally {
    chat.destroy();
  }
  assert.equal(device.allocatedBytes, before, "buffers were left on the device");
}

Deno.test("an adapter and its base on one set of weights", sanitize, async () => {
  const run = await trained({ ...lora, learning_rate: 5e-2 });
  const { config, device } = run;
  // What each says alone.
  const session = await openInference(host, config, device);
  const alone: string[] = [];
  for (const withoutAdapter of [true, false]) {
    const generator = new Generator(session.memory, session.model, {
      batch: 1,
      context: config.sequence_len,
      withoutAdapter,
    });
    const { stopTokens } = session;
    const options = { maxNewTokens: 12, stopTokens, sampling, seed: 7 };
    const [tokens] = await generator.generate([prompt], options);
    alone.push(session.tokenizer.decode(tokens));
  }
  session.memory.destroy();
  assert.notEqual(alone[0], alone[1]);

  await withChat(run, {}, async (chat) => {
    assert.deepEqual(chat.sides, ["base", "tuned"]);
    assert.ok(chat.hasAdapter && !chat.takesTurns);
    const pieces: Piece[] = [];
    const ask = () =>
      chat.ask({ base: prompt, tuned: prompt }, {
        maxNewTokens: 12,
        sampling,
        seed: 7,
        onPiece: (piece) => pieces.push(piece),
      });
    const answers = await ask();
    assert.deepEqual(answers.map(({ text }) => text), alone);
    const order = pieces.map(({ side }) => side);
    assert.ok(order.lastIndexOf("base") > order.indexOf("tuned"), "one after the other");
    for (const { side, text, tokens } of answers) {
      const said = pieces.filter((piece) => piece.side === side);
      assert.equal(said.map((piece) => piece.text).join(""), text);
      assert.equal(said.flatMap((piece) => piece.tokens).length, tokens);
    }
    assert.deepEqual((await ask()).map(({ text }) => text), alone);

    const stop = new AbortController();
    const cut = await chat.ask({ base: prompt, tuned: prompt }, {
      maxNewTokens: 12,
      signal: stop.signal,
      onPiece: () => stop.abort(),
    });
    assert.ok(cut.every(({ tokens, endedBy }) => tokens < 12 && endedBy === "abort"));
    assert.ok(Math.abs(cut[0].tokens - cut[1].tokens) <= 1);
    const [limited] = await chat.ask({ tuned: prompt }, { maxNewTokens: 3 });
    assert.equal(limited.endedBy, "length");
  });
  Deno.removeSync(run.folder, { recursive: true });
});

Deno.test("a trained model and its base, together and in turn", sanitize, async () => {
  const run = await trained({ learning_rate: 1e-2 });
  const options = { maxNewTokens: 10, seed: 1, sampling };
  const said: string[][] = [];
  for (const oneAtATime of [false, true]) {
    await withChat(run, { oneAtATime }, async (chat) => {
      await chat.load();
      assert.equal(chat.takesTurns, oneAtATime);
      for (let i = 0; i < 2; i++) {
        const answers = await chat.ask({ base: prompt, tuned: prompt }, options);
        assert.deepEqual(answers.map(({ side }) => side), ["base", "tuned"]);
        said.push(answers.map(({ text }) => text));
      }
    });
  }
  assert.notEqual(said[0][0], said[0][1]);
  for (const each of said) assert.deepEqual(each, said[0]);

  // Without a result there is the base alone.
  const config = { ...run.config, output_dir: `${run.folder}/none` };
  await withChat({ ...run, config }, {}, async (chat) => {
    assert.deepEqual(chat.sides, ["base"]);
    const [answer] = await chat.ask({ base: prompt, tuned: prompt }, options);
    assert.equal(answer.text, said[0][0]);
  });
  Deno.removeSync(run.folder, { recursive: true });
});
