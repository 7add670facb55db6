// A quantized weight as a tensor of the graph: no memory of its own, but parts.

import { type Tensor, tensor } from "../graph/graph.ts";
import type { Source } from "./checkpoint.ts";
import { partSpecs, type QuantFormat } from "./format.ts";

/** Declares a frozen weight [N, K] that is held in `format`. */
export function quantizedTensor(
  name: string,
  shape: readonly number[],
  format: QuantFormat,
  source: Source = "weights",
): Tensor {
  const made = tensor(name, shape, "quantized", "weight");
  const [rows, columns] = shape;
  made.quantized = {
    format,
    source,
    parts: partSpecs(format, rows, columns).map((part) =>
      tensor(`${name} ${part.name}`, [part.words], part.dtype, "weight")
    ),
  };
  return made;
}
