// The named chat templates write what Axolotl's write (tests/golden/formats/templates.json), and
// refuse what they refuse.
import { equal, ok } from "node:assert/strict";
import { renderChat, type TemplateMessage } from "../../src/data/chat.ts";
import { CHAT_TEMPLATES, LEFT_TO_TOKENIZER } from "../../src/data/templates/chat_templates.ts";
import { EftError } from "../../src/errors.ts";
import { denoHost } from "../../src/host/deno.ts";

interface Golden {
  conversations: { messages: TemplateMessage[]; tools?: unknown[] }[];
  /** Per template: for each conversation, without and with the generation prompt. */
  texts: Record<string, (string | { refused: string })[]>;
}

const golden = JSON.parse(
  await denoHost().readText("tests/golden/formats/templates.json"),
) as Golden;
const DATE = /\d{4}-\d\d-\d\d/g;

function parsedArguments(messages: TemplateMessage[]): TemplateMessage[] {
  return messages.map((message) => ({
    ...message,
    ...(message.tool_calls === undefined ? {} : {
      // deno-lint-ignore no-explicit-any
      tool_calls: (message.tool_calls as any[]).map((call) => ({
        ...call,
        function: { ...call.function, arguments: JSON.parse(call.function.arguments) },
      })),
    }),
  }));
}

for (const [name, texts] of Object.entries(golden.texts)) {
  if (LEFT_TO_TOKENIZER.includes(name)) continue;
  Deno.test(`chat template ${name} writes Axolotl's text`, () => {
    golden.conversations.forEach(({ messages, tools }, i) => {
      for (const [j, addGenerationPrompt] of [false, true].entries()) {
        const expected = texts[2 * i + j]!;
        let found: string | EftError;
        try {
          found = renderChat(CHAT_TEMPLATES[name]!, parsedArguments(messages), {
            addGenerationPrompt,
            bos: "<s>",
            eos: "</s>",
            tools,
            variables: { date_string: "26 Jul 2024" },
          });
        } catch (error) {
          found = error as EftError;
        }
        const where = `conversation ${i}`;
        if (typeof expected !== "string") {
          // Axolotl's cannot write arguments that were parsed, though its data loader parses them.
          ok(found instanceof EftError || (name === "deepseek_v3" && tools), where);
        } else if (typeof found !== "string") throw found;
        else equal(found.replace(DATE, ""), expected.replace(DATE, ""), where);
      }
    });
  });
}
