// Chooses the kernels of a run by measuring them on its device.

import type { Device } from "../gpu/device.ts";
import { tune } from "../gpu/tuner.ts";
import { lowerGraph } from "../graph/plan.ts";
import type { Session } from "./session.ts";

/** Milliseconds that choosing kernels may take. */
const tuningBudget = 3000;

/** Measures the matrix products of a session's plans and puts the fastest kernels into them. */
export async function tuneSession(session: Session, device: Device): Promise<void> {
  const plans = [
    ...[...session.microSteps.values(), ...session.evaluations.values()].map(({ plan }) => plan),
    session.update,
  ];
  const dispatches = plans.flatMap((plan) => plan.dispatches);
  device.limits.kernels = await tune(device, dispatches, tuningBudget);
  for (const plan of plans) plan.dispatches = lowerGraph(plan.graph, device.limits);
}
