import { openDevice } from "../src/gpu/device.ts";
import { denoHost } from "../src/host/deno.ts";
import { stepContest } from "./step.ts";
import { Report } from "./report.ts";
const device = await openDevice(denoHost());
console.log(device.summary.name, Deno.loadavg());
await stepContest(device, new Report(false), { rounds: 3, turn: 1000 });
console.log(Deno.loadavg());
Deno.exit(0);
