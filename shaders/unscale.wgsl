// Takes the loss scale out of gradients, before they are clipped and used.
//
//   g_i = g_i · norm[2]        0 where norm[2] is 0: the step is skipped, the gradients thrown away
//
// Shapes   g [N] (one binding of a flat group); norm [3], see gradient_norm.wgsl.
// Dtypes   f32; exact but for gradients near the least f32, as the scale is a power of two.
// Writes   overwrites g.
// Grid     one thread to WIDTH elements, workgroup 64.

//: if WIDTH == 4
alias Value = vec4f;
//: else
alias Value = f32;
//: end

@group(0) @binding(0) var<storage, read> norm: array<f32, 3>;
@group(0) @binding(1) var<storage, read_write> g: array<Value, ${N / WIDTH}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${N / WIDTH}u) { return; }
  if (norm[2] == 0.0) {
    g[i] = Value(0.0);
  } else {
    g[i] *= norm[2];
  }
}
