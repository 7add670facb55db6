// A low-rank product added to the weight it belongs to, in the weight's own dtype (ReLoRA).
//
//   W_nk += s · sum_r B_nr · A_rk
//
// Shapes   W [N, K], here rows FIRST .. FIRST+ROWS; B [N, R]; A [R, K].   R rank.
//          EMBEDDING: W [K, N] is a table and A is held [K, R], so K is a token's row:
//          W_kn += s · sum_r B_nr · A_kr, rows FIRST .. FIRST+ROWS of K.
// Dtypes   W f32, f16 or bf16 (two to a word, low half first), rounded to nearest once; else f32.
// Writes   adds to W. Sums in rising r.
// Grid     one thread to a word of W, workgroup 64.
// Source   Lialin et al. 2023, arXiv:2307.05695, section 3.

@group(0) @binding(0) var<storage, read> a: array<f32, $A_SIZE>;
@group(0) @binding(1) var<storage, read> b: array<f32, $B_SIZE>;
//: if W_TYPE == "f32"
@group(0) @binding(2) var<storage, read_write> w: array<f32, $WORDS>;
//: else
@group(0) @binding(2) var<storage, read_write> w: array<u32, $WORDS>;
//: end

fn product(i: u32) -> f32 {
  let row = i / ${COLUMNS}u + ${FIRST}u;
  let column = i % ${COLUMNS}u;
  var sum = 0.0;
  for (var r = 0u; r < ${R}u; r++) {
//: if EMBEDDING
    sum += b[column * ${R}u + r] * a[row * ${R}u + r];
//: else
    sum += b[row * ${R}u + r] * a[r * ${COLUMNS}u + column];
//: end
  }
  return $SCALE * sum;
}

//: if W_TYPE == "bf16"
fn rounded(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}
//: end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${WORDS}u) { return; }
//: if W_TYPE == "f32"
  w[i] += product(i);
//: else
  let word = w[i];
  // The last word may hold one element only; what is beside it belongs to nobody.
  let second = min(2u * i + 1u, ${ELEMENTS - 1}u);
//: if W_TYPE == "bf16"
  let low = bitcast<f32>(word << 16u) + product(2u * i);
  let high = bitcast<f32>(word & 0xffff0000u) + product(second);
  w[i] = rounded(low) | (rounded(high) << 16u);
//: else
  w[i] = pack2x16float(unpack2x16float(word) + vec2f(product(2u * i), product(second)));
//: end
//: end
}
