// Muon: momentum, then its nearest orthogonal matrix by a Newton-Schulz iteration, whose products
// are ordinary matrix products between the kernels here.
//
//   momentum  g = g_ij · clip;   m = μ·m + g;   x = g + μ·m;   g = 0
//   squares   p_w = sum of x² over workgroup w's stride
//   unit      y = x / (sqrt(sum of p) + 1e-7)
//   scaled    y = FACTOR·x
//   apply     θ −= rate·λ·θ;   θ −= rate·FACTOR·x
//
// Shapes   θ, g, m [R, C]; x, y [R, C], or [C, R] when TALL (R > C), so that the products are of
//          the shorter side; p [PARTS]; scalars: rate; norm [2].
// Dtypes   f32 (the reference iterates in bf16).
// Writes   as said; θ, g and m are left alone when the run was halted (norm[1]).
// Grid     squares: PARTS workgroups of 64; the others one thread to an element.
// Source   Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Liu et al.
//          2025, arXiv:2502.16982, section 2.2 for FACTOR.

fn at(i: u32) -> u32 {
//: if TALL
  return (i % ${C}u) * ${R}u + i / ${C}u;
//: else
  return i;
//: end
}

//: if KERNEL == "squares"
@group(0) @binding(0) var<storage, read> x: array<f32, ${R * C}>;
@group(0) @binding(1) var<storage, read_write> p: array<f32, $PARTS>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  var sum = 0.0;
  for (var i = group.x * 64u + local; i < ${R * C}u; i += ${PARTS * 64}u) {
    sum = fma(x[i], x[i], sum);
  }
  sums[local] = sum;
  workgroupBarrier();
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    if (local < stride) { sums[local] += sums[local + stride]; }
    workgroupBarrier();
  }
  if (local == 0u) { p[group.x] = sums[0]; }
}
//: else
//: if KERNEL == "unit" || KERNEL == "scaled"
@group(0) @binding(0) var<storage, read> x: array<f32, ${R * C}>;
@group(0) @binding(1) var<storage, read_write> y: array<f32, ${R * C}>;
//: if KERNEL == "unit"
@group(0) @binding(2) var<storage, read> p: array<f32, $PARTS>;
//: end
//: else
@group(0) @binding(0) var<storage, read> norm: array<f32, 2>;
@group(0) @binding(1) var<storage, read> scalars: array<f32, $SCALARS>;
//: if KERNEL == "momentum"
@group(0) @binding(2) var<storage, read_write> x: array<f32, ${R * C}>;
@group(0) @binding(3) var<storage, read_write> g: array<f32, ${R * C}>;
@group(0) @binding(4) var<storage, read_write> m: array<f32, ${R * C}>;
//: else
@group(0) @binding(2) var<storage, read> x: array<f32, ${R * C}>;
@group(0) @binding(3) var<storage, read_write> theta: array<f32, ${R * C}>;
//: end
//: end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${R * C}u) { return; }
//: if KERNEL == "unit"
  var sum = 0.0;
  for (var w = 0u; w < ${PARTS}u; w++) { sum += p[w]; }
  y[i] = x[i] / (sqrt(sum) + 1.0e-7);
//: else if KERNEL == "scaled"
  y[i] = $FACTOR * x[i];
//: else if KERNEL == "momentum"
  if (norm[1] != 0.0) {
    x[at(i)] = 0.0;
    return;
  }
//: if CLIP
  let gradient = g[i] * min(1.0, $MAX_NORM / (norm[0] + 1.0e-6));
//: else
  let gradient = g[i];
//: end
  let moment = fma($MOMENTUM, m[i], gradient);
  m[i] = moment;
  x[at(i)] = fma($MOMENTUM, moment, gradient);
  g[i] = 0.0;
//: else
  if (norm[1] != 0.0) { return; }
  let rate = scalars[$FIRST];
  let value = theta[i] * (1.0 - rate * $WEIGHT_DECAY);
  theta[i] = fma(-rate * $FACTOR, x[at(i)], value);
//: end
}
//: end
