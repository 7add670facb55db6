// Matrix product.
//
//   C[m, n]  =  alpha · Σ_k A'[m, k] · B'[k, n]  [+ bias[n]]  [+ C[m, n]]
//
// Shapes   A [M, K], or [K, M] when A_T; B [K, N], or [N, K] when B_T (as the weight of a linear
//          layer is stored); bias [N]; C [M, N].   M rows, N columns, K summed.
//          A and C may be ranges of wider matrices: they start at A_OFFSET, C_OFFSET, and their
//          lines are LDA, LDC apart.
// Dtypes   A f32; B f32, f16, or bf16 two to a u32, the even one low, or quantized (`decode` below;
//          only as a weight [N, K] or, not B_T, the same weight summed over its rows);
//          f32 accumulated; C f32.
// Writes   overwrites C; adds to it where ACCUMULATE is set.
// Order    each sum is one chain of fma over rising k, so every tile gives the same bits.
// Grid     x: tiles of M, above 65535 continued in z; y: tiles of N. A workgroup is
//          LANES_M·LANES_N threads, each with ROWS·COLUMNS elements of C.
//          STAGED: the tiles of A and B go through workgroup memory, DEPTH of K at a time (GPUs).
//          Else each thread reads them itself: on a CPU adapter workgroup memory costs as much as
//          any other, and only reuse in registers pays.
// Limits   STAGED: 4·DEPTH·(LANES_M·ROWS + LANES_N·COLUMNS) bytes of workgroup memory, tiles of
//          multiples of 32, ROWS of 4 (also when A_T); COLUMNS of 4. f16 needs shader-f16.
// Source   Volkov & Demmel 2008, "Benchmarking GPUs to tune dense linear algebra".

//: if B_TYPE == "f16"
enable f16;
//: end

//: if A_VECTOR
@group(0) @binding(0) var<storage, read> a: array<vec4f>;
//: else
@group(0) @binding(0) var<storage, read> a: array<f32>;
//: end
@group(0) @binding(1) var<storage, read> b: array<$B_STORED>;
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
//: if BIAS
@group(0) @binding(${2 + B_PARTS}) var<storage, read> bias: array<f32>;
//: end
//: if C_VECTOR
@group(0) @binding(${2 + B_PARTS + BIAS}) var<storage, read_write> c: array<vec4f>;
//: else
@group(0) @binding(${2 + B_PARTS + BIAS}) var<storage, read_write> c: array<f32>;
//: end

// Four elements of a line of A as stored, from `at` on (a multiple of 4). Elements past the end of
// the line are 0, so that K may end inside a vector or a tile.
fn fetch_a(line: u32, at: u32) -> vec4f {
//: if A_VECTOR && !A_PAST
  return a[(line * ${LDA}u + at + ${A_OFFSET}u) / 4u];
//: else if A_VECTOR
  let i = line * ${LDA}u + min(at, ${A_LINE - 4}u) + ${A_OFFSET}u;
  return select(vec4f(), a[i / 4u], at < ${A_LINE}u);
//: else
  let i = line * ${LDA}u + ${A_OFFSET}u;
  var v = vec4f();
//: for q in 0..4
  if (at + ${q}u < ${A_LINE}u) { v[$q] = a[i + at + ${q}u]; }
//: end
  return v;
//: end
}

// DECODERS. B as stored: the element at column `at` of line `line`, or the four from there on when
// B_VECTOR (then `at` is a multiple of 4). A new format is a new `decode`; a quantized one has a form
// for one element and one for four, and shares what follows between them.

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

fn fetch_b(line: u32, at: u32) -> vec4f {
//: if B_VECTOR && !B_PAST
  return decode(line, at);
//: else if B_VECTOR
  return select(vec4f(), decode(line, min(at, ${B_LINE - 4}u)), at < ${B_LINE}u);
//: else
  var v = vec4f();
//: for q in 0..4
  if (at + ${q}u < ${B_LINE}u) { v[$q] = decode(line, at + ${q}u); }
//: end
  return v;
//: end
}

