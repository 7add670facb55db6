// The output folder under a host that fails at any one of its operations, as a process that is killed
// there does: what was whole before is whole after, and the next run gets along with what is left.

import assert from "node:assert/strict";
import { denoHost } from "../../src/host/deno.ts";
import type { Host } from "../../src/host/host.ts";
import { listCheckpoints, OutputFolder } from "../../src/train/output_folder.ts";
import { Killed, mortalHost } from "../mortal_host.ts";

const files = ["adapter_config.json", "adapter_model.safetensors", "eft_config.yml"];

/** A run of a few checkpoints and a result, each file of which holds the name of the run. */
async function run(
  host: Host,
  name: string,
  options: { steps: number; resume?: boolean; stopped?: boolean },
): Promise<void> {
  const output = await OutputFolder.claim(host, "out");
  try {
    await fill(output, host, name, options);
  } finally {
    await output.release(); // as the operating system does for a killed process
  }
}

async function fill(
  output: OutputFolder,
  host: Host,
  name: string,
  options: { steps: number; resume?: boolean; stopped?: boolean },
): Promise<void> {
  const newest = (await output.checkpoints()).at(-1)?.step;
  const from = options.resume ? newest : undefined;
  await output.begin(name, from);
  for (let step = (from ?? 0) + 1; step <= options.steps; step++) {
    await output.checkpoint(step, async (folder) => {
      for (const file of files) await host.write(`${folder}/${file}`, name);
      await host.write(`${folder}/eft_state.json`, name);
    });
    await output.trim(2, undefined);
  }
  for (const file of files) await output.write(file, name);
  const args = { should_training_stop: !options.stopped };
  await output.finish(JSON.stringify({
    name,
    global_step: options.steps,
    stateful_callbacks: { TrainerControl: { args } },
  }));
}

/** The run whose whole result a folder holds. */
async function resultIn(host: Host, folder: string): Promise<string | undefined> {
  if (await host.kind(`${folder}/trainer_state.json`) !== "file") return undefined;
  const { name } = JSON.parse(await host.readText(`${folder}/trainer_state.json`));
  for (const file of files) {
    assert.equal(await host.readText(`${folder}/${file}`), name, `${folder}/${file}`);
  }
  return name;
}

async function checkWhole(host: Host): Promise<string[]> {
  for (const { path } of await listCheckpoints(host, "out")) {
    const name = await host.readText(`${path}/eft_state.json`);
    for (const file of files) assert.equal(await host.readText(`${path}/${file}`), name);
  }
  const results = [];
  for (const place of ["out", "out.previous", "out.partial", "out.ready"]) {
    const name = await resultIn(host, place).catch(() => undefined);
    if (name) results.push(name);
  }
  return results;
}

for (
  const second of [
    { steps: 3, resume: false },
    { steps: 5, resume: true },
  ]
) {
  const what = second.resume ? "goes on from" : "replaces";
  Deno.test(`a run that ${what} another may be killed anywhere`, async () => {
    const root = Deno.makeTempDirSync({ prefix: "eft-test-" });
    const host = denoHost(root);
    for (let operations = 0;; operations++) {
      for (const { name } of Deno.readDirSync(root)) {
        Deno.removeSync(`${root}/${name}`, { recursive: true });
      }
      await run(host, "first", { steps: 3 });
      const killed = await run(mortalHost(root, operations), "second", second).then(
        () => false,
        (error) => {
          if (!(error instanceof Killed)) throw error;
          return true;
        },
      );
      // The first result is whole somewhere, or being moved: the next claim ends that.
      await (await OutputFolder.claim(host, "out")).release();
      const results = await checkWhole(host);
      assert.ok(
        results.includes("first"),
        `after ${operations} operations: ${results} ${await host.list("out")}`,
      );
      // And the next run ends well, with two results on disk.
      await run(host, "third", { steps: 6, resume: true });
      assert.equal(await resultIn(host, "out"), "third");
      const kept = await resultIn(host, "out.previous");
      assert.ok(kept === "first" || kept === "second", `kept ${kept}`);
      assert.deepEqual(
        (await listCheckpoints(host, "out")).map(({ step }) => step),
        [5, 6],
      );
      for (const name of await host.list(".")) assert.doesNotMatch(name, /partial|ready/);
      if (!killed) {
        assert.ok(operations > 20);
        break;
      }
    }
    Deno.removeSync(root, { recursive: true });
  });
}

Deno.test("a first run may be killed anywhere", async () => {
  for (let operations = 0, killed = true; killed; operations++) {
    const root = Deno.makeTempDirSync({ prefix: "eft-test-" });
    const host = denoHost(root);
    await run(mortalHost(root, operations), "first", { steps: 2 }).then(
      () => killed = false,
      (error) => assert.ok(error instanceof Killed, error),
    );
    await run(host, "second", { steps: 3, resume: true });
    assert.equal(await resultIn(host, "out"), "second");
    for (const name of await host.list("out")) assert.doesNotMatch(name, /partial/);
    assert.ok(killed || operations > 15);
    Deno.removeSync(root, { recursive: true });
  }
});

Deno.test("a result that Ctrl-C left gives way to the run that goes on from it", async () => {
  const root = Deno.makeTempDirSync({ prefix: "eft-test-" });
  const host = denoHost(root);
  await run(host, "first", { steps: 2 });
  await run(host, "second", { steps: 2, stopped: true });
  assert.equal(await resultIn(host, "out"), "second");
  assert.equal(await resultIn(host, "out.previous"), "first");
  await run(host, "second", { steps: 4, resume: true });
  assert.equal(await resultIn(host, "out"), "second");
  assert.equal(await resultIn(host, "out.previous"), "first");
  // The checkpoints of the first run lie with its result.
  assert.deepEqual(
    (await listCheckpoints(host, "out.previous")).map(({ step }) => step),
    [1, 2],
  );
  Deno.removeSync(root, { recursive: true });
});

Deno.test("the best and the newest checkpoint are never trimmed", async () => {
  const root = Deno.makeTempDirSync({ prefix: "eft-test-" });
  const host = denoHost(root);
  const output = await OutputFolder.claim(host, "out");
  await output.begin("run");
  const left = async () => (await output.checkpoints()).map(({ step }) => step);
  for (let step = 1; step <= 6; step++) {
    await output.checkpoint(step, (folder) => host.write(`${folder}/file`, ""));
    await output.trim(2, 2);
  }
  assert.deepEqual(await left(), [2, 6]);
  await output.checkpoint(7, (folder) => host.write(`${folder}/file`, ""));
  await output.trim(1, 2);
  assert.deepEqual(await left(), [2, 7]);
  await output.trim(0, undefined);
  assert.deepEqual(await left(), [2, 7]);
  // A checkpoint that fails to be written leaves the one of that name alone.
  await assert.rejects(output.checkpoint(7, () => Promise.reject(new Error("full"))), /full/);
  await output.abandon();
  await output.release();
  assert.deepEqual(await host.list("out"), ["checkpoint-2", "checkpoint-7", "eft_config.yml"]);
  Deno.removeSync(root, { recursive: true });
});
