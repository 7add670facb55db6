// A model of a single node as ONNX protobuf bytes, run by onnxruntime-web on the CPU: an implementation
// of the forward passes that is not ours. Field numbers are those of onnx.proto (IR version 10).

import * as ort from "onnxruntime-web/wasm";
import type { Dense } from "./dense.ts";
import { dense } from "./dense.ts";

ort.env.wasm.numThreads = 1; // one thread gives the same bits every time

type Field = [number: number, value: number | string | Uint8Array];

/** Encodes fields: a number as a varint, a string or bytes with its length. */
function message(...fields: Field[]): Uint8Array {
  const bytes: number[] = [];
  const varint = (value: number) => {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
  };
  for (const [number, value] of fields) {
    varint(number * 8 + (typeof value === "number" ? 0 : 2));
    if (typeof value === "number") varint(value);
    else {
      const data = typeof value === "string" ? new TextEncoder().encode(value) : value;
      varint(data.length);
      for (const byte of data) bytes.push(byte);
    }
  }
  return Uint8Array.from(bytes);
}

/** An attribute: `{ int }` or `{ float }`. */
export type Attribute = { int: number } | { float: number };

function attribute(name: string, value: Attribute): Uint8Array {
  if ("int" in value) return message([1, name], [3, value.int], [20, 2]);
  // A float field has wire type 5, which `message` does not know: tag 2·8+5, four bytes.
  const float = new Uint8Array(Float32Array.of(value.float).buffer);
  return Uint8Array.of(...message([1, name]), 2 * 8 + 5, ...float, ...message([20, 1]));
}

const elementTypes = { float32: 1, uint8: 2, int32: 6, int64: 7 } as const;
type ElementType = keyof typeof elementTypes;

function valueInfo(name: string, type: ElementType, shape: readonly number[]): Uint8Array {
  const dimensions = shape.map((size): Field => [1, message([1, size])]);
  const tensorType = message([1, elementTypes[type]], [2, message(...dimensions)]);
  return message([1, name], [2, message([1, tensorType])]);
}

export interface OnnxInput {
  value: Dense;
  type?: ElementType;
}

/** Runs one node on the inputs (undefined: left out) and returns its first output, of `shape`. */
export async function runOnnx(
  operator: string,
  inputs: (OnnxInput | undefined)[],
  shape: readonly number[],
  attributes: Record<string, Attribute> = {},
  { opset = 23, domain = "", outputs = 1 } = {},
): Promise<Dense> {
  const named = inputs.map((input, i) => ({ name: input ? `x${i}` : "", input }));
  const results = Array.from({ length: outputs }, (_, i) => `y${i}`);
  const node = message(
    ...named.map(({ name }): Field => [1, name]),
    ...results.map((name): Field => [2, name]),
    [4, operator],
    ...Object.entries(attributes).map(([name, value]): Field => [5, attribute(name, value)]),
    [7, domain],
  );
  const graph = message(
    [1, node],
    [2, "one"],
    ...named.filter(({ input }) => input).map(({ name, input }): Field => [
      11,
      valueInfo(name, input!.type ?? "float32", input!.value.shape),
    ]),
    [12, valueInfo("y0", "float32", shape)],
  );
  const versions = [
    message([1, ""], [2, opset]),
    message([1, domain || "ai.onnx"], [2, domain ? 1 : opset]),
  ];
  const model = message([1, 10], [7, graph], ...versions.map((version): Field => [8, version]));
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: 3 });
  const feeds: Record<string, ort.Tensor> = {};
  for (const { name, input } of named) {
    if (!input) continue;
    const { value, type = "float32" } = input;
    const data = type === "float32"
      ? Float32Array.from(value.data)
      : type === "uint8"
      ? Uint8Array.from(value.data)
      : type === "int32"
      ? Int32Array.from(value.data)
      : BigInt64Array.from(value.data, BigInt);
    feeds[name] = new ort.Tensor(type, data, [...value.shape]);
  }
  const { y0 } = await session.run(feeds);
  await session.release();
  return dense(y0.dims as number[], y0.data as Float32Array);
}