fn put(row: u32, column: u32, sum: vec4f) {
//: if M_GUARD
  if (row >= ${M}u) { return; }
//: end
  let at = row * ${LDC}u + column + ${C_OFFSET}u;
//: if C_VECTOR
//: if N_GUARD
  if (column >= ${N}u) { return; }
//: end
  var v = vec4f();
//: if BIAS
  v += vec4f(bias[column], bias[column + 1u], bias[column + 2u], bias[column + 3u]);
//: end
//: if ACCUMULATE
  v += c[at / 4u];
//: end
  c[at / 4u] = fma(sum, vec4f($ALPHA), v);
//: else
//: for q in 0..4
  if (column + ${q}u < ${N}u) {
    var v = 0.0;
//: if BIAS
    v += bias[column + ${q}u];
//: end
//: if ACCUMULATE
    v += c[at + ${q}u];
//: end
    c[at + ${q}u] = fma(sum[$q], $ALPHA, v);
  }
//: end
//: end
}

//: if STAGED
// One vec4f holds four rows (or columns) of one k. The `^` exchanges vectors within groups of eight
// by their k, so that the writes of turned blocks go to different banks, without padding.
var<workgroup> tile_a: array<vec4f, ${DEPTH * TILE_M / 4}>;
var<workgroup> tile_b: array<vec4f, ${DEPTH * TILE_N / 4}>;
//: end

@compute @workgroup_size(${LANES_M * LANES_N})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first_row = (group.x + group.z * 65535u) * ${TILE_M}u;
  let first_column = group.y * ${TILE_N}u;
//: if LANES_N == 1
  let lane_m = lane;
  let lane_n = 0u;
//: else if LANES_M == 1
  let lane_m = 0u;
  let lane_n = lane;
//: else if STAGED
  let lane_m = lane / ${LANES_N}u;
  let lane_n = lane % ${LANES_N}u;
//: else
  let lane_m = lane % ${LANES_M}u;
  let lane_n = lane / ${LANES_M}u;
//: end
//: for i in 0..ROWS
//: if QUAD_ROWS
  let row_$i = first_row + (lane_m + ${i / 4 * LANES_M}u) * 4u + ${i % 4}u;
//: else
  let row_$i = first_row + lane_m + ${i * LANES_M}u;
//: end
//: end
//: for j in 0..COLUMNS / 4
  let column_$j = first_column + (lane_n + ${j * LANES_N}u) * 4u;
//: end
//: for i in 0..ROWS
//: for j in 0..COLUMNS / 4
  var c_${i}_$j = vec4f();
//: end
//: end

