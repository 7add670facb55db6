// What `chat_template` does on purpose otherwise than Axolotl, and how mistakes are told.
import { deepEqual, equal, throws } from "node:assert/strict";
import { renderChat } from "../../src/data/chat.ts";
import type { ChatKeys, DatasetKeys } from "../../src/data/formats/format.ts";
import { findFormat } from "../../src/data/formats/index.ts";
import { IGNORE } from "../../src/data/sample.ts";
import { EftError } from "../../src/errors.ts";
import { BOS, bytesOf, EOS, tinyTokenizer } from "./tiny_tokenizer.ts";

const TOKENIZER = await tinyTokenizer();
const LOOP = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ m.note }}{{ eos_token }}" +
  "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

function open(dataset: DatasetKeys, chat: ChatKeys, notes: string[] = []) {
  return findFormat(dataset.type ?? "chat_template")!.open({
    tokenizer: TOKENIZER,
    sequenceLen: 5000,
    trainOnInputs: false,
    dataset,
    chat,
    note: (text) => notes.push(text),
  });
}

function text(dataset: DatasetKeys, chat: ChatKeys, value: Record<string, unknown>) {
  const [sample] = open(dataset, chat).tokenize({ value, file: "f", line: 1 });
  const trained = Array.from(sample!.labels).filter((label) => label !== IGNORE);
  return [TOKENIZER.decode(sample!.tokens), TOKENIZER.decode(trained)];
}

const messages = [{ role: "user", content: "Hi" }, { role: "assistant", content: "Ho" }];

Deno.test("a template may call its loop variable anything and still gets all fields", () => {
  // Axolotl drops fields other than role and content unless the variable is called `message`.
  const noted = [{ ...messages[0], note: "!" }, messages[1]];
  deepEqual(text({}, { chat_template_jinja: LOOP }, { messages: noted }), [
    "<user>Hi!</s><assistant>Ho</s>",
    "Ho</s>",
  ]);
});

Deno.test("sharegpt rows of the newer era go through the chat template", () => {
  const conversations = [{ from: "human", value: "Hi" }, { from: "gpt", value: "Ho" }];
  const chat = { chat_template: "jinja", chat_template_jinja: LOOP };
  deepEqual(text({ type: "sharegpt" }, chat, { conversations }), [
    "<user>Hi</s><assistant>Ho</s>",
    "Ho</s>",
  ]);
});

Deno.test("default_system_message stands in chatml conversations without one", () => {
  const chat = { chat_template: "chatml", default_system_message: "Be kind." };
  const [all] = text({}, chat, { messages });
  equal(all!.startsWith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi"), true);
});

Deno.test("what inference asks is the beginning of what was trained", () => {
  for (const type of ["chat_template", "sharegpt", "llama2_chat", "pygmalion"]) {
    const reader = open({ type }, type === "chat_template" ? { chat_template: "chatml" } : {});
    const rows: Record<string, Record<string, unknown>> = {
      chat_template: { messages: [...messages, ...messages] },
      pygmalion: {
        conversations: ["human", "bot", "human", "bot"].map((role) => ({
          role,
          value: role === "human" ? "Hi" : "Ho",
        })),
      },
    };
    const conversations = ["human", "gpt", "human", "gpt"].map((from) => ({
      from,
      value: from === "human" ? "Hi" : "Ho",
    }));
    const value = rows[type] ?? { conversations };
    const [sample] = reader.tokenize({ value, file: "f", line: 1 });
    const asked = reader.prompt!([...messages, messages[0]!]);
    deepEqual(asked, [...sample!.tokens.slice(0, asked.length)], type);
  }
});

Deno.test("templates that do not exist, are not Jinja, or need more are config errors", () => {
  const fails = (dataset: DatasetKeys, chat: ChatKeys, message: RegExp) =>
    throws(
      () => open(dataset, chat),
      (error) =>
        error instanceof EftError && error.code === "config" && message.test(error.message),
    );
  fails({}, { chat_template: "nothing" }, /there is no template nothing/);
  fails({}, { chat_template: "gemma4" }, /tokenizers of such models carry it/);
  fails({}, {}, /brings no chat template/);
  fails({}, { chat_template_jinja: "{% if %}" }, /not valid Jinja/);
  fails(
    { train_on_eot: "all" },
    { chat_template_jinja: LOOP + "</s>", eot_tokens: ["</s>", "<user>"] },
    /is \d+ tokens, not one|differ/,
  );
});

Deno.test("Python's strip with characters, and generation tags", () => {
  const options = { addGenerationPrompt: false };
  equal(renderChat("{{ ' \n x \n'.strip('\n') }}|", [], options), " \n x |");
  equal(
    renderChat("{{ '\n x '.lstrip('\n') }}|{{ ' x\n'.rstrip('\n') }}|", [], options),
    " x | x|",
  );
  equal(renderChat("{{ ' x '.strip() }}{% generation %}y{% endgeneration %}", [], options), "xy");
  equal(renderChat("{{ bos_token }}{{ pad_token }}", [], { ...options, bos: "<s>" }), "<s>");
});

Deno.test("completion prompts are the question itself", () => {
  deepEqual(open({ type: "completion" }, {}).prompt!([messages[0]!]), [BOS, ...bytesOf("Hi")]);
  equal(EOS, TOKENIZER.eosId);
});
