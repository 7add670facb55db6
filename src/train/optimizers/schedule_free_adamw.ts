// Schedule-free AdamW (Defazio et al. 2024, arXiv:2405.15682) as in the package schedulefree: no
// schedule, but training at weights y between an average x, which is the result, and a sequence z.
// Kept is z − y, which is zero at first and where a group of tensors has had no step.

import { elementwiseUpdate } from "../../graph/operations/elementwise_update.ts";
import { elementwise, type Optimizer, type OptimizerSettings } from "./optimizer.ts";

export function scheduleFreeAdamw(settings: OptimizerSettings): Optimizer {
  const { beta1, beta2, epsilon, warmupSteps, args } = settings;
  const power = Number(args.weight_lr_power ?? 2);
  const r = Number(args.r ?? 0);
  return elementwise({
    name: "schedule_free_adamw",
    rule: "schedule_free",
    states: ["offset", "exp_avg_sq"],
    decay: "decoupled",
    constants: { BETA1: beta1, BETA2: beta2, ONE_MINUS_BETA2: 1 - beta2, EPSILON: epsilon },
    scalars(n, rate, kept) {
      const warmed = rate * (n - 1 < warmupSteps ? n / warmupSteps : 1);
      const highest = Math.max(warmed, kept[0] ?? 0);
      const weight = n ** r * highest ** power;
      const sum = (kept[1] ?? 0) + weight;
      kept.splice(0, 2, highest, sum);
      const c = sum > 0 ? weight / sum : 0;
      return [warmed, 1 - beta2 ** n, c, warmed * (beta1 * (1 - c) - 1)];
    },
    exchange(graph, { norm, scalars }, group, to) {
      graph.add(elementwiseUpdate, [norm, scalars], {
        rule: "exchange",
        maxNorm: 0,
        row: group.row,
        gradient: group.gradient,
        value: group.value,
        states: to === "use" ? [group.state.offset] : [],
        constants: { TO_USE: to === "use", WEIGHT: 1 - 1 / beta1 },
      });
    },
  });
}
