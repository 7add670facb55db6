import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { renderChat } from "../../src/data/chat.ts";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { EftError } from "../../src/errors.ts";
import { FakeHost } from "../fake_host.ts";
import { BOS, bytesOf, EOS, PAD, tinyFiles, tinyTokenizer } from "./tiny_tokenizer.ts";

Deno.test("encoding adds BOS only when asked and usual, and decoding brings the text back", async () => {
  const tokenizer = await tinyTokenizer();
  deepEqual(tokenizer.encode("x y", { bos: true }), [BOS, ...bytesOf("x y")]);
  deepEqual(tokenizer.encode("ab", { bos: false }), [266]);
  deepEqual(tokenizer.encode("", { bos: false }), []);
  deepEqual(tokenizer.encode("a</s>", { bos: false }), [...bytesOf("a"), EOS]);
  const text = "Grüße, 世界 🦎\n";
  const ids = tokenizer.encode(text, { bos: true });
  equal(tokenizer.decode(ids), `<s>${text}`);
  equal(tokenizer.decode(Int32Array.from([...ids, EOS]), { skipSpecial: true }), text);
  equal(tokenizer.decode([]), "");
  equal(tokenizer.decode(tokenizer.encode("a , b .", { bos: false })), "a , b .");
});

Deno.test("special tokens, vocabulary and files are found", async () => {
  const tokenizer = await tinyTokenizer();
  const { bosId, eosId, padId, vocabSize, addsBos, addsEos } = tokenizer;
  deepEqual([bosId, eosId, padId, vocabSize], [BOS, EOS, PAD, 268]);
  deepEqual([addsBos, addsEos, tokenizer.bos, tokenizer.eos], [true, false, "<s>", "</s>"]);
  deepEqual([...tokenizer.specialIds].sort(), [0, 1, 2, 3, 4]);
  deepEqual(tokenizer.files, ["model/tokenizer.json", "model/tokenizer_config.json"]);
  equal(tokenizer.tokenToId("<|im_end|>"), 4);
});

Deno.test("BOS and EOS habits follow the post-processor, or the settings of Llama's class", async () => {
  const habits = async (options: Parameters<typeof tinyTokenizer>[0]) => {
    const { addsBos, addsEos } = await tinyTokenizer(options);
    return [addsBos, addsEos];
  };
  deepEqual(await habits({ addsBos: false }), [false, false]);
  deepEqual(await habits({ addsEos: true }), [true, true]);
  deepEqual(await habits({ addsBos: false, addsEos: true }), [false, true]);
  const llama = { tokenizer_class: "LlamaTokenizerFast", add_bos_token: false };
  deepEqual(await habits({ config: llama }), [false, false]);
  deepEqual(await habits({ config: { add_bos_token: false } }), [true, false]);
});

Deno.test("the padding token falls back as in Axolotl, and the YAML decides first", async () => {
  const pad = async (config: Record<string, unknown>, chosen?: string) =>
    (await tinyTokenizer({ config: { pad_token: null, ...config } }, { pad_token: chosen })).padId;
  equal(await pad({}), EOS);
  equal(await pad({ eos_token: "<|im_end|>", tokenizer_class: "LlamaTokenizer" }), EOS);
  equal(await pad({ tokenizer_class: "GPTNeoXTokenizer" }), EOS); // there is no [PAD]
  equal(await pad({}, "<|im_end|>"), 4);
  await rejects(() => pad({}, "<nothing>"), (error: unknown) => {
    return error instanceof EftError && error.code === "config" &&
      /special_tokens\.pad_token is "<nothing>", which is not in the vocab/.test(error.message);
  });
});

Deno.test("a missing or broken file is named", async () => {
  const files = tinyFiles();
  const load = (changes: Record<string, string | undefined>) => {
    const host = new FakeHost(files);
    for (const [path, text] of Object.entries(changes)) {
      if (text === undefined) host.files.delete(path);
      else host.set(path, text);
    }
    return loadTokenizer(host, "model");
  };
  const fails = (changes: Parameters<typeof load>[0], text: RegExp) =>
    rejects(load(changes), (error: unknown) => error instanceof EftError && text.test(error.text));
  await fails(
    { "model/tokenizer.json": undefined },
    /^model\/tokenizer\.json: the file is missing/,
  );
  await fails(
    { "model/tokenizer_config.json": undefined },
    /tokenizer_config\.json: the file is mis/,
  );
  await fails({ "model/tokenizer.json": "{" }, /tokenizer\.json: the file is not valid JSON/);
  await fails({ "model/tokenizer.json": "{}" }, /tokenizer\.json: the file is not supported/);
  await fails({ "model/tokenizer.json": "[]" }, /tokenizer\.json: the file is not a JSON object/);
});

Deno.test("the chat template comes from its file first, then from the settings", async () => {
  const files = tinyFiles({ config: { chat_template: "from config" } });
  equal((await loadTokenizer(new FakeHost(files), "model")).chatTemplate, "from config");
  const host = new FakeHost({ ...files, "model/chat_template.jinja": "from file" });
  const tokenizer = await loadTokenizer(host, "model");
  equal(tokenizer.chatTemplate, "from file");
  equal(tokenizer.files.at(-1), "model/chat_template.jinja");
  const named = [{ name: "tool_use", template: "a" }, { name: "default", template: "b" }];
  equal((await tinyTokenizer({ config: { chat_template: named } })).chatTemplate, "b");
});

Deno.test("a chat template renders, and its refusal is an error of the model", () => {
  const template = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m['content'] | trim }}" +
    "{{ eos_token }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
  const messages = [{ role: "user", content: " Hi " }];
  const options = { addGenerationPrompt: true, bos: "<s>", eos: "</s>" };
  equal(renderChat(template, messages, options), "<s>user: Hi</s>\nassistant:");
  equal(renderChat("{{ extra }}", [], { ...options, variables: { extra: 3 } }), "3");
  throws(
    () => renderChat("{{ raise_exception('only two roles') }}", messages, options),
    (error: unknown) => error instanceof EftError && /only two roles/.test(error.message),
  );
  throws(() => renderChat("{% if %}", messages, options), EftError);
});
