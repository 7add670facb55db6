// The worker in which the engine runs, so that the page stays usable during a step.

import { EftError } from "../errors.ts";
import { browserHost } from "../host/browser.ts";
import type { Host } from "../host/host.ts";
import { runTraining } from "../train/run.ts";
import type { AdapterReport, Answers, Reply, Request } from "./protocol.ts";

let hosting: Promise<Host> | undefined;

self.onmessage = async (
  { data: request }: MessageEvent<Request | { type: "site"; base: string }>,
) => {
  if (request.type === "site") {
    // A worker's own URL says nothing about where the page lies.
    hosting = browserHost(request.base);
    return;
  }
  const { id } = request;
  try {
    reply({ type: "answer", id, answer: await answer(request, await hosting!) });
  } catch (error) {
    reply({ type: "error", id, ...describe(error) });
  }
};

async function answer(request: Request, host: Host): Promise<Answers[Request["type"]]> {
  switch (request.type) {
    case "adapter":
      return await reportAdapter(host);
    case "start":
      return await runTraining(host, {
        configText: request.configText,
        configFile: request.configName,
        overrides: request.overrides,
        onEvent: (event) => reply({ type: "event", id: request.id, event }),
      });
    case "list":
      return await listFiles(host, request.path);
    case "file":
      return await readWhole(host, request.path);
  }
}

async function reportAdapter(host: Host): Promise<AdapterReport> {
  const [engine] = await host.engines();
  const adapter = await engine.gpu.requestAdapter();
  if (!adapter) {
    throw new EftError(
      "device",
      "this browser offers no GPU to WebGPU. Switch hardware acceleration on and update the driver",
    );
  }
  const { info, features } = adapter;
  const parts = [info.vendor, info.architecture, info.description || info.device];
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  return {
    name: parts.filter(Boolean).join(" "),
    isFallbackAdapter: info.isFallbackAdapter,
    limits,
    features: [...features].sort(),
  };
}

async function listFiles(host: Host, path: string): Promise<Answers["list"]> {
  const files: Answers["list"] = [];
  for (const name of await host.list(path)) {
    if (await host.kind(`${path}/${name}`) !== "file") continue;
    const file = await host.open(`${path}/${name}`);
    files.push({ name, size: file.size });
    file.close();
  }
  return files;
}

async function readWhole(host: Host, path: string): Promise<Answers["file"]> {
  const file = await host.open(path);
  const bytes = await file.read(0, file.size);
  file.close();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { bytes, sha256 };
}

function describe(error: unknown): { code: string; message: string; stack?: string } {
  if (error instanceof EftError) {
    return { code: error.code, message: error.text, stack: error.stack };
  }
  if (error instanceof Error) {
    return { code: "internal", message: `A bug in Eft: ${error.message}`, stack: error.stack };
  }
  return { code: "internal", message: `A bug in Eft: ${error}` };
}

function reply(message: Reply): void {
  self.postMessage(message);
}
