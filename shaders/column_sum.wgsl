// Column sums, added to a gradient: bias gradients and the last step of norm-weight gradients.
//
//   parts   p_sc  = sum of x_mc over the rows m of chunk s
//   finish  d_c  += sum_s p_sc
//
// Shapes   x [M, C]; p [S, C]; d [C].   S chunks of CHUNK rows.
// Dtypes   f32 throughout.
// Writes   overwrites p, adds to d. Rows and chunks are summed in rising order.
// Grid     one thread to a column (and chunk), workgroup 64.

@group(0) @binding(0) var<storage, read> x: array<f32, ${M * C}>;
@group(0) @binding(1) var<storage, read_write> d: array<f32, $OUT>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let c = group.x * 64u + local;
  if (c >= ${C}u) { return; }
  let first = group.y * ${CHUNK}u;
  let last = min(first + ${CHUNK}u, ${M}u);
  var sum = 0.0;
  for (var m = first; m < last; m++) { sum += x[m * ${C}u + c]; }
//: if FINISH
  d[c] += sum;
//: else
  d[group.y * ${C}u + c] = sum;
//: end
}
