// Prints what WebGPU offers here as one line of JSON: `{"adapter": {...}}`, or null without an
// adapter. Setup reads it; `--engine wgpu|dawn` and `--limits` are for people.

import { denoHost } from "../src/host/deno.ts";
import type { EngineName } from "../src/host/host.ts";

const at = Deno.args.indexOf("--engine");
const wanted = at < 0 ? undefined : Deno.args[at + 1] as EngineName;
const [engine] = await denoHost().engines(wanted);
const adapter = await engine.gpu.requestAdapter();
const info = adapter?.info;
console.log(JSON.stringify({
  engine: engine.name,
  adapter: info && {
    name: info.description || info.device,
    vendor: info.vendor,
    isFallbackAdapter: info.isFallbackAdapter,
  },
  ...(adapter && Deno.args.includes("--limits")
    ? { limits: limitsOf(adapter), features: [...adapter.features].sort() }
    : {}),
}));

function limitsOf(adapter: GPUAdapter): Record<string, number> {
  const names = Object.keys(
    Object.getOwnPropertyDescriptors(Object.getPrototypeOf(adapter.limits)),
  );
  const limits = adapter.limits as unknown as Record<string, number>;
  return Object.fromEntries(
    names.filter((name) => /^m(ax|in)/.test(name)).map((name) => [name, limits[name]]),
  );
}
