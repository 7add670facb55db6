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

$DECODERS

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
