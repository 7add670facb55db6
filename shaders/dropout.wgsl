// Inverted dropout; the backward pass is the same kernel on the gradient, since the mask is drawn
// again from its counter.
//
//   y_i = x_i · keep_i / (1 − p),   keep_i = (r_i >= p),   r_i = word / 2³² of
//   philox(counter = (i / 4, SALT, micro step, 0), key = seed), word i mod 4
//
// Shapes   x, y [N]; step: the step's scalars (see src/graph/step_scalars.ts).
// Dtypes   f32.
// Writes   overwrites y.
// Grid     one thread to four elements, workgroup 64.
// Needs    philox.wgsl in front.
// Source   Srivastava et al. 2014, JMLR 15, section 4.

@group(0) @binding(0) var<storage, read> x: array<f32, $N>;
@group(0) @binding(1) var<storage, read> step: array<u32, $STEP_WORDS>;
@group(0) @binding(2) var<storage, read_write> y: array<f32, $N>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let quad = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  let first = quad * 4u;
  if (first >= ${N}u) { return; }
  let counter = vec4u(quad, ${SALT}u, step[$MICRO_STEP], 0u);
  let words = philox(counter, vec2u(step[$SEED_LOW], step[$SEED_HIGH]));
//: for i in 0..4
  if (first + ${i}u < ${N}u) {
    y[first + ${i}u] = select(0.0, x[first + ${i}u] * $SCALE, words[$i] >= ${THRESHOLD}u);
  }
//: end
}
