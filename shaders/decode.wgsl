// How a matrix is read, whatever it is held in: pasted into the kernels that read one.
//
// The kernel binds the matrix as `b` at 1; the other parts of a quantized one (quant/format.ts lists
// them) are bound from 2 on. `decode` gives the element at column `at` of line `line`, or the four
// from there on when B_VECTOR (then `at` is a multiple of 4). A new format is a new `decode`; a
// quantized one has a form for one element and one for four, and shares what follows between them.
// B_ROW lines of B_LINE elements lie before the codes that are bound; the other parts are bound whole.

//: if B_TYPE == "int8" || BLOCK && !NESTED
@group(0) @binding(2) var<storage, read> maxima: array<f32>;
//: else if NESTED
@group(0) @binding(2) var<storage, read> maxima: array<u32>;
@group(0) @binding(3) var<storage, read> nested: array<f32>;
//: else if B_TYPE == "grouped"
@group(0) @binding(2) var<storage, read> scales: array<u32>;
//: if ORDERED
@group(0) @binding(3) var<storage, read> groups: array<u32>;
//: end
//: end

//: if BLOCK
// NF4 and FP4 (bitsandbytes): value = code book[code] · maximum of the block. Codes run over the
// flattened weight, two to a byte, the first in the high half. When NESTED, a maximum is itself
// nested[its 8-bit code] · nested[257 + its block of 256] + nested[256].
// Code books are trees of selections: indexing would put them into memory.
fn book(code: vec4u) -> vec4f {
  let one = (code & vec4u(1u)) != vec4u();
  let two = (code & vec4u(2u)) != vec4u();
  let four = (code & vec4u(4u)) != vec4u();
  let eight = (code & vec4u(8u)) != vec4u();
//: if B_TYPE == "nf4"
  let v0 = select(vec4f(-1.0), vec4f(-0.6961928009986877), one);
  let v2 = select(vec4f(-0.5250730514526367), vec4f(-0.39491748809814453), one);
  let v4 = select(vec4f(-0.28444138169288635), vec4f(-0.18477343022823334), one);
  let v6 = select(vec4f(-0.09105003625154495), vec4f(0.0), one);
  let v8 = select(vec4f(0.07958029955625534), vec4f(0.16093020141124725), one);
  let v10 = select(vec4f(0.24611230194568634), vec4f(0.33791524171829224), one);
  let v12 = select(vec4f(0.44070982933044434), vec4f(0.5626170039176941), one);
  let v14 = select(vec4f(0.7229568362236023), vec4f(1.0), one);
  let low = select(select(v0, v2, two), select(v4, v6, two), four);
  return select(low, select(select(v8, v10, two), select(v12, v14, two), four), eight);
//: else
  let v0 = select(vec4f(0.0), vec4f(0.005208333333), one);
  let v2 = select(vec4f(0.66666667), vec4f(1.0), one);
  let v4 = select(vec4f(0.33333333), vec4f(0.5), one);
  let v6 = select(vec4f(0.16666667), vec4f(0.25), one);
  let size = select(select(v0, v2, two), select(v4, v6, two), four);
  return select(size, -size, eight);
//: end
}

fn maximum(i: u32) -> f32 {
  let block = (i + ${B_ROW * B_LINE}u) / ${BLOCK}u;
//: if NESTED
  let code = (maxima[block / 4u] >> (block % 4u * 8u)) & 255u;
  return nested[code] * nested[257u + block / 256u] + nested[256];
//: else
  return maxima[block];
//: end
}

//: if B_VECTOR
fn decode(line: u32, at: u32) -> vec4f {
  let i = line * ${B_LINE}u + at;
  let bytes = b[i / 8u] >> ((i % 8u) * 4u);
  return book((vec4u(bytes) >> vec4u(4u, 0u, 12u, 8u)) & vec4u(15u)) * maximum(i);
}
//: else
fn decode(line: u32, at: u32) -> f32 {
  let i = line * ${B_LINE}u + at;
  let code = (b[i / 8u] >> (((i % 8u) ^ 1u) * 4u)) & 15u;
  return book(vec4u(code)).x * maximum(i);
}
//: end
//: else if B_TYPE == "int8"
// 8 bits (LLM.int8's weights): value = code · maximum of the row / 127; codes are signed bytes.
fn scale(line: u32) -> f32 { return maxima[line + ${B_ROW}u] * 0.007874015718698502; }

