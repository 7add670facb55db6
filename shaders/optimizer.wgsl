// What happens once a step to all trained values: the global gradient norm, clipping, AdamW.
//
//   squares  p_w    = sum of g_i² over the elements i of workgroup w's stride
//   norm     norm   = sqrt(sum of all p)        stats[slot].norm = norm
//   adamw    g      = g_i · min(1, MAX_NORM / (norm + 1e-6))
//            θ_i   -= η·λ·θ_i
//            m_i    = β1·m_i + (1 − β1)·g        v_i = β2·v_i + (1 − β2)·g²
//            θ_i   -= (η / c1) · m_i / (sqrt(v_i) / sqrt(c2) + ε),   c1 = 1 − β1^n, c2 = 1 − β2^n
//            g_i    = 0, ready for the next step
//
// Shapes   g, θ, m, v [N] (one flat group of trained tensors); p [P]; stats [SLOTS, 4].
//          η learning rate, c1 and sqrt(c2) come with the step's scalars; λ, β, ε are literals.
// Dtypes   f32; partial sums in a fixed order, so that the norm has the same bits every time.
// Grid     squares: PARTS workgroups of 64 threads; norm: one thread; adamw: one thread to WIDTH.
// Source   Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, in PyTorch's order of operations.

//: if KERNEL == "squares"
@group(0) @binding(0) var<storage, read> g: array<f32, $N>;
@group(0) @binding(1) var<storage, read_write> p: array<f32, $P>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var i = group.x * 64u + local; i < ${N}u; i += ${PARTS * 64}u) { sum += g[i] * g[i]; }
  sums[local] = sum;
  workgroupBarrier();
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    if (local < stride) { sums[local] += sums[local + stride]; }
    workgroupBarrier();
  }
  if (local == 0u) { p[${OFFSET}u + group.x] = sums[0]; }
}
//: else if KERNEL == "norm"
@group(0) @binding(0) var<storage, read> p: array<f32, $P>;
@group(0) @binding(1) var<storage, read> step: array<u32, $STEP_WORDS>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec4f, $SLOTS>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32, 1>;

@compute @workgroup_size(1)
fn main() {
  var sum = 0.0;
  for (var i = 0u; i < ${P}u; i++) { sum += p[i]; }
  let value = sqrt(sum);
  norm[0] = value;
  stats[step[$SLOT]].y = value;
}
//: else
//: if WIDTH == 4
alias Value = vec4f;
//: else
alias Value = f32;
//: end
@group(0) @binding(0) var<storage, read> norm: array<f32, 1>;
@group(0) @binding(1) var<storage, read> step: array<u32, $STEP_WORDS>;
@group(0) @binding(2) var<storage, read_write> g: array<Value, ${N / WIDTH}>;
@group(0) @binding(3) var<storage, read_write> theta: array<Value, ${N / WIDTH}>;
@group(0) @binding(4) var<storage, read_write> m: array<Value, ${N / WIDTH}>;
@group(0) @binding(5) var<storage, read_write> v: array<Value, ${N / WIDTH}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${N / WIDTH}u) { return; }
  let rate = bitcast<f32>(step[$LEARNING_RATE]);
//: if CLIP
  let clip = min(1.0, $MAX_NORM / (norm[0] + 1.0e-6));
//: else
  let clip = 1.0;
//: end
  let gradient = g[i] * clip;
  let moment = $BETA1 * m[i] + $ONE_MINUS_BETA1 * gradient;
  let second = $BETA2 * v[i] + $ONE_MINUS_BETA2 * gradient * gradient;
  m[i] = moment;
  v[i] = second;
  let denominator = sqrt(second) / bitcast<f32>(step[$BIAS2_ROOT]) + $EPSILON;
  let decayed = theta[i] * (1.0 - rate * $WEIGHT_DECAY);
  theta[i] = decayed - rate / bitcast<f32>(step[$BIAS1]) * moment / denominator;
  g[i] = Value(0.0);
}
//: end
