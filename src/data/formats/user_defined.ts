// A format that the YAML describes itself: `type` is a mapping with the names of the columns and
// the texts around them (Axolotl's `prompt_strategies/user_defined.py`).
import { EftError } from "../../errors.ts";
import { type Format, type FormatContext, textField } from "./format.ts";
import { instructionReader } from "./instruction.ts";

const DEFAULTS = {
  system_prompt: "",
  system_format: "{system}",
  field_system: "system",
  field_instruction: "instruction",
  field_input: "input",
  field_output: "output",
  format: "{instruction} {input} ",
  no_input_format: "{instruction} ",
};
type Key = keyof typeof DEFAULTS;

export const userDefined: Format = {
  name: "user_defined",
  open(context) {
    const keys = typeof context.dataset.type === "object" ? context.dataset.type : context.dataset;
    const get = (key: Key): string => {
      const value = keys[key];
      if (value === undefined || value === null) return DEFAULTS[key];
      if (typeof value === "string") return value;
      throw new EftError("config", `datasets[].type.${key} must be text.`);
    };
    const turn = compile("format", get("format"), ["instruction", "input", "system"]);
    const bare = compile("no_input_format", get("no_input_format"), ["instruction", "system"]);
    const head = compile("system_format", get("system_format"), ["system"]);
    return instructionReader(
      context as FormatContext,
      (row) => ({
        instruction: textField(row, get("field_instruction")),
        input: textField(row, get("field_input"), true),
        output: textField(row, get("field_output"), true),
        system: row.value[get("field_system")] === undefined
          ? get("system_prompt")
          : textField(row, get("field_system"), true),
      }),
      ({ instruction, input, system = "" }) =>
        (system === "" ? "" : head({ system })) +
        (input === "" ? bare({ instruction, system }) : turn({ instruction, input, system })),
    );
  },
};

/** Python's `str.format` with named places only; braces are written twice. */
export function compile(key: string, text: string, names: string[]) {
  const parts: { literal?: string; name?: string }[] = [];
  const pattern = /\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g;
  for (const [whole, name] of text.matchAll(pattern)) {
    if (whole === "{{" || whole === "}}") parts.push({ literal: whole[0]! });
    else if (name !== undefined) {
      if (!names.includes(name)) {
        throw new EftError(
          "config",
          `\`${key}\` has a place {${name}}; those that can be filled are ` +
            `${names.map((each) => `{${each}}`).join(", ")}. A brace itself is written twice.`,
        );
      }
      parts.push({ name });
    } else if (whole === "{" || whole === "}") {
      throw new EftError(
        "config",
        `\`${key}\` has a single "${whole}"; a brace itself is written twice: "${whole}${whole}".`,
      );
    } else parts.push({ literal: whole });
  }
  return (values: Record<string, string>): string =>
    parts.map(({ literal, name }) => literal ?? values[name!]!).join("");
}
