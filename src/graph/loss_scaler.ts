// Dynamic loss scaling, which keeps gradients inside the narrow range of f16: the loss is multiplied
// by a scale before its gradients are made, and they are divided by it before the update. Gradients
// that overflow are thrown away with their step and halve the scale; it doubles after many steps
// without one. Scale and count lie on the device, which decides without the host
// (shaders/gradient_norm.wgsl). The rule and its numbers are those of torch.amp.GradScaler.

import { type Tensor, tensor } from "./graph.ts";

/** The scale at the start of a run, with no step counted. */
export const firstScaler = Float32Array.of(2 ** 16, 0);

/** Steps without an overflow until the scale doubles. */
export const growthInterval = 2000;

/** (scale, steps since it changed) */
export function scalerTensor(): Tensor {
  return tensor("loss_scaler", [2], "f32", "state");
}
