// The global norm of all gradients, and the order to stop when something is not finite.
//
//   squares  p_w  = sum of g_i² over the elements i of workgroup w's stride
//   norm     norm = (sqrt(sum of all p), halted),   stats[slot].norm = norm
//            halted = 1 from the first step on whose loss or norm is not finite; every update
//            kernel then leaves values, state and gradients as they are, so that the host can
//            find the cause (src/train/diagnosis.ts).
//
// Shapes   g [N] (one binding of a flat group); p [P]; stats [SLOTS, 4], whose last row remembers
//          `halted`; norm [2].
// Dtypes   f32; partial sums in a fixed order, so that the norm has the same bits every time.
// Grid     squares: PARTS workgroups of 64 threads; norm: one thread.

//: if KERNEL == "squares"
@group(0) @binding(0) var<storage, read> g: array<f32, $N>;
@group(0) @binding(1) var<storage, read_write> p: array<f32, $P>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var i = group.x * 64u + local; i < ${N}u; i += ${PARTS * 64}u) { sum = fma(g[i], g[i], sum); }
  sums[local] = sum;
  workgroupBarrier();
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    if (local < stride) { sums[local] += sums[local + stride]; }
    workgroupBarrier();
  }
  if (local == 0u) { p[${OFFSET}u + group.x] = sums[0]; }
}
//: else
@group(0) @binding(0) var<storage, read> p: array<f32, $P>;
@group(0) @binding(1) var<storage, read> step: array<u32, $STEP_WORDS>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec4f, $SLOTS>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32, 2>;

// By its bits: a compiler may assume that no value is NaN.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(1)
fn main() {
  var sum = 0.0;
  for (var i = 0u; i < ${P}u; i++) { sum += p[i]; }
  let value = sqrt(sum);
  let slot = step[$SLOT];
  stats[slot].y = value;
  if (!finite(sum) || !finite(stats[slot].x)) { stats[${SLOTS - 1}].x = 1.0; }
  norm[0] = value;
  norm[1] = stats[${SLOTS - 1}].x;
}
//: end
