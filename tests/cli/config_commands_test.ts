// Commands that need no GPU: validate, config-schema, fetch, and where a configuration comes from.
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { parseArguments } from "../../src/cli/arguments.ts";
import { readYaml } from "../../src/cli/config_file.ts";
import { configSchema } from "../../src/cli/config_schema.ts";
import { fetchFiles } from "../../src/cli/fetch.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { validate } from "../../src/cli/validate.ts";
import { EftError } from "../../src/errors.ts";
import { FakeHost } from "../fake_host.ts";

class Recorder {
  json = true;
  said: string[] = [];
  printed = "";
  events: Record<string, unknown>[] = [];
  say = (text = "") => void this.said.push(text);
  print = (text: string) => void (this.printed += text);
  event = (event: Record<string, unknown>) => void this.events.push(event);
}

async function run(
  command: (host: FakeHost, args: ReturnType<typeof parseArguments>, terminal: Terminal) => unknown,
  host: FakeHost,
  ...args: string[]
) {
  const recorder = new Recorder();
  await command(host, parseArguments(["x", ...args]), recorder as unknown as Terminal);
  return recorder;
}

const CONFIG = `base_model: model
learning_rate: 1
datasets: [{path: data.jsonl, type: alpaca}]
flash_attention: true
`;
const model = {
  "model/config.json": "{}",
  "model/tokenizer.json": "{}",
  "model/model.safetensors": "",
};

Deno.test("validate: a good configuration, with its notes", async () => {
  const host = new FakeHost({ "c.yml": CONFIG, "data.jsonl": "{}", ...model });
  const { said, events } = await run(validate, host, "c.yml");
  deepEqual(said, ["c.yml: the configuration is valid."]);
  ok(/flash_attention: no effect/.test(String(events[0]!.text)));
  deepEqual(events.at(-1), { event: "end", valid: true, notes: [events[0]!.text] });
});

Deno.test("validate: all that is missing, at once", async () => {
  const text = CONFIG.replace("data.jsonl", "./data.jsonl") + `tokenizer_config: ./tokens
chat_template_jinja: chat.jinja
test_datasets: [{path: owner/name, type: alpaca}, {path: json, data_files: [a.json]}]
`;
  const host = new FakeHost({ "c.yml": text, "model/config.json": "" });
  await rejects(run(validate, host, "c.yml"), (error) => {
    ok(error instanceof EftError && error.code === "config");
    deepEqual(error.message.split("\n").map((line) => line.trim()), [
      "5 problems",
      "`base_model`: the folder model has no .safetensors file.",
      "`tokenizer_config`: there is no folder ./tokens.",
      "`datasets.0.path`: there is no file or folder ./data.jsonl.",
      "`test_datasets.1.data_files`: there is no file a.json.",
      "`chat_template_jinja`: there is no file chat.jinja.",
    ]);
    return true;
  });
  await rejects(run(validate, host, "d.yml"), /There is no such configuration file/);
  await rejects(run(validate, host), /needs a configuration/);
});

Deno.test("validate: names on the hub are not looked up", async () => {
  const text = CONFIG.replace("model: model", "model: owner/model").replace("data.jsonl", "o/data");
  const { events } = await run(validate, new FakeHost({ "c.yml": text }), "c.yml");
  equal(events.filter(({ text }) => /was not looked up/.test(String(text))).length, 2);
});

Deno.test("config-schema: whole, one field, as YAML", async () => {
  const host = new FakeHost();
  const whole = JSON.parse((await run(configSchema, host)).printed);
  equal(whole.$schema, "https://json-schema.org/draft/2020-12/schema");
  ok(/^title: lora r\n/.test(
    (await run(configSchema, host, "--field", "lora-r", "--format=yaml"))
      .printed,
  ));
  await rejects(run(configSchema, host, "--field", "lora_rr"), /Did you mean lora_r\?/);
  await rejects(run(configSchema, host, "--format", "xml"), /choose json or yaml/);
});

Deno.test("fetch: copies, and overwrites nothing", async () => {
  const host = new FakeHost({
    "here/a/lora.yml": "1",
    "here/readme": "2",
    "there/readme": "mine",
  });
  const fetching = (h: FakeHost, args: ReturnType<typeof parseArguments>, t: Terminal) =>
    fetchFiles(h, args, t, "here");
  const first = await run(fetching, host, "examples", "--dest", "there/");
  deepEqual(first.events, [{ event: "end", destination: "there", written: 1, same: 0, kept: 1 }]);
  equal(await host.readText("there/a/lora.yml"), "1");
  equal(await host.readText("there/readme"), "mine");
  const second = await run(fetching, host, "examples", "--dest", "there");
  deepEqual(second.events[0]!.same, 1);
  await rejects(run(fetching, host, "deepspeed_configs"), /one GPU/);
  await rejects(run(fetching, host), /eft fetch examples/);
});

Deno.test("a configuration comes from an address", async () => {
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const path = new URL(request.url).pathname;
    if (path === "/c.yml") return new Response(CONFIG);
    if (path === "/page") return new Response("<p>", { headers: { "content-type": "text/html" } });
    if (path === "/latin") return new Response(new Uint8Array([0x61, 0xff]));
    if (path === "/large") return new Response(new Uint8Array(10_000_001));
    return new Response("", { status: 404 });
  });
  const at = `http://127.0.0.1:${server.addr.port}`;
  const host = new FakeHost();
  try {
    equal((await readYaml(host, `${at}/c.yml`)).text, CONFIG);
    const cases: [string, RegExp][] = [
      [`${at}/none`, /answers 404/],
      [`${at}/page`, /is a page, not a file/],
      [`${at}/latin`, /not text in UTF-8/],
      [`${at}/large`, /larger than 10 MB/],
      ["http://example.org/c.yml", /is not encrypted; use https/],
    ];
    for (const [address, message] of cases) {
      await rejects(
        readYaml(host, address),
        (error) => error instanceof EftError && message.test(error.text),
      );
    }
  } finally {
    await server.shutdown();
  }
  await rejects(readYaml(host, `${at}/c.yml`), EftError); // nobody answers any more
});
