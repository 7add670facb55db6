// Finds the adapter.

import { EftError } from "../../../errors.ts";
import type { Host } from "../../../host/host.ts";
import type { Handlers } from "../../protocol.ts";
import type { AdapterReport, StartRequests } from "./requests.ts";

export const handlers: Handlers<StartRequests> = {
  "start.adapter": (_, { host }) => reportAdapter(host),
};

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
