// Finds where a value stopped being finite. The device halts updates at the first step whose loss
// or gradient norm is not finite (shaders/gradient_norm.wgsl), so that step can be computed again,
// kernel by kernel, until one of them writes what is not a number.

import type { Memory, Program } from "../gpu/program.ts";
import { type Binding, bytesPerElement, sizeOf } from "../graph/graph.ts";

export interface Finding {
  /** What is not finite: a tensor and the kernel that wrote it, or a weight. */
  tensor: string;
  kernel: string;
  /** It was so before the kernel ran. */
  isInput: boolean;
}

const pieceBytes = 8 * 2 ** 20;

/** Runs a program one kernel at a time; the first tensor that is not finite, if any. */
export async function firstNonFinite(
  memory: Memory,
  program: Program,
): Promise<Finding | undefined> {
  program.clearPool();
  for (const [i, { label, bindings }] of program.plan.dispatches.entries()) {
    program.runOne(i);
    for (const binding of bindings.filter(({ access }) => access === "write")) {
      if (await isFinite(memory, program, binding)) continue;
      for (const input of bindings.filter(({ access }) => access === "read")) {
        if (!await isFinite(memory, program, input)) {
          return { tensor: input.tensor.name, kernel: label, isInput: true };
        }
      }
      return { tensor: binding.tensor.name, kernel: label, isInput: false };
    }
  }
  return undefined;
}

async function isFinite(memory: Memory, program: Program, binding: Binding): Promise<boolean> {
  const { tensor, offset = 0 } = binding;
  if (tensor.dtype === "u32" || tensor.dtype === "i32" || tensor.role === "input") return true;
  // Not to the end of the last word, where another tensor of the same slot may have left something.
  const end = offset + (binding.bytes ?? sizeOf(tensor) * bytesPerElement(tensor.dtype));
  for (let at = offset; at < end; at += pieceBytes) {
    const bytes = Math.min(pieceBytes, end - at);
    const [piece] = await memory.read([{ tensor, offset: at, bytes, program }]);
    if (!finiteBits(piece, tensor.dtype)) return false;
  }
  return true;
}

/** Whether no exponent is all ones. */
function finiteBits(bytes: ArrayBuffer, dtype: string): boolean {
  if (dtype === "f32") {
    return new Uint32Array(bytes).every((word) => (word & 0x7f800000) !== 0x7f800000);
  }
  const exponent = dtype === "bf16" ? 0x7f80 : 0x7c00;
  return new Uint16Array(bytes).every((word) => (word & exponent) !== exponent);
}
