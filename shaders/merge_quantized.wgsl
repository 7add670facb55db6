// A low-rank product added to a piece of a quantized weight (ReLoRA), as floats: the quantizing
// kernels make codes of them again.
//
//   x_i = W_nk + s · sum_r B_nr · A_rk     with n·K + k = FIRST + i
//
// Shapes   W [N, K] in its parts, codes bound from element FIRST on; A [R, K]; B [N, R]; x [COUNT].
//          LINE divides FIRST; decode.wgsl counts lines of so many elements.   R rank.
// Dtypes   W as decode.wgsl has it; else f32.
// Writes   overwrites x. Sums in rising r.
// Grid     one thread to an element, workgroup 64.
// Source   Lialin et al. 2023, arXiv:2307.05695, section 3.

@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
$DECODERS
@group(0) @binding(${2 + PARTS}) var<storage, read> down: array<f32, ${R * COLUMNS}>;
@group(0) @binding(${3 + PARTS}) var<storage, read> up: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${COUNT}u) { return; }
  let row = (i + ${FIRST}u) / ${COLUMNS}u;
  let column = (i + ${FIRST}u) % ${COLUMNS}u;
  var sum = 0.0;
  for (var r = 0u; r < ${R}u; r++) {
    sum += up[row * ${R}u + r] * down[r * ${COLUMNS}u + column];
  }
  x[i] = decode(i / ${LINE}u, i % ${LINE}u) + $SCALE * sum;
}
