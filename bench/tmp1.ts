import { openDevice } from "../src/gpu/device.ts";
import { denoHost } from "../src/host/deno.ts";
import { matmulContest } from "./matmul.ts";
import { Report } from "./report.ts";
const device = await openDevice(denoHost());
console.log(device.summary.name, Deno.loadavg());
for (const n of [512, 1024]) await matmulContest(device, new Report(false), n, { rounds: 4, turn: 150 });
console.log(Deno.loadavg());
Deno.exit(0);