//: if STAGED
  for (var k = 0u; k < ${K}u; k += ${DEPTH}u) {
//: for operand in 0..2
//: for round in 0..LOADS_A * (1 - operand) + LOADS_B * operand
    {
      let item = lane + ${round * LANES_M * LANES_N}u;
//: if operand == 0 && A_T || operand == 1 && !B_T
      // Lines run along the tile: a vector goes as it is.
//: if operand == 0
//: if ITEMS_A % (LANES_M * LANES_N) != 0
      if (item < ${ITEMS_A}u) {
//: else
      {
//: end
        let depth = item / ${TILE_M / 4}u;
        let quad = item % ${TILE_M / 4}u;
        let at = depth * ${TILE_M / 4}u + (quad ^ (depth / 4u % 4u * 2u));
//: if K % DEPTH != 0
        tile_a[at] = select(vec4f(), fetch_a(min(k + depth, ${K - 1}u), first_row + quad * 4u),
                            k + depth < ${K}u);
//: else
        tile_a[at] = fetch_a(k + depth, first_row + quad * 4u);
//: end
      }
//: else
//: if ITEMS_B % (LANES_M * LANES_N) != 0
      if (item < ${ITEMS_B}u) {
//: else
      {
//: end
        let depth = item / ${TILE_N / 4}u;
        let quad = item % ${TILE_N / 4}u;
        let at = depth * ${TILE_N / 4}u + (quad ^ (depth / 4u % 4u * 2u));
//: if K % DEPTH != 0
        tile_b[at] = select(vec4f(), fetch_b(min(k + depth, ${K - 1}u), first_column + quad * 4u),
                            k + depth < ${K}u);
//: else
        tile_b[at] = fetch_b(k + depth, first_column + quad * 4u);
//: end
      }
//: end
//: else
      // Lines run along k: a block of 4 x 4 is turned in registers.
//: if operand == 0
//: if ITEMS_A % (LANES_M * LANES_N) != 0
      if (item < ${ITEMS_A}u) {
//: else
      {
//: end
        let depth = item % ${DEPTH / 4}u * 4u;
        let quad = item / ${DEPTH / 4}u;
//: for q in 0..4
        let v$q = fetch_a(min(first_row + quad * 4u + ${q}u, ${M - 1}u), k + depth);
//: end
        let at = depth * ${TILE_M / 4}u + (quad ^ (depth / 4u % 4u * 2u));
//: for q in 0..4
        tile_a[at + ${q * TILE_M / 4}u] = vec4f(v0[$q], v1[$q], v2[$q], v3[$q]);
//: end
      }
//: else
//: if ITEMS_B % (LANES_M * LANES_N) != 0
      if (item < ${ITEMS_B}u) {
//: else
      {
//: end
        let depth = item % ${DEPTH / 4}u * 4u;
        let quad = item / ${DEPTH / 4}u;
//: for q in 0..4
        let v$q = fetch_b(min(first_column + quad * 4u + ${q}u, ${N - 1}u), k + depth);
//: end
        let at = depth * ${TILE_N / 4}u + (quad ^ (depth / 4u % 4u * 2u));
//: for q in 0..4
        tile_b[at + ${q * TILE_N / 4}u] = vec4f(v0[$q], v1[$q], v2[$q], v3[$q]);
//: end
      }
//: end
//: end
    }
//: end
//: end
    workgroupBarrier();
//: for d in 0..DEPTH
    {
//: for i in 0..ROWS / 4
      let a_$i = tile_a[${d * TILE_M / 4}u + ((lane_m + ${i * LANES_M}u) ^ ${d / 4 % 4 * 2}u)];
//: end
//: for j in 0..COLUMNS / 4
      let b_$j = tile_b[${d * TILE_N / 4}u + ((lane_n + ${j * LANES_N}u) ^ ${d / 4 % 4 * 2}u)];
//: for i in 0..ROWS
      c_${i}_$j = fma(vec4f(a_${i / 4}[${i % 4}]), b_$j, c_${i}_$j);
//: end
//: end
    }
//: end
    workgroupBarrier();
  }
//: else
  // Clamped rows and columns are computed and not stored.
  for (var k = 0u; k < ${K}u; k += 4u) {
//: if A_T
//: for i in 0..ROWS / 4
//: for q in 0..4
//: if K % 4 != 0
    let a_${i}_$q = select(vec4f(), fetch_a(min(k + ${q}u, ${K - 1}u), row_${i * 4}),
                       k + ${q}u < ${K}u);
//: else
    let a_${i}_$q = fetch_a(k + ${q}u, row_${i * 4});
//: end
//: end
//: end
//: else
//: for i in 0..ROWS
//: if M_GUARD
    let a_$i = fetch_a(min(row_$i, ${M - 1}u), k);
//: else
    let a_$i = fetch_a(row_$i, k);
//: end
//: end
//: end
//: for j in 0..COLUMNS / 4
    {
//: for q in 0..4
//: if B_T && N_GUARD
      let v$q = fetch_b(min(column_$j + ${q}u, ${N - 1}u), k);
//: else if B_T
      let v$q = fetch_b(column_$j + ${q}u, k);
//: else if K % 4 != 0
      let b$q = select(vec4f(), fetch_b(min(k + ${q}u, ${K - 1}u), column_$j), k + ${q}u < ${K}u);
//: else
      let b$q = fetch_b(k + ${q}u, column_$j);
//: end
//: end
//: if B_T
//: for q in 0..4
      let b$q = vec4f(v0[$q], v1[$q], v2[$q], v3[$q]);
//: end
//: end
//: for i in 0..ROWS
//: for q in 0..4
//: if A_T
      c_${i}_$j = fma(vec4f(a_${i / 4}_$q[${i % 4}]), b$q, c_${i}_$j);
//: else
      c_${i}_$j = fma(vec4f(a_$i[$q]), b$q, c_${i}_$j);
//: end
//: end
//: end
    }
//: end
  }
//: end

//: for i in 0..ROWS
//: for j in 0..COLUMNS / 4
  put(row_$i, column_$j, c_${i}_$j);
//: end
//: end
}
