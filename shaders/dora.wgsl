// DoRA: the length of each row of an adapted weight, and the scaling of its outputs to a trained one.
//
//   norm      d_n   = sqrt(w_n + 2·s·sum_r B_nr·P_rn + s²·sum_rq B_nr·G_rq·B_nq)
//                     with w_n = sum_k W_nk², P = A·Wᵀ, G = A·Aᵀ: the length of row n of W + s·B·A,
//                     without that matrix
//   forward   y_mn  = x_mn · g_n / d_n (+ bias_n)
//   backward  dx_mn = dy_mn · g_n / d_n,   p_mn = dy_mn · x_mn / d_n (its column sums are dg)
//
// Shapes   w, d, g, bias [N]; P [R, N]; G [R, R]; B [N, R]; x, y, dx, dy, p [M, N].
//          N outputs of the layer, R rank, M rows.
// Dtypes   f32.
// Writes   overwrites d; y; dx and p.
// Grid     norm: one thread to n; else one thread to WIDTH elements; workgroup 64.
// Source   Liu et al. 2024, arXiv:2402.09353, section 4.3: d is a constant to the gradient.

//: if KERNEL == "norm"
@group(0) @binding(0) var<storage, read> w: array<f32, $N>;
@group(0) @binding(1) var<storage, read> p: array<f32, ${R * N}>;
@group(0) @binding(2) var<storage, read> gram: array<f32, ${R * R}>;
@group(0) @binding(3) var<storage, read> b: array<f32, ${N * R}>;
@group(0) @binding(4) var<storage, read_write> d: array<f32, $N>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let n = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (n >= ${N}u) { return; }
  var cross = 0.0;
  var square = 0.0;
  for (var r = 0u; r < ${R}u; r++) {
    let left = b[n * ${R}u + r];
    cross += left * p[r * ${N}u + n];
    var inner = 0.0;
    for (var q = 0u; q < ${R}u; q++) { inner += gram[r * ${R}u + q] * b[n * ${R}u + q]; }
    square += left * inner;
  }
  d[n] = sqrt(max(0.0, w[n] + $SCALE * (2.0 * cross + $SCALE * square)));
}
//: else
//: if WIDTH == 4
alias Value = vec4f;
//: else
alias Value = f32;
//: end
@group(0) @binding(0) var<storage, read> x: array<Value, ${M * N / WIDTH}>;
@group(0) @binding(1) var<storage, read> g: array<Value, ${N / WIDTH}>;
@group(0) @binding(2) var<storage, read> d: array<Value, ${N / WIDTH}>;
//: if KERNEL == "forward"
//: if BIAS
@group(0) @binding(3) var<storage, read> bias: array<Value, ${N / WIDTH}>;
@group(0) @binding(4) var<storage, read_write> y: array<Value, ${M * N / WIDTH}>;
//: else
@group(0) @binding(3) var<storage, read_write> y: array<Value, ${M * N / WIDTH}>;
//: end
//: else
@group(0) @binding(3) var<storage, read> dy: array<Value, ${M * N / WIDTH}>;
@group(0) @binding(4) var<storage, read_write> dx: array<Value, ${M * N / WIDTH}>;
@group(0) @binding(5) var<storage, read_write> p: array<Value, ${M * N / WIDTH}>;
//: end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${M * N / WIDTH}u) { return; }
  let n = i % ${N / WIDTH}u;
//: if KERNEL == "forward"
//: if BIAS
  y[i] = x[i] * (g[n] / d[n]) + bias[n];
//: else
  y[i] = x[i] * (g[n] / d[n]);
//: end
//: else
  dx[i] = dy[i] * (g[n] / d[n]);
  p[i] = dy[i] * x[i] / d[n];
//: end
}
//: end
