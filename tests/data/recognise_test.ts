import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { CATALOGUE } from "../../src/data/formats/catalogue.ts";
import { findFormat, formatNames } from "../../src/data/formats/index.ts";
import {
  columnsOf,
  guessLine,
  OWN_PROMPT,
  preferenceRemark,
  recognise,
} from "../../src/data/recognise.ts";
import { tinyTokenizer } from "./tiny_tokenizer.ts";

type Row = Record<string, unknown>;

const said = (role: string, text: string, keys = ["from", "value"]) =>
  Object.fromEntries([[keys[0], role], [keys[1], text]]);
const talk = (names: string[], keys?: string[]) => [
  said(names[0]!, "Hello", keys),
  said(names[1]!, "Hi", keys),
];

/** A row for each entry of the catalogue that rows can tell, and the entry that comes first. */
const ROWS: [name: string, row: Row, first?: string][] = [
  ["chat_template", { messages: talk(["user", "assistant"], ["role", "content"]) }],
  ["sharegpt", { conversations: talk(["human", "gpt"]) }, "chat_template"],
  ["pygmalion", { conversations: talk(["human", "bot"], ["role", "value"]) }],
  ["sharegpt.load_role", {
    conversations: talk(["human", "gpt"], ["role", "value"]),
  }, "chat_template"],
  ["sharegpt.load_guanaco", {
    conversations: talk(["prompter", "assistant"], ["role", "text"]),
  }],
  ["sharegpt.load_ultrachat", {
    messages: talk(["user", "assistant"], ["role", "content"]),
  }, "chat_template"],
  ["llama2_chat", { conversations: talk(["human", "gpt"]) }, "chat_template"],
  ["sharegpt_jokes", { title: "Newts", text: "A newt walks in.", explanation: "It cannot." }],
  ["alpaca", { instruction: "Name a newt.", input: "", output: "The eft." }],
  ["alpaca_w_system", { system: "You count.", instruction: "Add.", input: "1", output: "2" }],
  ["gpteacher", { instruction: "Do it.", response: "Done." }],
  ["oasst", { INSTRUCTION: "Do it.", RESPONSE: "Done." }],
  ["alpaca_w_system.load_open_orca", {
    system_prompt: "Think.",
    question: "Why?",
    response: "So.",
  }],
  ["reflection", { instruction: "Think.", output: "a", reflection: "b", corrected: "c" }],
  ["creative_acr.load_answer", {
    instruction: "Write.",
    answer: "Roses.",
    scores: { refusal: 1 },
    critiques: { refusal: {} },
    revision: "Red roses.",
  }],
  ["metharme", { prompt: "<|user|>Hi<|model|>", generation: "Hello" }],
  ["alpaca_chat.load_qa", { question: "Why?", answer: "So." }],
  ["alpaca_chat.load_camel_ai", { message_1: "Why?", message_2: "So." }],
  ["context_qa.load_v2", { context: "On land.", question: "Where?", answer: "On land." }],
  ["context_qa", { article: "On land.", question: "Where?", answer: "On land." }],
  ["context_qa.load_404", { article: "On land.", unanswerable_question: "Who?" }],
  ["jeopardy", { question: "It swims.", category: "animals", answer: "a newt" }],
  ["explainchoice", { question: "Which?", choices: ["newt", "camel"], explanation: "It swims." }],
  ["summarizetldr", { article: "Long.", summary: "Short." }],
  ["completion", { text: "A newt is a salamander." }],
  ["input_output", { segments: [{ label: false, text: "a" }, { label: true, text: "b" }] }],
  ["tokenized", { input_ids: [1, 2], attention_mask: [1, 1], labels: [1, 2] }],
  ["stepwise_supervised", { prompt: "1+1", completions: ["2"], labels: [true] }],
  ["user_defined", { id: "7", prompt: "Why?", completion: "So." }],
];

/** Why rows cannot tell a format; those below `alike` have the columns of another one. */
const NOT_RECOGNISABLE: Record<string, string> = {
  _synthetic: "its tokens come from no rows",
};

const entries = CATALOGUE.flatMap(({ formats }) => formats);

Deno.test("the catalogue has every format once, with a line", () => {
  const named = entries.flatMap(({ name, alike }) => [name, ...Object.keys(alike ?? {})]);
  deepEqual(named.toSorted(), formatNames.toSorted());
  for (const { line, alike } of entries) {
    for (const each of [line, ...Object.values(alike ?? {})]) match(each, /^\S.*\.$/);
  }
});

Deno.test("every format is recognised by a row of its own, or cannot be", () => {
  deepEqual(
    entries.map(({ name }) => name).filter((name) => !(name in NOT_RECOGNISABLE)).toSorted(),
    ROWS.map(([name]) => name).toSorted(),
  );
  for (const [name, row, first] of ROWS) {
    const found = recognise([row]).map(({ format }) => format);
    equal(found[0], first ?? name, `${name}: ${found}`);
    ok(found.includes(name), `${name}: ${found}`);
  }
});

