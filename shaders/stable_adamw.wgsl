// StableAdamW: AdamW whose step is divided by how surprised the second moment was by the gradient.
//
//   moments  g  = g_i · clip;   m += (1 − b1)·(g − m);   v = b2·v + (1 − b2)·g²
//            p_w = sum of g² / max(v, ε²) over the elements of workgroup w's stride
//   total    rate' = rate / max(1, sqrt(sum of p / N))
//   apply    θ_i −= rate'·λ·θ_i;   θ_i −= rate'·m / (sqrt(v) + ε);   g_i = 0
//
// Shapes   g, θ, m, v [N] (one binding of a tensor of TOTAL elements); p [P]; found [1];
//          scalars: rate, 1 − b1, b2, 1 − b2 with b = β·(1 − β^(n−1)) / (1 − βⁿ); norm [2].
// Dtypes   f32; partial sums in a fixed order.
// Writes   as said; nothing when the run was halted (norm[1]).
// Grid     moments: PARTS workgroups of 64; total: one thread; apply: one thread to an element.
// Source   Wortsman et al. 2023, arXiv:2304.13013, algorithm 2, with the gradient norm per tensor.

@group(0) @binding(0) var<storage, read> norm: array<f32, 2>;
@group(0) @binding(1) var<storage, read> scalars: array<f32, $SCALARS>;
//: if KERNEL == "total"
@group(0) @binding(2) var<storage, read> p: array<f32, $P>;
@group(0) @binding(3) var<storage, read_write> found: array<f32, 1>;

@compute @workgroup_size(1)
fn main() {
  var sum = 0.0;
  for (var i = 0u; i < ${P}u; i++) { sum += p[i]; }
  found[0] = scalars[$FIRST] / max(1.0, sqrt(sum / $TOTAL));
}
//: else
@group(0) @binding(2) var<storage, read_write> g: array<f32, $N>;
@group(0) @binding(3) var<storage, read_write> m: array<f32, $N>;
@group(0) @binding(4) var<storage, read_write> v: array<f32, $N>;
//: if KERNEL == "moments"
@group(0) @binding(5) var<storage, read_write> p: array<f32, $P>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
//: if CLIP
  let clip = min(1.0, $MAX_NORM / (norm[0] + 1.0e-6));
//: else
  let clip = 1.0;
//: end
  var sum = 0.0;
  let end = select(${N}u, 0u, norm[1] != 0.0);
  for (var i = group.x * 64u + local; i < end; i += ${PARTS * 64}u) {
    let gradient = g[i] * clip;
    let square = gradient * gradient;
    m[i] = fma(scalars[${FIRST + 1}], gradient - m[i], m[i]);
    let second = fma(scalars[${FIRST + 3}], square, scalars[${FIRST + 2}] * v[i]);
    v[i] = second;
    sum += square / max(second, $EPSILON_SQUARED);
  }
  sums[local] = sum;
  workgroupBarrier();
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    if (local < stride) { sums[local] += sums[local + stride]; }
    workgroupBarrier();
  }
  if (local == 0u) { p[${OFFSET}u + group.x] = sums[0]; }
}
//: else
@group(0) @binding(5) var<storage, read_write> theta: array<f32, $N>;
@group(0) @binding(6) var<storage, read> found: array<f32, 1>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${N}u || norm[1] != 0.0) { return; }
  let rate = found[0];
  let value = theta[i] * (1.0 - rate * $WEIGHT_DECAY);
  theta[i] = fma(-rate, m[i] / (sqrt(v[i]) + $EPSILON), value);
  g[i] = 0.0;
}
//: end
//: end
