// Runs the trainer and hands out the files that it leaves.

import type { Host } from "../../../host/host.ts";
import { runTraining } from "../../../train/run.ts";
import type { Handlers } from "../../protocol.ts";
import type { TrainRequests } from "./requests.ts";

let running: string | undefined;

/** The run that goes on, which has the GPU for itself. */
export function currentRun(): string | undefined {
  return running;
}

export const handlers: Handlers<TrainRequests> = {
  "train.start": async ({ configText, configName, overrides }, { host, report, signal }) => {
    running = configName;
    try {
      const options = { configText, configFile: configName, overrides, onEvent: report, signal };
      return await runTraining(host, options);
    } finally {
      running = undefined;
    }
  },
  "train.list": ({ path }, { host }) => listFiles(host, path),
  "train.file": ({ path }, { host }) => readWhole(host, path),
};

async function listFiles(host: Host, path: string): Promise<{ name: string; size: number }[]> {
  const files: { name: string; size: number }[] = [];
  for (const name of await host.list(path)) {
    if (await host.kind(`${path}/${name}`) !== "file") continue;
    const file = await host.open(`${path}/${name}`);
    files.push({ name, size: file.size });
    file.close();
  }
  return files;
}

async function readWhole(host: Host, path: string) {
  const file = await host.open(path);
  const bytes = await file.read(0, file.size);
  file.close();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { bytes, sha256 };
}
