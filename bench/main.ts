// deno task bench [PART ...] [--json] [--engine wgpu|dawn] [--rounds N]
// Measures Eft against other libraries on this machine, in turn within one run. Parts: matmul,
// kernels, step, profile, data; all of them when none is named.

import { EftError } from "../src/errors.ts";
import { openDevice } from "../src/gpu/device.ts";
import type { EngineName } from "../src/host/host.ts";
import { denoHost } from "../src/host/deno.ts";
import { benchData } from "./data.ts";
import { attentionContests, linearContests } from "./kernels.ts";
import { matmulContest } from "./matmul.ts";
import { Report } from "./report.ts";
import { profileStep, stepContest } from "./step.ts";
import { batch, length } from "./step_settings.ts";

const parts = ["matmul", "kernels", "step", "profile", "data"];

async function main(args: string[]): Promise<void> {
  const options = parse(args);
  const report = new Report(options.json);
  const host = denoHost();
  const [engine] = await host.engines(options.engine);
  const device = await openDevice(host, engine.name);
  // The peers ask for `navigator.gpu`; they get the engine that we run on.
  Object.defineProperty(navigator, "gpu", { value: engine.gpu, configurable: true });

  const { name, software } = device.summary;
  const date = new Date().toISOString();
  const kind = software ? ", a SOFTWARE adapter" : "";
  report.say(`${name} (${engine.name}${kind}), Deno ${Deno.version.deno}, ${date}`);
  const cores = navigator.hardwareConcurrency;
  report.say(`${cores} cores, load ${load()}`);
  report.event({
    event: "start",
    adapter: name,
    engine: engine.name,
    software,
    deno: Deno.version.deno,
    date,
    cores,
    load: Deno.loadavg(),
  });

  const { rounds, chosen } = options;
  const short = { rounds, turn: 200 };
  if (chosen.has("matmul")) {
    for (const size of [512, 1024]) await matmulContest(device, report, size, short);
  }
  if (chosen.has("kernels")) {
    const rows = batch * length;
    await linearContests(device, report, [rows, 688, 256], short);
    await linearContests(device, report, [rows, 8, 256], short);
    await attentionContests(device, report, short);
  }
  if (chosen.has("step")) await stepContest(device, report, { rounds, turn: 1000 });
  if (chosen.has("profile")) await profileStep(device, report);
  if (chosen.has("data")) await benchData();
  report.say(`\nload ${load()}`);
  report.event({ event: "end", load: Deno.loadavg() });
  device.destroy();
}

function parse(args: string[]) {
  let rounds = 5;
  let json = false;
  let engine: EngineName | undefined;
  const chosen = new Set<string>();
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--json") json = true;
    else if (args[i] === "--engine") engine = args[++i] as EngineName;
    else if (args[i] === "--rounds") rounds = Number(args[++i]);
    else if (parts.includes(args[i])) chosen.add(args[i]);
    else throw new EftError("command", `${args[i]} is not a part; parts: ${parts.join(", ")}`);
  }
  if (!(rounds >= 1)) throw new EftError("command", "--rounds takes a whole number from 1");
  return { rounds, json, engine, chosen: chosen.size > 0 ? chosen : new Set(parts) };
}

/** Processes that wanted a core, averaged over 1, 5 and 15 minutes. */
function load(): string {
  return Deno.loadavg().map((average) => average.toFixed(1)).join(" ");
}

try {
  await main(Deno.args);
} catch (error) {
  if (!(error instanceof EftError)) throw error;
  console.error(`error: ${error.text}`);
  Deno.exit(1);
}
Deno.exit(0); // the peers' threads would keep the process alive
