// `eft config-schema`: the JSON Schema of a configuration, for editors and other programs.

import { stringify } from "yaml";
import { configJsonSchema, fieldJsonSchema } from "../config/json_schema.ts";
import { knownKeys } from "../config/overrides.ts";
import { nearest } from "../config/nearest.ts";
import { EftError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Arguments } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

// deno-lint-ignore require-await
export async function configSchema(_: Host, args: Arguments, terminal: Terminal): Promise<void> {
  const format = args.flags.get("format") ?? "json";
  if (format !== "json" && format !== "yaml") {
    throw new EftError("command", `--format ${format}: choose json or yaml.`);
  }
  const field = args.flags.get("field")?.replaceAll("-", "_");
  const schema = field === undefined ? configJsonSchema() : fieldJsonSchema(field);
  if (!schema) {
    const meant = nearest(field!, knownKeys);
    throw new EftError(
      "command",
      `--field ${field}: there is no such key.${meant ? ` Did you mean ${meant}?` : ""}`,
    );
  }
  terminal.print(format === "yaml" ? stringify(schema) : JSON.stringify(schema, null, 2) + "\n");
}
