// Activations in 16 bits. Kernels are written for f32; where a tensor is stored as f16, its
// declaration in the WGSL becomes f16, every load of it `f32(…)`, every store `f16(…)`. So all
// arithmetic and all sums stay in f32, and a kernel without such tensors stays as it is written.

import { assert } from "../errors.ts";
import type { Binding, DType } from "./graph.ts";

const DECLARED = /@binding\((\d+)\) var<storage, \w+> (\w+): array<(\w+)/g;
const HALF: Record<string, string> = { f32: "f16", vec4f: "vec4<f16>" };

/**
 * A kernel's WGSL for the dtypes of the tensors it is bound to. A matrix that the kernel declares
 * as f16 itself (a frozen weight) is left to it.
 */
export function withHalves(source: string, bindings: readonly Binding[]): string {
  if (bindings.every(({ tensor }) => tensor.dtype !== "f16")) return source;
  const alias = /^alias Value = (\w+);/m.exec(source)?.[1];
  let rewritten = source;
  for (const [declaration, index, name, type] of source.matchAll(DECLARED)) {
    const { tensor } = bindings[Number(index)]!;
    if (tensor.dtype !== "f16" || type === "f16" || source.includes(`${declaration}<f16>`)) {
      continue;
    }
    const full = type === "Value" ? alias! : type!;
    const half = HALF[full];
    assert(half, `a kernel declares ${name} as ${type}, which cannot hold ${tensor.name} in f16`);
    rewritten = convertAccesses(rewritten, name!, full, half)
      .replace(declaration, declaration.slice(0, -type!.length) + half);
  }
  if (rewritten === source) return source;
  return rewritten.startsWith("enable f16;") ? rewritten : `enable f16;\n${rewritten}`;
}

/** Puts conversions around every load and store of the elements of `name`. */
function convertAccesses(text: string, name: string, full: string, half: string): string {
  const found = new RegExp(`//.*|\\b${name}\\[`, "g");
  let out = "";
  let done = 0;
  for (let match = found.exec(text); match; match = found.exec(text)) {
    if (match[0].startsWith("//")) continue;
    const end = closing(text, found.lastIndex);
    const element = text.slice(match.index, end);
    out += text.slice(done, match.index);
    const store = / (\+?)= /y;
    store.lastIndex = end;
    const sign = store.exec(text);
    if (sign) {
      const semicolon = text.indexOf(";", end);
      const value = convertAccesses(text.slice(store.lastIndex, semicolon), name, full, half);
      const sum = sign[1] === "+" ? `${full}(${element}) + (${value})` : value;
      out += `${element} = ${half}(${sum})`;
      done = semicolon;
    } else {
      out += `${full}(${element})`;
      done = end;
    }
    found.lastIndex = done;
  }
  return out + text.slice(done);
}

/** Index after the bracket that closes the one before `at`. */
function closing(text: string, at: number): number {
  for (let depth = 1; depth > 0; at++) {
    assert(at < text.length, "a bracket of a kernel is not closed");
    if (text[at] === "[") depth++;
    else if (text[at] === "]") depth--;
  }
  return at;
}

/** The dtype of a sum or product of activations: f16 if none of them is f32. */
export function common(...dtypes: DType[]): DType {
  return dtypes.every((dtype) => dtype === "f16") ? "f16" : "f32";
}
