// Clears a range of a gradient, so that some rows of a tensor stay as they are.
//
//   g_i = 0   for START <= i < END
//
// Shapes   g [N] (one binding).   Dtypes   f32.   Grid   one thread to an element, workgroup 64.

@group(0) @binding(0) var<storage, read_write> g: array<f32, $N>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local + ${START}u;
  if (i < ${END}u) { g[i] = 0.0; }
}