//: if B_VECTOR
fn decode(line: u32, at: u32) -> vec4f {
  let word = bitcast<i32>(b[(line * ${B_LINE}u + at) / 4u]);
  return vec4f((vec4i(word) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u)) * scale(line);
}
//: else
fn decode(line: u32, at: u32) -> f32 {
  let i = line * ${B_LINE}u + at;
  return f32((bitcast<i32>(b[i / 4u]) << (24u - i % 4u * 8u)) >> 24u) * scale(line);
}
//: end
//: else if B_TYPE == "grouped"
// GPTQ and AWQ: value = (code − zero) · scale of the element's group. A row is a stream of BITS-bit
// codes, low bits first. A word of `scales` has the scale (16 bits, low) and the zero (high).
fn group_of(at: u32) -> u32 {
//: if ORDERED
  return groups[at];
//: else
  return at / ${GROUP}u;
//: end
}

fn scale_of(word: u32) -> f32 {
//: if SCALES == "f16"
  return unpack2x16float(word).x;
//: else
  return bitcast<f32>(word << 16u);
//: end
}

// The bits of a row from element `at` on: as many as `decode` takes.
fn stream(line: u32, at: u32) -> u32 {
  let bit = at * ${BITS}u;
  let word = line * ${WORDS}u + bit / 32u;
//: if BITS == 3
  var bits = b[word] >> (bit % 32u);
  if (bit % 32u > ${32 - TAKEN}u) { bits |= b[word + 1u] << (32u - bit % 32u); }
  return bits;
//: else
  return b[word] >> (bit % 32u);
//: end
}

//: if B_VECTOR
fn decode(line: u32, at: u32) -> vec4f {
  let first = (line + ${B_ROW}u) * ${GROUPS}u;
  let codes = (vec4u(stream(line, at)) >> vec4u(0u, ${BITS}u, ${2 * BITS}u, ${3 * BITS}u)) &
    vec4u(${MASK}u);
//: if !ORDERED && GROUP % 4 == 0
  let word = scales[first + group_of(at)];
  return vec4f(vec4i(codes) - vec4i(i32(word >> 16u))) * scale_of(word);
//: else
  let words = vec4u(scales[first + group_of(at)], scales[first + group_of(at + 1u)],
                    scales[first + group_of(at + 2u)], scales[first + group_of(at + 3u)]);
  return vec4f(vec4i(codes) - vec4i(words >> vec4u(16u))) *
    vec4f(scale_of(words.x), scale_of(words.y), scale_of(words.z), scale_of(words.w));
//: end
}
//: else
fn decode(line: u32, at: u32) -> f32 {
  let word = scales[(line + ${B_ROW}u) * ${GROUPS}u + group_of(at)];
  return f32(i32(stream(line, at) & ${MASK}u) - i32(word >> 16u)) * scale_of(word);
}
//: end
//: else if B_VECTOR
fn decode(line: u32, at: u32) -> vec4f {
  let i = line * ${B_LINE}u + at;
//: if B_TYPE == "bf16"
  let pairs = b[i / 4u];
  return bitcast<vec4f>(vec4u(pairs.x << 16u, pairs.x & 0xffff0000u,
                              pairs.y << 16u, pairs.y & 0xffff0000u));
//: else
  return vec4f(b[i / 4u]);
//: end
}
//: else
fn decode(line: u32, at: u32) -> f32 {
  let i = line * ${B_LINE}u + at;
//: if B_TYPE == "bf16"
  let pair = b[i / 2u];
  return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, (i & 1u) == 1u));
//: else
  return f32(b[i]);
//: end
}
//: end
