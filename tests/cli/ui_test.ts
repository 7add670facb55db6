// `eft ui` gives the page and the files of one run to this computer, and nothing else.

import assert from "node:assert/strict";
import { parseConfig } from "../../src/config/config.ts";
import { serveFiles } from "../../src/cli/ui_server.ts";
import { offerRun, type Offers, sitePath } from "../../src/cli/ui_site.ts";
import type { RunRecord } from "../../src/app/rooms/runs/record.ts";
import { configText, host, lora, sanitize, tinyFolder, train } from "../train/tiny.ts";
import { eft } from "./eft.ts";

/** A folder as `npm run build` leaves it. */
function builtSite(): URL {
  const folder = Deno.makeTempDirSync();
  Deno.writeTextFileSync(`${folder}/index.html`, "<title>page</title>");
  Deno.writeTextFileSync(`${folder}/files.json`, JSON.stringify({ "index.html": 19 }));
  return new URL(`file://${folder}/`);
}

async function withServer(
  offers: Offers,
  use: (
    get: (path: string, init?: RequestInit) => Promise<Response>,
    port: number,
  ) => Promise<void>,
) {
  const server = await serveFiles(builtSite(), offers, 0);
  const { port } = server.addr;
  try {
    await use((path, init) => fetch(`http://127.0.0.1:${port}/${path}`, init), port);
  } finally {
    await server.shutdown();
  }
}

Deno.test("the page, its list of files, and what was offered", async () => {
  const file = Deno.makeTempFileSync();
  Deno.writeFileSync(file, Uint8Array.from({ length: 100_000 }, (_, i) => i % 251));
  const offers: Offers = new Map([["my model/weights.bin", { file }], ["a.yml", { text: "é: 1" }]]);
  await withServer(offers, async (get) => {
    assert.equal(await (await get("")).text(), "<title>page</title>");
    assert.deepEqual(await (await get("files.json")).json(), {
      "index.html": 19,
      "my model/weights.bin": 100_000,
      "a.yml": 5,
    });
    assert.equal(await (await get("a.yml")).text(), "é: 1");
    const part = await get("my%20model/weights.bin", { headers: { Range: "bytes=70000-70009" } });
    assert.equal(part.status, 206);
    assert.equal(part.headers.get("content-range"), "bytes 70000-70009/100000");
    const expected = Uint8Array.from({ length: 10 }, (_, i) => (70_000 + i) % 251);
    assert.deepEqual(new Uint8Array(await part.arrayBuffer()), expected);
    assert.equal((await (await get("my%20model/weights.bin")).arrayBuffer()).byteLength, 100_000);
    const beyond = await get("my%20model/weights.bin", { headers: { Range: "bytes=100000-" } });
    assert.equal(beyond.status, 416);
  });
});

Deno.test("nothing else: no other file, no other name, no other method", async () => {
  await withServer(new Map(), async (get, port) => {
    for (
      const path of ["no.txt", "..%2f..%2fetc/passwd", "%2e%2e/%2e%2e/etc/passwd", "etc/passwd"]
    ) {
      const answer = await get(path);
      assert.equal(answer.status, 404, path);
    }
    const written = await get("index.html", { method: "POST", body: "x" });
    assert.equal(written.status, 405);
    // fetch sets Host itself, so a foreign one is sent by hand.
    const connection = await Deno.connect({ hostname: "127.0.0.1", port });
    const request = "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    await connection.write(new TextEncoder().encode(request));
    const answer = await new Response(connection.readable).text();
    assert.match(answer, /^HTTP\/1.1 403/);
  });
});

Deno.test("a run of the terminal is a run of the page", sanitize, async () => {
  const folder = tinyFolder();
  const keys = { ...lora, max_steps: 2, logging_steps: 1, val_set_size: 2, eval_steps: 1 };
  const text = configText(folder, keys);
  await train(folder, keys);
  const { config } = parseConfig(text, "run.yml");
  const offers: Offers = new Map();
  const id = await offerRun(host, offers, { file: `${folder}/run.yml`, text, config });
  assert.ok(id);
  const json = (path: string) => JSON.parse((offers.get(path) as { text: string }).text);
  const record: RunRecord = json(`runs/${id}/run.json`);
  assert.equal(record.state, "finished");
  assert.equal(record.step, 2);
  const events = (offers.get(`runs/${id}/events.jsonl`) as { text: string }).text.trim().split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    events.filter(({ event }) => event === "step").map(({ step }) => step),
    [1, 2],
  );
  assert.equal(events.findLast(({ event }) => event === "step").loss, record.loss);
  assert.ok(events.some(({ event, eval_loss }) => event === "eval" && eval_loss > 0));
  for (const name of ["adapter_model.safetensors", "trainer_state.json"]) {
    assert.deepEqual(offers.get(`runs/${id}/output/${name}`), {
      file: `${config.output_dir}/${name}`,
    });
  }
  assert.ok(offers.has(`${sitePath(config.base_model)}/config.json`));
  assert.ok(offers.has(sitePath(config.datasets[0].path)));
});

Deno.test("a wrong port is one sentence", async () => {
  const { code, err } = await eft("ui", "--port", "70000");
  assert.equal(code, 2);
  assert.match(err, /--port 70000: expected a whole number below 65536/);
});
