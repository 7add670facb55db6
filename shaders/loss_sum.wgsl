// Adds the losses of a batch to the statistics of its step.
//
//   stats[slot].x += scale · sum_m loss_m        scale = step.loss_scale
//
// Shapes   loss [M]; stats [SLOTS, 4] (loss, gradient norm, unused, unused).
// Dtypes   f32, in rising m by stride, then a tree: a fixed order.
// Grid     one workgroup of 64.

@group(0) @binding(0) var<storage, read> loss: array<f32, $M>;
@group(0) @binding(1) var<storage, read> step: array<u32, $STEP_WORDS>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec4f, $SLOTS>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var m = local; m < ${M}u; m += 64u) { sum += loss[m]; }
  sums[local] = sum;
  workgroupBarrier();
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    if (local < stride) { sums[local] += sums[local + stride]; }
    workgroupBarrier();
  }
  if (local == 0u) { stats[step[$SLOT]].x += bitcast<f32>(step[$LOSS_SCALE]) * sums[0]; }
}
