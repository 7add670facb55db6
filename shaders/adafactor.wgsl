// Adafactor: the second moment of a matrix as the product of a row and a column vector.
//
//   g = g_ij · clip throughout,  b = 1 − n^−0.8
//   rows     r_i = b·r_i + (1 − b)·(mean_j g² + ε)
//   columns  p_kj = sum of g² over the CHUNK rows of chunk k
//   finish   c_j = b·c_j + (1 − b)·(sum_k p_kj / R + ε)
//   mean     found.x = mean_i r_i
//   squares  s_w = sum of u² over workgroup w's stride,  u = g / (sqrt(r_i / found.x)·sqrt(c_j))
//   vector   for a vector: v = b·v + (1 − b)·(g² + ε), s_w of u = g / sqrt(v)
//   total    found.y = rate / max(1, sqrt(sum of s / (R·C)))
//   apply    θ −= rate·λ·θ;   θ −= found.y·u;   g = 0
//
// Shapes   g, θ [ROWS, C], rows ROW .. of [R, C]; a vector is one row with r unused and c for v;
//          r [R]; c [C]; p [CHUNKS, C]; s [S]; found [2]; scalars: rate, b, 1 − b; norm [2].
// Dtypes   f32; all sums in a fixed order.
// Writes   as said; the state and θ are left alone when the run was halted (norm[1]).
// Grid     rows: a workgroup of 64 to a row; columns: one thread to a column of a chunk; finish:
//          one to a column; squares, vector: PARTS workgroups; mean, total: one workgroup;
//          apply: one thread to an element.
// Source   Shazeer & Stern 2018, arXiv:1804.04235, algorithms 4 and 5, as in transformers with
//          scale_parameter and relative_step off.

@group(0) @binding(0) var<storage, read> norm: array<f32, 2>;
@group(0) @binding(1) var<storage, read> scalars: array<f32, $SCALARS>;
@group(0) @binding(2) var<storage, read_write> g: array<f32, ${ROWS * C}>;
@group(0) @binding(3) var<storage, read_write> r: array<f32, $RBOUND>;
@group(0) @binding(4) var<storage, read_write> c: array<f32, $C>;
@group(0) @binding(5) var<storage, read_write> p: array<f32, $P>;
@group(0) @binding(6) var<storage, read_write> found: array<f32, 2>;
@group(0) @binding(7) var<storage, read_write> theta: array<f32, ${ROWS * C}>;
var<workgroup> sums: array<f32, 64>;

fn gradient(i: u32) -> f32 {
//: if CLIP
  return g[i] * min(1.0, $MAX_NORM / (norm[0] + 1.0e-6));
//: else
  return g[i];
//: end
}

fn change(i: u32) -> f32 {
//: if VECTOR
  return gradient(i) / sqrt(c[i]);
//: else
  return gradient(i) * (1.0 / sqrt(r[i / ${C}u] / found[0])) * (1.0 / sqrt(c[i % ${C}u]));
//: end
}

// Sum over the workgroup, in the first thread.
fn sum_up(local: u32, value: f32) -> f32 {
  sums[local] = value;
  workgroupBarrier();
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    if (local < stride) { sums[local] += sums[local + stride]; }
    workgroupBarrier();
  }
  return sums[0];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let running = norm[1] == 0.0;
  let b = scalars[${FIRST + 1}];
  let rest = scalars[${FIRST + 2}];
//: if KERNEL == "rows"
  let row = group.y * ${GROUPS_X}u + group.x;
  var sum = 0.0;
  if (row < ${ROWS}u) {
    for (var j = local; j < ${C}u; j += 64u) {
      let x = gradient(row * ${C}u + j);
      sum = fma(x, x, sum);
    }
  }
  let square = sum_up(local, sum) / f32($C) + 1.0e-30;
  if (local == 0u && row < ${ROWS}u && running) { r[row] = fma(rest, square, b * r[row]); }
//: else if KERNEL == "columns"
  let j = group.x * 64u + local;
  if (j >= ${C}u) { return; }
  var sum = 0.0;
  let end = min(${ROWS}u, (group.y + 1u) * ${CHUNK}u);
  for (var i = group.y * ${CHUNK}u; i < end; i++) {
    let x = gradient(i * ${C}u + j);
    sum = fma(x, x, sum);
  }
  p[(${OFFSET}u + group.y) * ${C}u + j] = sum;
//: else if KERNEL == "finish"
  let j = group.x * 64u + local;
  if (j >= ${C}u || !running) { return; }
  var sum = 0.0;
  for (var k = 0u; k < ${CHUNKS}u; k++) { sum += p[k * ${C}u + j]; }
  c[j] = fma(rest, sum / f32($R) + 1.0e-30, b * c[j]);
//: else if KERNEL == "mean"
  var sum = 0.0;
  for (var i = local; i < ${R}u; i += 64u) { sum += r[i]; }
  let whole = sum_up(local, sum);
  if (local == 0u) { found[0] = whole / f32($R); }
//: else if KERNEL == "squares" || KERNEL == "vector"
  var sum = 0.0;
  for (var i = group.x * 64u + local; i < ${ROWS * C}u; i += ${PARTS * 64}u) {
//: if KERNEL == "vector"
    let x = gradient(i);
    if (running) { c[i] = fma(rest, fma(x, x, 1.0e-30), b * c[i]); }
//: end
    let u = change(i);
    sum = fma(u, u, sum);
  }
  let whole = sum_up(local, sum);
  if (local == 0u) { p[${OFFSET}u + group.x] = whole; }
//: else if KERNEL == "total"
  var sum = 0.0;
  for (var i = local; i < ${COUNT}u; i += 64u) { sum += p[i]; }
  let whole = sum_up(local, sum);
  if (local == 0u) { found[1] = scalars[$FIRST] / max(1.0, sqrt(whole / f32(${R * C}))); }
//: else
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${ROWS * C}u || !running) { return; }
  let value = fma(-scalars[$FIRST] * $WEIGHT_DECAY, theta[i], theta[i]);
  theta[i] = fma(-found[1], change(i), value);
  g[i] = 0.0;
//: end
}
