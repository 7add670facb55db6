// The global norm of all gradients, and the order to stop when something is not finite.
//
//   squares  p_w  = sum of g_i² over the elements i of workgroup w's stride
//   norm     norm = (sqrt(sum of all p), halted),   stats[slot].norm = norm
//            halted = 1 from the first step on whose loss or norm is not finite; every update
//            kernel then leaves values, state and gradients as they are, so that the host can
//            find the cause (src/train/diagnosis.ts).
//   SCALED   The gradients are S times too large, S = scaler[0], and norm is of them divided by S.
//            norm[2] = 1 / S is what they are to be multiplied with (1 when halted).
//            A norm that is not finite, of a finite loss, is taken for an overflow while S > 1: the
//            step is skipped (norm[1] = 1 this once, norm[2] = 0) and S halved. After INTERVAL steps
//            without, counted in scaler[1], S doubles. stats[slot].zw = (S, skipped).
//
// Shapes   g [N] (one binding of a flat group); p [P]; stats [SLOTS, 4], whose last row remembers
//          `halted`; norm [2], SCALED [3]; scaler [2].
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
//: if SCALED
@group(0) @binding(3) var<storage, read_write> norm: array<f32, 3>;
@group(0) @binding(4) var<storage, read_write> scaler: array<f32, 2>;
//: else
@group(0) @binding(3) var<storage, read_write> norm: array<f32, 2>;
//: end

// By its bits: a compiler may assume that no value is NaN.
fn finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }

@compute @workgroup_size(1)
fn main() {
  var sum = 0.0;
  for (var i = 0u; i < ${P}u; i++) { sum += p[i]; }
//: if SCALED
  let scale = scaler[0];
  let value = sqrt(sum) / scale;
//: else
  let value = sqrt(sum);
//: end
  let slot = step[$SLOT];
//: if SCALED
  stats[slot].z = scale;
  let halted = stats[${SLOTS - 1}].x != 0.0;
  if (!finite(sum) && finite(stats[slot].x) && scale > 1.0 && !halted) {
    stats[slot].w = 1.0;
    scaler[0] = 0.5 * scale;
    scaler[1] = 0.0;
    norm[0] = 0.0;
    norm[1] = 1.0;
    norm[2] = 0.0;
    return;
  }
//: end
  stats[slot].y = value;
  if (!finite(sum) || !finite(stats[slot].x)) { stats[${SLOTS - 1}].x = 1.0; }
  norm[0] = value;
  norm[1] = stats[${SLOTS - 1}].x;
//: if SCALED
  norm[2] = select(1.0 / scale, 1.0, norm[1] != 0.0);
  if (norm[1] != 0.0) { return; }
  scaler[1] += 1.0;
  if (scaler[1] == $INTERVAL.0) {
    scaler[0] = min(2.0 * scale, ${LARGEST}); // where the next doubling would leave f32
    scaler[1] = 0.0;
  }
//: end
}
//: end
