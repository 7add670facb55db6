import { deepEqual, equal, ok } from "node:assert/strict";
import { z } from "zod";
import { stringify } from "yaml";
import { parseConfig } from "../../src/config/config.ts";
import { configJsonSchema, fieldJsonSchema } from "../../src/config/json_schema.ts";
import { GROUPS, KEYS, OTHER_KEYS } from "../../src/config/keys.ts";
import { DATASET_KEYS } from "../../src/config/keys/datasets.ts";
import { countKeys } from "../../src/config/markdown.ts";
import { ALIASES } from "../../src/config/names.ts";
import { EftError } from "../../src/errors.ts";
import { files } from "../../scripts/config_docs.ts";

Deno.test("every key is listed once, with what it means and why it is as it is", () => {
  const seen = new Set<string>();
  for (const { works, others } of GROUPS) {
    for (const name of [...Object.keys(works), ...Object.keys(others)]) {
      ok(!seen.has(name), `${name} is listed twice`);
      seen.add(name);
    }
    for (const [name, key] of Object.entries(others)) {
      ok(/^[\w.]+$/.test(name) && key.schema && key.type, name);
      ok(/^\S.*\.$/.test(key.description), `${name}: ${key.description}`);
      ok(/^\S.*[^.]$/.test(key.reason), `${name}: ${key.reason}`);
      const parent = name.split(".").slice(0, -1).join(".");
      ok(parent === "" || parent in OTHER_KEYS || parent in KEYS, `${name} has no parent`);
    }
  }
  for (const [name, key] of Object.entries({ ...KEYS, ...DATASET_KEYS })) {
    ok(/^\S.*\.$/.test(key.description), name);
  }
  for (const [old, name] of Object.entries(ALIASES)) {
    ok(!seen.has(old) && seen.has(name), `${old}: ${name}`);
  }
  const { works } = countKeys();
  ok(works >= 140 && seen.size >= 500, `${works}, ${seen.size}`);
});

Deno.test("the documentation and the schema are fresh", async () => {
  for (const [path, content] of Object.entries(files())) {
    const written = await Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
    ok(written === content, `${path} is stale: deno run -A scripts/config_docs.ts`);
  }
});

Deno.test("the JSON Schema says of configurations what Eft says", () => {
  const schema = z.fromJSONSchema(configJsonSchema() as never);
  const base = { base_model: "m", learning_rate: 1e-4, datasets: [{ path: "x", type: "alpaca" }] };
  const cases: [object, boolean][] = [
    [{}, true],
    [{ sequence_len: 1024, sample_packing: true, adapter: null, bf16: "auto" }, true],
    [{ wandb_project: "p", flash_attention: true, val_set_size: 0.1 }, true],
    [{ datasets: [{ path: "x", type: { field_output: "o" } }] }, true],
    [{ pretraining_dataset: "x", max_steps: 5 }, true],
    [{ lerning_rate: 1 }, false],
    [{ sequence_len: "long" }, false],
    [{ lr_scheduler: "cosin" }, false],
    [{ datasets: [{ pth: "x" }] }, false],
    [{ datasets: [] }, false],
    [{ base_model: 3 }, false],
    [{ special_tokens: { pad: "x" } }, false],
  ];
  for (const [more, valid] of cases) {
    const config = { ...base, ...more };
    let accepted = true;
    try {
      parseConfig(stringify(config), "c.yml");
    } catch (error) {
      ok(error instanceof EftError);
      accepted = false;
    }
    equal(accepted, valid, stringify(more));
    equal(schema.safeParse(config).success, valid, `schema: ${stringify(more)}`);
  }
});

Deno.test("a field of the schema has a title, a description and a default", () => {
  const field = fieldJsonSchema("sequence_len")!;
  deepEqual([field.title, field.default], ["sequence len", 512]);
  ok(/longest sequence/.test(field.description as string));
  ok(/\[assistant\]/.test(fieldJsonSchema("datasets.roles_to_train")!.description as string));
  equal(fieldJsonSchema("trl.beta")!.deprecated, true);
  equal(fieldJsonSchema("datasets.type.field_output")!.title, "field output");
  equal(fieldJsonSchema("nothing"), undefined);
  equal(fieldJsonSchema("nothing.at.all"), undefined);
});
