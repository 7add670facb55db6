// Finds the adapter, and the runs of earlier visits.

import { EftError } from "../../../errors.ts";
import { summarise } from "../../../gpu/device.ts";
import type { Host } from "../../../host/host.ts";
import type { Handlers } from "../../protocol.ts";
import { readRecords } from "../runs/read.ts";
import type { AdapterReport, StartRequests } from "./requests.ts";

export const handlers: Handlers<StartRequests> = {
  "start.adapter": (_, { host }) => reportAdapter(host),
  "start.runs": (_, { host }) => readRecords(host),
};

async function reportAdapter(host: Host): Promise<AdapterReport> {
  const [engine] = await host.engines();
  const adapter = await engine.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new EftError(
      "device",
      "this browser offers no GPU to WebGPU. Switch hardware acceleration on and update the driver",
    );
  }
  const { name, software, features } = summarise(engine.name, adapter);
  const limits: Record<string, number> = {};
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  return { name, software, limits, features };
}
