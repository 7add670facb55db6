// The parts of the configuration's room that need no page.

import assert from "node:assert/strict";
import { parse } from "yaml";
import { configJsonSchema } from "../../src/config/json_schema.ts";
import { parseConfig } from "../../src/config/config.ts";
import { editKeys } from "../../src/app/config_text.ts";
import { groups, methodChanges, methodOf, methods } from "../../src/app/rooms/config/fields.ts";
import { readConfigFile } from "../../src/app/rooms/config/read_file.ts";
import {
  kindOf,
  type Schema,
  schemaAt,
  standing,
  valuesOf,
} from "../../src/app/rooms/config/schema.ts";
import { pack, unpack } from "../../src/app/rooms/config/share.ts";
import { yamlPlace } from "../../src/app/rooms/config/yaml_place.ts";

/** The place of the "|" in a text. */
function placeAt(marked: string) {
  const place = yamlPlace(marked.replace("|", ""), marked.indexOf("|"));
  return place && [place.parent.join("."), place.key.name, place.value?.text].join(" ");
}

Deno.test("the place of the cursor, also in YAML that is not whole", () => {
  assert.equal(placeAt("lor|"), " lor ");
  assert.equal(placeAt("a: 1\nadapter: lo|"), " adapter lo");
  assert.equal(placeAt("adapter:|"), " adapter ");
  assert.deepEqual(yamlPlace("adapter: ", 9)?.value, { text: "", from: 9, to: 9 });
  assert.equal(placeAt("datasets:\n  - pa|"), "datasets.0 pa ");
  assert.equal(placeAt("datasets:\n- path: x\n  ty|"), "datasets.0 ty ");
  assert.equal(
    placeAt("datasets:\n  - path: x\n  - path: y\n    type: al|\nz: 1"),
    "datasets.1 type al",
  );
  assert.equal(placeAt("datasets:\n- path: x\n|"), "  ");
  assert.equal(placeAt("datasets:\n  - path: x\n    |"), "datasets.0  ");
  assert.equal(placeAt("special_tokens:\n  pad|"), "special_tokens pad ");
  assert.equal(placeAt("datasets:\n  - type:\n      fie|"), "datasets.0.type fie ");
  assert.equal(placeAt("lora_target_modules:\n  - q_proj\n  - v|"), "lora_target_modules.1 v ");
  assert.equal(placeAt("a: 1 # wo|rd"), undefined);
  assert.equal(placeAt("a: [1\nopt|"), " opt ");
  assert.equal(placeAt("a:\n  b: 1\n# c\n\nd|"), " d ");
});

Deno.test("the schema answers for keys, values and kinds", () => {
  const schema = configJsonSchema() as Schema;
  assert.ok(valuesOf(schemaAt(schema, ["datasets", 0, "type"])).includes("alpaca"));
  assert.deepEqual(valuesOf(schemaAt(schema, ["sample_packing"])), ["true", "false"]);
  assert.equal(kindOf(schemaAt(schema, ["micro_batch_size"])!), "a whole number, 1 or more");
  assert.equal(standing(schemaAt(schema, ["flash_attention"])!), "no effect");
  assert.equal(standing(schemaAt(schema, ["lora_r"])!), "works");
  assert.equal(schemaAt(schema, ["nothing", "at", 0, "all"]), undefined);
  for (const { key } of groups.flatMap(({ fields }) => fields)) {
    assert.equal(standing(schemaAt(schema, [key])!), "works", key);
  }
});

Deno.test("every method makes a configuration that the engine takes, from every other", () => {
  const start = "base_model: m\ndatasets: [{path: d, type: alpaca}]\nlearning_rate: 1e-4\n";
  for (const from of methods) {
    for (const to of methods) {
      let text = editKeys(start, methodChanges(from, parse(start)))!;
      text = editKeys(text, methodChanges(to, parse(text)))!;
      assert.equal(methodOf(parse(text)), to, `${from} to ${to}`);
      const { config } = parseConfig(text, "x.yml");
      assert.equal(config.adapter, to === "full" ? undefined : to === "qlora" ? "qlora" : "lora");
    }
  }
  assert.equal(methodOf({ adapter: "lora", load_in_4bit: true }), "qlora");
  assert.equal(methodOf({ adapter: "ia3" }), undefined);
});

Deno.test("a link carries name and text; a damaged one carries nothing", async () => {
  const shared = { name: "α/β.yml", text: "a: 1 # ü\n".repeat(50) };
  const packed = await pack(shared);
  assert.match(packed, /^[\w-]+$/);
  assert.ok(packed.length < 200);
  assert.deepEqual(await unpack(packed), shared);
  const bomb = await pack({ name: "b", text: " ".repeat(5_000_000) });
  for (const bad of ["", "%%%", "abcd", packed.slice(0, -20), packed.slice(5), bomb]) {
    assert.equal(await unpack(bad), undefined, bad.slice(0, 20));
  }
});

Deno.test("files that are no configuration get a sentence", async () => {
  const reason = (content: BlobPart) =>
    readConfigFile("x", new Blob([content])).then(() => "taken", (error) => error.message);
  assert.match(await reason(new Uint8Array([0xff, 0xfe, 0, 1])), /^x is not text/);
  assert.match(await reason("a: \0"), /not text/);
  assert.match(await reason("a: 1\n".repeat(100_000)), /larger/);
  assert.match(await reason(""), /empty/);
  assert.match(await reason('{"a": 1}'), /JSON/);
  assert.match(await reason("- a\n- b\n"), /list/);
  assert.match(await reason("Dear reader,\nthis is prose: it has colons: two.\n"), /key: value/);
  assert.match(await reason("<html><body>a: b</body></html>"), /key: value/);
  assert.equal(await reason("base_model: x\nbad: [1\n"), "taken");
  assert.equal(await reason("base_model: x\n"), "taken");
});
