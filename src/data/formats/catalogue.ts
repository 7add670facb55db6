// Every format in one line, with the columns that its rows have: what a person chooses from, and what
// rows are recognised by. Plain data, so that a page can show it without the formats themselves.

export interface FormatEntry {
  name: string;
  /** What it is, for someone who chooses. */
  line: string;
  /**
   * Its columns, apart by spaces: `name` is text, `name?` text that may be missing, `a|b` one of
   * both, `name[]` a list, `name{}` an object, `name[role content]` a list of objects with these
   * fields, the first of which is the speaker's. "" for rows that the columns do not tell.
   */
  columns: string;
  /** The speakers that the format knows, where others would drop the row. */
  speakers?: readonly string[];
  /** Further names for the same columns, each with its line. */
  alike?: Record<string, string>;
}

export interface FormatGroup {
  title: string;
  formats: FormatEntry[];
}

const sameAs = (name: string) => `Another name of ${name}.`;
const styles = (name: string): Record<string, string> => ({
  [`${name}:instruct`]: sameAs(name),
  [`${name}:chat`]: "With USER: and ASSISTANT: before the turns.",
  [`${name}:chatml`]: "With the marks of ChatML.",
  [`${name}:phi`]: "With the marks of Phi.",
});
const sharegpt = ["human", "gpt", "system"];

