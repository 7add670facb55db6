// Root mean square normalisation.
//
//   forward   rstd_m = 1 / sqrt(mean_c x_mc² + eps)        y_mc = x_mc · rstd_m · w_c
//   backward  dx_mc  = rstd_m · (w_c·dy_mc − x̂_mc · mean_c(w_c·dy_mc·x̂_mc)) [+ partial_mc]
//             with x̂ = x · rstd
//   weight    s_mc   = dy_mc · x_mc · rstd_m, whose column sum is dw (see column_sum.wgsl)
//
// Shapes   x, y, dy, dx, partial, s [M, C]; w [C]; rstd [M].   M rows, C model width.
// Dtypes   f32 in, f32 accumulated, f32 out.
// Writes   overwrites y, rstd, dx, s; `partial` is added to dx where ADD is set.
// Grid     LANES threads share a row, ROWS rows to a workgroup of LANES·ROWS threads.
// Limits   C must be a multiple of WIDTH (1 or 4).
// Source   Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4.

//: if WIDTH == 4
alias Value = vec4f;
fn total(v: Value) -> f32 { return (v.x + v.y) + (v.z + v.w); }
//: else
alias Value = f32;
fn total(v: Value) -> f32 { return v; }
//: end

const columns = ${C / WIDTH}u;

//: if KERNEL == "forward"
@group(0) @binding(0) var<storage, read> x: array<Value, ${M * C / WIDTH}>;
@group(0) @binding(1) var<storage, read> w: array<Value, ${C / WIDTH}>;
@group(0) @binding(2) var<storage, read_write> y: array<Value, ${M * C / WIDTH}>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32, $M>;
//: else if KERNEL == "backward"
@group(0) @binding(0) var<storage, read> x: array<Value, ${M * C / WIDTH}>;
@group(0) @binding(1) var<storage, read> w: array<Value, ${C / WIDTH}>;
@group(0) @binding(2) var<storage, read> rstd: array<f32, $M>;
@group(0) @binding(3) var<storage, read> dy: array<Value, ${M * C / WIDTH}>;
//: if ADD
@group(0) @binding(4) var<storage, read> partial_dx: array<Value, ${M * C / WIDTH}>;
@group(0) @binding(5) var<storage, read_write> dx: array<Value, ${M * C / WIDTH}>;
//: else
@group(0) @binding(4) var<storage, read_write> dx: array<Value, ${M * C / WIDTH}>;
//: end
//: else
@group(0) @binding(0) var<storage, read> x: array<Value, ${M * C / WIDTH}>;
@group(0) @binding(1) var<storage, read> rstd: array<f32, $M>;
@group(0) @binding(2) var<storage, read> dy: array<Value, ${M * C / WIDTH}>;
@group(0) @binding(3) var<storage, read_write> s: array<Value, ${M * C / WIDTH}>;
//: end

//: if LANES > 1
var<workgroup> sums: array<f32, ${LANES * ROWS}>;

fn across_lanes(value: f32, local: u32) -> f32 {
  let lane = local % ${LANES}u;
  sums[local] = value;
  workgroupBarrier();
  for (var stride = ${LANES / 2}u; stride > 0u; stride >>= 1u) {
    if (lane < stride) { sums[local] += sums[local + stride]; }
    workgroupBarrier();
  }
  let result = sums[local - lane];
  workgroupBarrier();
  return result;
}
//: else
fn across_lanes(value: f32, local: u32) -> f32 { return value; }
//: end

@compute @workgroup_size(${LANES * ROWS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let lane = local % ${LANES}u;
  let row = (group.y * ${GROUPS_X}u + group.x) * ${ROWS}u + local / ${LANES}u;
  // Rows past the end take part in the barriers and write nothing.
  let inside = row < ${M}u;
  let m = min(row, ${M - 1}u);
  let base = m * columns;

//: if KERNEL == "forward"
  var squares = 0.0;
  for (var c = lane; c < columns; c += ${LANES}u) {
    let value = x[base + c];
    squares += total(value * value);
  }
  let r = 1.0 / sqrt(across_lanes(squares, local) / ${C}.0 + $EPS);
  if (inside) {
    if (lane == 0u) { rstd[m] = r; }
    for (var c = lane; c < columns; c += ${LANES}u) {
      y[base + c] = x[base + c] * r * w[c];
    }
  }
//: else if KERNEL == "backward"
  let r = rstd[m];
  var products = 0.0;
  for (var c = lane; c < columns; c += ${LANES}u) {
    products += total(w[c] * dy[base + c] * x[base + c]);
  }
  let mean = across_lanes(products, local) * r / ${C}.0;
  if (inside) {
    for (var c = lane; c < columns; c += ${LANES}u) {
      var value = r * (w[c] * dy[base + c] - x[base + c] * (r * mean));
//: if ADD
      value += partial_dx[base + c];
//: end
      dx[base + c] = value;
    }
  }
//: else
  let r = rstd[m];
  if (inside) {
    for (var c = lane; c < columns; c += ${LANES}u) {
      s[base + c] = dy[base + c] * x[base + c] * r;
    }
  }
//: end
}
