// A weight in 8 bits, row by row: m_n = max |x_nk| over k;  code_nk = round(x_nk · (127 · (1 / m_n))).
//
// Shapes   x, codes [N, K], the rows of a weight or a piece of them; maxima [N].
// Dtypes   x f32, or bf16 or f16 two to a word; codes signed bytes, four to a word; maxima f32.
//          ROUNDED: x is rounded to f16 first, which is what transformers hands to LLM.int8.
// Writes   overwrites codes and maxima. Where K is no multiple of 4, N·K words-of-four are aligned by
//          giving one thread four rows (ROWS = 4).
// Grid     one thread to ROWS rows; workgroup 64.
// Source   Dettmers et al. 2022, arXiv:2208.07339, section 2.1.

@group(0) @binding(0) var<storage, read> x: array<$STORED>;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> maxima: array<f32>;

$EXACT

fn value(i: u32) -> f32 {
//: if TYPE == "f32"
  let v = x[i];
//: else if TYPE == "bf16"
  let pair = x[i / 2u];
  let v = bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, (i & 1u) == 1u));
//: else
  let v = unpack2x16float(x[i / 2u])[i & 1u];
//: end
//: if ROUNDED
  return unpack2x16float(pack2x16float(vec2f(v, 0.0))).x;
//: else
  return v;
//: end
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let first_row = ((group.y * ${GROUPS_X}u + group.x) * 64u + local) * ${ROWS}u;
  var word = 0u;
  for (var row = first_row; row < min(first_row + ${ROWS}u, ${N}u); row++) {
    let first = row * ${K}u;
    var largest = 0.0;
    for (var k = 0u; k < ${K}u; k++) { largest = max(largest, abs(value(first + k))); }
    maxima[row] = largest;
    var factor = 0.0;
    if (largest > 0.0) { factor = 127.0 * quotient(1.0, largest, bitcast<u32>(largest) >> 31u); }
    for (var i = first; i < first + ${K}u; i++) {
      let code = u32(i32(round(value(i) * factor))) & 255u;
      word |= code << (i % 4u * 8u);
      if (i % 4u == 3u || i == ${N * K - 1}u) {
        codes[i / 4u] = word;
        word = 0u;
      }
    }
  }
}
