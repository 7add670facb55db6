// Sum of two tensors: the residual stream, and gradients that meet.
//
//   c = a + b
//
// Shapes   a, b, c [N] elementwise.
// Dtypes   f32.
// Writes   overwrites c.
// Grid     one thread to WIDTH elements, workgroup 64.

//: if WIDTH == 4
alias Value = vec4f;
//: else
alias Value = f32;
//: end

@group(0) @binding(0) var<storage, read> a: array<Value, ${N / WIDTH}>;
@group(0) @binding(1) var<storage, read> b: array<Value, ${N / WIDTH}>;
@group(0) @binding(2) var<storage, read_write> c: array<Value, ${N / WIDTH}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${N / WIDTH}u) { return; }
  c[i] = a[i] + b[i];
}
