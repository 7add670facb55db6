// The gated unit of the feed-forward layer.
//
//   forward   y = silu(g)·u             silu(g) = g·σ(g),  σ(g) = 1 / (1 + exp(−g))
//   backward  dg = dy·u·σ(g)·(1 + g·(1 − σ(g)))       du = dy·silu(g)
//
// Shapes   g, u, y, dy, dg, du [N] elementwise (N = rows · feed-forward width).
// Dtypes   f32.
// Writes   overwrites y, dg, du.
// Grid     one thread to WIDTH elements, workgroup 64.
// Source   Shazeer 2020, arXiv:2002.05202, eq. 5.

//: if WIDTH == 4
alias Value = vec4f;
//: else
alias Value = f32;
//: end

@group(0) @binding(0) var<storage, read> gate: array<Value, ${N / WIDTH}>;
@group(0) @binding(1) var<storage, read> up: array<Value, ${N / WIDTH}>;
//: if KERNEL == "forward"
@group(0) @binding(2) var<storage, read_write> y: array<Value, ${N / WIDTH}>;
//: else
@group(0) @binding(2) var<storage, read> dy: array<Value, ${N / WIDTH}>;
@group(0) @binding(3) var<storage, read_write> dgate: array<Value, ${N / WIDTH}>;
@group(0) @binding(4) var<storage, read_write> dup: array<Value, ${N / WIDTH}>;
//: end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${N / WIDTH}u) { return; }
  let g = gate[i];
  let sigma = 1.0 / (1.0 + exp(-g));
//: if KERNEL == "forward"
  y[i] = g * sigma * up[i];
//: else
  let d = dy[i];
  dgate[i] = d * up[i] * sigma * (1.0 + g * (1.0 - sigma));
  dup[i] = d * g * sigma;
//: end
}
