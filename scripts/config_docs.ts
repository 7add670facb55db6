// Writes docs/config.md and public/config.schema.json from the list of keys:
// deno run -A scripts/config_docs.ts
import { configJsonSchema, type JsonSchema } from "../src/config/json_schema.ts";
import { configMarkdown } from "../src/config/markdown.ts";

const INTRO = `
To see the same in an editor, point it at the JSON Schema: with the YAML language server, the first
line \`# yaml-language-server: $schema=config.schema.json\` and the file that \`eft config-schema\`
prints. \`eft validate CONFIG\` checks a file without a GPU; \`--sequence-len 1024\`,
\`--datasets.0.path x\` and \`--no-sample-packing\` on the command line set any key.

EXAMPLES

Where Eft is milder than Axolotl: none of micro_batch_size, gradient_accumulation_steps and
batch_size has to be set, \`evals_per_epoch\` without data to evaluate on is only remarked, and
\`type: sharegpt\` is read. Where it is stricter: an unknown key with a value, a key that is set
twice and a feature that it does not have are errors, all of them in one message.
`;

/** Counted by hand with parseConfig over Axolotl's examples folders, which are not kept here. */
const EXAMPLES = `
Of the configurations in Axolotl's examples folder, counted on 2026-11-23 and none with a crash: at
version 0.18.0 (commit 067b021c8, 252 YAML files, two of them for cloud services and not
configurations) 125 are accepted, 15 are refused only for what is planned, 112 for other reasons
too; at v0.4.0 (41 files) 34 are accepted, 1 is refused only for what is planned, 6 for other
reasons too. The keys that stand in the way most often: \`processor_type\` (29 files at 0.18.0, 0 at
v0.4.0), \`rl\` (19, 0), \`quantize_moe_experts\` (17, 0), \`optimizer: adamw_torch_4bit\` (14, 0),
\`tokenizer_use_mistral_common\` (12, 0), \`qat\` (9, 0), \`lora_target_parameters\` (8, 0) and
\`tokens\` as a mapping (3, 3).
`.trim();

export function files(): Record<string, string> {
  return {
    "docs/config.md": configMarkdown(INTRO.replace("EXAMPLES", EXAMPLES)),
    "public/config.schema.json": oneKeyPerLine(configJsonSchema()),
  };
}

/** JSON with a line per key, so that a change shows as a change of lines. */
function oneKeyPerLine({ properties, ...rest }: JsonSchema): string {
  const lines = Object.entries(properties as JsonSchema)
    .map(([name, schema]) => `${JSON.stringify(name)}: ${JSON.stringify(schema)}`);
  return JSON.stringify(rest).slice(0, -1) + `,"properties":{\n${lines.join(",\n")}\n}}\n`;
}

if (import.meta.main) {
  for (const [path, content] of Object.entries(files())) {
    await Deno.writeTextFile(new URL(`../${path}`, import.meta.url), content);
  }
}
