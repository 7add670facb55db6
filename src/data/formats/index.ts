// The data set formats by name: a new format is a file in this folder and an entry in this list.
import { alpacaFormats } from "./alpaca.ts";
import { chatTemplateFormats } from "./chat_template.ts";
import { completion, pretrain } from "./completion.ts";
import { creativeFormats } from "./creative.ts";
import type { DatasetKeys, Format } from "./format.ts";
import { llama2Chat } from "./llama2_chat.ts";
import { inputOutput, stepwise, synthetic, tokenized } from "./plain.ts";
import { reflectionFormats } from "./reflection.ts";
import { metharme, pygmalion } from "./roleplay.ts";
import { sharegptFormats } from "./sharegpt.ts";
import { userDefined } from "./user_defined.ts";

const FORMATS = new Map(
  [
    ...alpacaFormats,
    ...reflectionFormats,
    ...creativeFormats,
    ...sharegptFormats,
    ...chatTemplateFormats,
    llama2Chat,
    pygmalion,
    metharme,
    completion,
    pretrain,
    inputOutput,
    stepwise,
    tokenized,
    synthetic,
    userDefined,
  ].map((format) => [format.name, format]),
);

export const formatNames: string[] = [...FORMATS.keys()];

/** By name; `X.load` is X, and a mapping is the user's own format. */
export function findFormat(type: DatasetKeys["type"]): Format | undefined {
  if (typeof type === "object") return userDefined;
  if (type === undefined) return undefined;
  return FORMATS.get(type) ?? FORMATS.get(type.replace(/\.load$/, ""));
}
