// StableAdamW (Wortsman et al. 2023, arXiv:2304.13013) as in torch-optimi, which transformers uses.

import { sizeOf } from "../../graph/graph.ts";
import { rowShards } from "../../graph/limits.ts";
import { stableAdamwUpdate } from "../../graph/operations/stable_adamw_update.ts";
import { flatState, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function stableAdamw({ beta1, beta2, epsilon }: OptimizerSettings): Optimizer {
  const debiased = (beta: number, n: number) => (beta ** n - beta) / (beta ** n - 1);
  return {
    name: "stable_adamw",
    grouping: "tensor",
    alignment: 256,
    state: (group) => flatState(group, "exp_avg", "exp_avg_sq"),
    scalars(n, rate) {
      const second = debiased(beta2, n);
      return [rate, 1 - debiased(beta1, n), second, 1 - second];
    },
    update(graph, { norm, scalars, maxNorm, limits }, group) {
      graph.add(stableAdamwUpdate, [norm, scalars], {
        maxNorm,
        epsilon,
        row: group.row,
        gradient: group.gradient,
        value: group.value,
        first: group.state.exp_avg,
        second: group.state.exp_avg_sq,
        weightDecay: group.weightDecay,
        pieces: rowShards(sizeOf(group.value), 4, limits).length,
      });
    },
  };
}
