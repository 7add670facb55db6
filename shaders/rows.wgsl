// Moving whole rows.
//
//   gather  y_r = x_{index_r}
//   cache   cache_{b·S + position_m} = x_m       for row m of batch row b = m / T
//
// Shapes   x [M, C]; index [R] u32, y [R, C]; positions [M] u32, cache [B·S, C].
// Dtypes   f32.
// Writes   overwrites the rows named; positions at or past S are left out.
// Grid     one thread to an element, workgroup 64.

@group(0) @binding(0) var<storage, read> x: array<f32, ${M * C}>;
@group(0) @binding(1) var<storage, read> rows: array<u32, $R>;
@group(0) @binding(2) var<storage, read_write> y: array<f32, $OUT>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${R * C}u) { return; }
  let r = i / ${C}u;
//: if KERNEL == "gather"
  y[i] = x[rows[r] * ${C}u + i % ${C}u];
//: else
  if (rows[r] < ${S}u) {
    y[(r / ${T}u * ${S}u + rows[r]) * ${C}u + i % ${C}u] = x[i];
  }
//: end
}