/** In order of preference among formats that fit equally well. */
export const CATALOGUE: readonly FormatGroup[] = [
  {
    title: "Conversations",
    formats: [
      {
        name: "chat_template",
        line: "Messages, written by the model's chat template.",
        columns: "messages[role content]",
        alike: { "chat_template.load": sameAs("chat_template") },
      },
      {
        name: "sharegpt",
        line: "Turns of human and gpt, written by a template of older Axolotl.",
        columns: "conversations[from value]",
        speakers: [...sharegpt, "assistant", "tool"],
        alike: {
          "sharegpt.load": sameAs("sharegpt"),
          "sharegpt:chat": sameAs("sharegpt"),
          sharegpt_simple: sameAs("sharegpt"),
          "sharegpt_simple.load": sameAs("sharegpt"),
        },
      },
      {
        name: "pygmalion",
        line: "Turns of human and bot, with a persona.",
        columns: "conversations[role value]",
        speakers: ["system", "human", "bot"],
      },
      {
        name: "sharegpt.load_role",
        line: "ShareGPT with the speaker in `role`.",
        columns: "conversations[role value]",
        speakers: sharegpt,
        alike: { "sharegpt_simple.load_role": sameAs("sharegpt.load_role") },
      },
      {
        name: "sharegpt.load_guanaco",
        line: "ShareGPT with prompter and assistant, as in Guanaco.",
        columns: "conversations[role text]",
        speakers: ["prompter", "assistant", "system"],
        alike: { "sharegpt_simple.load_guanaco": sameAs("sharegpt.load_guanaco") },
      },
      {
        name: "sharegpt.load_ultrachat",
        line: "ShareGPT from messages of user and assistant, as in UltraChat.",
        columns: "messages[role content]",
        speakers: ["user", "assistant"],
      },
      {
        name: "llama2_chat",
        line: "Turns of human and gpt, in the prompt of Llama 2.",
        columns: "conversations[from value]",
        speakers: sharegpt,
      },
      {
        name: "sharegpt_jokes",
        line: "A joke and why it is funny, as a conversation.",
        columns: "text title? explanation",
        alike: { "sharegpt_jokes.load": sameAs("sharegpt_jokes") },
      },
    ],
  },
  {
    title: "Instruction and response",
    formats: [
      {
        name: "alpaca",
        line: "instruction, perhaps input, and output.",
        columns: "instruction input? output",
        alike: {
          ...styles("alpaca"),
          alpaca_instruct: sameAs("alpaca"),
          "alpaca_instruct.load": sameAs("alpaca"),
          "alpaca_instruct.load_no_prompt": "Without the sentence before the instruction.",
          alpaca_chat: "In the chat style, or the one named by `conversation`.",
          "alpaca_chat.load": "In the chat style, or the one named by `conversation`.",
          "alpaca_chat.load_concise": "In the chat style, asking for concise answers.",
          "alpaca_chat.load_no_prompt": "In the chat style, without the sentence before.",
        },
      },
      {
        name: "alpaca_w_system",
        line: "Alpaca with a system text for each row, in the chat style.",
        columns: "system instruction input? output",
        alike: {
          "alpaca_w_system.load": sameAs("alpaca_w_system"),
          "alpaca_w_system.load_chat": sameAs("alpaca_w_system"),
          "alpaca_w_system.load_instruct": "In Alpaca's own style.",
        },
      },
      {
        name: "gpteacher",
        line: "instruction, perhaps input, and response.",
        columns: "instruction input? response",
        alike: styles("gpteacher"),
      },
      {
        name: "oasst",
        line: "INSTRUCTION and RESPONSE, as in Open Assistant.",
        columns: "INSTRUCTION RESPONSE",
        alike: styles("oasst"),
      },
      {
        name: "alpaca_w_system.load_open_orca",
        line: "system_prompt, question and response, as in OpenOrca.",
        columns: "system_prompt question response",
        alike: {
          "alpaca_w_system.load_open_orca_chatml": "With the marks of ChatML.",
          orcamini: "In the prompt of Orca Mini.",
          "orcamini.load": "In the prompt of Orca Mini.",
        },
      },
      {
        name: "reflection",
        line: "An output, a reflection on it, and the corrected answer.",
        columns: "instruction input? output reflection corrected",
        alike: {
          "reflection:instruct": sameAs("reflection"),
          "reflection:chat": "With USER: and ASSISTANT: before the turns.",
          "reflection:chatml": "Without the sentence before the instruction.",
        },
      },
      {
        name: "creative_acr.load_answer",
        line: "Answers after revision.",
        columns: "instruction answer scores{} critiques{} revision",
        alike: {
          "creative_acr.load_critique": "Critiques of an answer.",
          "creative_acr.load_revise": "Revisions after a critique.",
        },
      },
      {
        name: "metharme",
        line: "A prompt with its own marks, and the generation.",
        columns: "prompt generation",
      },
    ],
  },
  {
    title: "Question and answer",
    formats: [
      {
        name: "alpaca_chat.load_qa",
        line: "question and answer, in the chat style.",
        columns: "question answer",
      },
      {
        name: "alpaca_chat.load_camel_ai",
        line: "message_1 and message_2, as in CAMEL.",
        columns: "message_1 message_2",
      },
      {
        name: "context_qa.load_v2",
        line: "A question about a context.",
        columns: "context question answer",
      },
      {
        name: "context_qa",
        line: "A question about an article.",
        columns: "article question answer",
        alike: { "context_qa.load": sameAs("context_qa") },
      },
      {
        name: "context_qa.load_404",
        line: "A question that the article does not answer.",
        columns: "article unanswerable_question",
      },
      {
        name: "jeopardy",
        line: "Questions of a category.",
        columns: "category question answer",
        alike: styles("jeopardy"),
      },
      {
        name: "explainchoice",
        line: "A question with choices, and why one is right.",
        columns: "question choices[] solution|explanation",
        alike: {
          ...styles("explainchoice"),
          concisechoice: "The same, asking for concise answers.",
          ...styles("concisechoice"),
        },
      },
      {
        name: "summarizetldr",
        line: "An article and its summary.",
        columns: "article summary",
        alike: styles("summarizetldr"),
      },
    ],
  },
  {
    title: "Text and tokens",
    formats: [
      {
        name: "completion",
        line: "Plain text; all of it is trained.",
        columns: "text",
        alike: { pretrain: "Plain text in overlapping windows, for pretraining_dataset." },
      },
      {
        name: "input_output",
        line: "Segments of text, each trained or not.",
        columns: "segments[label text]",
      },
      {
        name: "tokenized",
        line: "Token ids and labels, made elsewhere.",
        columns: "input_ids[] attention_mask[] labels[]",
      },
      {
        name: "stepwise_supervised",
        line: "Steps of reasoning and whether each is right; not trained yet.",
        columns: "prompt completions[] labels[]",
      },
      { name: "_synthetic", line: "Random tokens, to measure speed.", columns: "" },
    ],
  },
  {
    title: "Your own",
    formats: [
      {
        name: "user_defined",
        line: "Columns of your choice, with your own text around them.",
        columns: "",
      },
    ],
  },
];
