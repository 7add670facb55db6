// NEFTune: uniform noise on the embeddings of a training batch; the gradient passes through.
//
//   y_i = x_i + SIZE · (2·r_i − 1),   r_i = (word >> 8) / 2²⁴ in [0, 1) of
//   philox(counter = (i / 4, 0, micro step, 1), key = seed), word i mod 4
//
// Shapes   x, y [N]; step: the step's scalars (see src/graph/step_scalars.ts).
// Dtypes   f32; one rounding.
// Writes   overwrites y.
// Grid     one thread to four elements, workgroup 64.
// Needs    philox.wgsl in front.
// Source   Jain et al. 2023, arXiv:2310.05914, algorithm 1; SIZE = α / sqrt(T·C).

@group(0) @binding(0) var<storage, read> x: array<f32, $N>;
@group(0) @binding(1) var<storage, read> step: array<u32, $STEP_WORDS>;
@group(0) @binding(2) var<storage, read_write> y: array<f32, $N>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let quad = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  let first = quad * 4u;
  if (first >= ${N}u) { return; }
  let counter = vec4u(quad, 0u, step[$MICRO_STEP], 1u);
  let words = philox(counter, vec2u(step[$SEED_LOW], step[$SEED_HIGH]));
//: for i in 0..4
  if (first + ${i}u < ${N}u) {
    let noise = f32(words[$i] >> 8u) * ${TWO_STEP} - 1.0;
    y[first + ${i}u] = fma($SIZE, noise, x[first + ${i}u]);
  }
//: end
}