Deno.test("whatever is guessed can be read: the format takes the row as it is", async () => {
  const tokenizer = await tinyTokenizer();
  for (const [name, row] of ROWS) {
    for (const { keys, format } of recognise([row])) {
      const dataset = { path: "d.jsonl", ...keys };
      const reader = findFormat(keys.type ?? "tokenized")!.open({
        tokenizer,
        sequenceLen: 4000,
        trainOnInputs: false,
        dataset,
        chat: { chat_template: "chatml" },
      });
      const samples = reader.tokenize({ value: row, file: "d.jsonl", line: 1 });
      ok(samples.length > 0 && samples[0]!.tokens.length > 0, `${name} as ${format}`);
    }
  }
});

Deno.test("the rows of Axolotl's own formats are recognised", () => {
  for (const era of ["v0.18.0", "v0.4.0"]) {
    const path = new URL(`../golden/formats/cases-${era}.json`, import.meta.url);
    for (const { type, dataset, rows } of JSON.parse(readFileSync(path, "utf8"))) {
      const name = typeof type === "string" ? type : "user_defined";
      const entry = entries.find((each) => each.name === name || name in (each.alike ?? {}))!;
      // Mapped columns, unusual roles and rows that Axolotl leaves out are their own tests.
      if (Object.keys(dataset).length > 0 || name === "user_defined") continue;
      const found = recognise(rows.slice(0, 1)).map(({ format }) => format);
      if (name === "_synthetic" || name === "pretrain") continue;
      ok(found.includes(entry.name), `${era} ${name}: ${found} for ${JSON.stringify(rows[0])}`);
    }
  }
});

Deno.test("columns under other names are mapped", () => {
  const keysOf = (...rows: Row[]) => recognise(rows)[0]?.keys;
  const { format, no_input_format } = OWN_PROMPT;
  deepEqual(keysOf({ Prompt: "a", Completion: "b" }), {
    type: { field_instruction: "Prompt", field_output: "Completion", format, no_input_format },
  });
  // Dolly: more columns are explained by a mapping than by gpteacher.
  deepEqual(keysOf({ instruction: "a", context: "b", response: "c", category: "d" }), {
    type: {
      field_instruction: "instruction",
      field_input: "context",
      field_output: "response",
      format,
      no_input_format,
    },
  });
  deepEqual(keysOf({ id: 1, conversations: talk(["human", "gpt"]) }), {
    type: "chat_template",
    field_messages: "conversations",
    message_property_mappings: { role: "from", content: "value" },
  });
  deepEqual(keysOf({ dialog: talk(["customer", "agent"], ["speaker", "text"]) }), {
    type: "chat_template",
    field_messages: "dialog",
    message_property_mappings: { role: "speaker", content: "text" },
    roles: { user: ["customer"], assistant: ["agent"] },
  });
  deepEqual(keysOf({ id: 7, body: "A long text." }), { type: "completion", field: "body" });
  deepEqual(keysOf({ messages: JSON.stringify(talk(["user", "gpt"], ["role", "content"])) }), {
    type: "chat_template",
  });
  deepEqual(keysOf({ input_ids: [1], attention_mask: [1], labels: [1] }), {});
});

Deno.test("most rows decide; nothing fits numbers, no rows, or preferences", () => {
  const row = { instruction: "a", output: "b" };
  const [guess] = recognise([row, row, { text: "stray" }]);
  equal(guess!.reason, "2 of 3 rows have instruction and output");
  deepEqual(recognise([{ a: 1, b: null }]), []);
  deepEqual(recognise([]), []);
  const preference = { prompt: "a", chosen: "b", rejected: "c" };
  deepEqual(recognise([preference]), []);
  match(preferenceRemark([preference])!, /preference data/);
  equal(preferenceRemark([row]), undefined);
});

Deno.test("a guess is one line of YAML; columns have a kind and their fields", () => {
  const [guess] = recognise([{ conversations: talk(["human", "gpt"]) }]);
  equal(
    guessLine(guess!),
    "type: chat_template, field_messages: conversations, " +
      "message_property_mappings: {role: from, content: value}",
  );
  deepEqual(columnsOf([{ a: null, n: 1 }, { a: "x", t: [{ b: 1 }], l: [1], o: {} }]), [
    { name: "a", kind: "text", fields: [] },
    { name: "n", kind: "other", fields: [] },
    { name: "t", kind: "turns", fields: ["b"] },
    { name: "l", kind: "list", fields: [] },
    { name: "o", kind: "object", fields: [] },
  ]);
});
