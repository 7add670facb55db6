// Muon (Jordan et al. 2024) with the step size of Moonlight, as in Axolotl: hidden matrices are
// updated by an orthogonal matrix; embeddings, the head and vectors by AdamW. optim_args: momentum.

import { muonUpdate } from "../../graph/operations/muon_update.ts";
import { adamw } from "./adamw.ts";
import { flatState, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function muon(settings: OptimizerSettings) {
  const momentum = Number(settings.args.momentum ?? 0.95);
  const others = adamw(settings);
  const matrices: Optimizer = {
    name: "muon",
    grouping: "tensor",
    alignment: 256,
    state: (group) => flatState(group, "momentum_buffer"),
    scalars: (_, rate) => [rate],
    update(graph, { norm, scalars, maxNorm }, group) {
      const { shape } = group.members[0].tensor;
      muonUpdate(graph, [norm, scalars], {
        maxNorm,
        momentum,
        row: group.row,
        gradient: group.gradient,
        value: group.value,
        moment: group.state.momentum_buffer,
        shape: [shape[0], shape[1]],
        weightDecay: group.weightDecay,
      });
    },
  };
  return (name: string, tensor: { shape: readonly number[] }): Optimizer =>
    tensor.shape.length === 2 && !/embed_tokens|lm_head|modules_to_save/.test(name)
      ? matrices
      : others;
}
