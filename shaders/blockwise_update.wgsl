// AdamW and Lion with their moments in 8 bits: blocks of 256 elements, each moment a code for a
// number in [-1, 1] times the block's largest magnitude.
//
//   x_i = table[q_i] · scale,   and back   scale = max |x_i| over the block,
//   q_i = the nearest code of x_i / scale, the lower one of two as near
//   between them the rules of elementwise_update.wgsl
//
// Shapes   g, θ [N] (a flat group whose members start at multiples of 256; the gaps are zero);
//          a, b: codes, four to a word, the lowest element in the lowest byte [N/4];
//          scales [N/256, 2]: of a and of b; table: 256 rising codes for a, then 256 for b.
//          scalars and norm as in elementwise_update.wgsl.
// Dtypes   values f32; codes u8. Moments are made by products and sums that are each rounded, on every
//          adapter: one on the edge between two codes would else fall to either side of it.
// Writes   overwrites θ and the state, clears g. Does nothing when the run was halted (norm[1]).
// Grid     one workgroup of 64 threads to a block, one thread to 4 elements.
// Source   Dettmers et al. 2021, "8-bit Optimizers via Block-wise Quantization", arXiv:2110.02861.

@group(0) @binding(0) var<storage, read> norm: array<f32, 2>;
@group(0) @binding(1) var<storage, read> scalars: array<f32, $SCALARS>;
@group(0) @binding(2) var<storage, read> table: array<f32, 512>;
@group(0) @binding(3) var<storage, read_write> gradient: array<vec4f, ${N / 4}>;
@group(0) @binding(4) var<storage, read_write> theta: array<vec4f, ${N / 4}>;
@group(0) @binding(5) var<storage, read_write> scales: array<vec2f, ${N / 256}>;
@group(0) @binding(6) var<storage, read_write> a: array<u32, ${N / 4}>;
//: if RULE == "adamw"
@group(0) @binding(7) var<storage, read_write> b: array<u32, ${N / 4}>;
//: end
var<workgroup> largest: array<vec2f, 64>;

$EXACT

// v, as something that no compiler joins with the sums and products that take it.
fn rounded(v: vec4f, zero: u32) -> vec4f {
  return bitcast<vec4f>(bitcast<vec4u>(v) ^ vec4u(zero));
}

// p · a + q · b
fn mix2(p: f32, a: vec4f, q: f32, b: vec4f, zero: u32) -> vec4f {
  return rounded(p * a, zero) + rounded(q * b, zero);
}

fn decode(word: u32, first: u32, scale: f32, zero: u32) -> vec4f {
  let codes = vec4f(
    table[first + (word & 255u)],
    table[first + ((word >> 8u) & 255u)],
    table[first + ((word >> 16u) & 255u)],
    table[first + (word >> 24u)],
  );
  return rounded(scale * codes, zero);
}

fn nearest(x: f32, first: u32) -> u32 {
  var low = 0u;
  var high = 255u;
  while (low < high) {
    let middle = (low + high) / 2u;
    let bound = (table[first + middle] + table[first + middle + 1u]) / 2.0;
    if (x > bound) { low = middle + 1u; } else { high = middle; }
  }
  return low;
}

fn encode(x: vec4f, first: u32, scale: f32, zero: u32) -> u32 {
  // The rounded reciprocal of the scale, by that of its mantissa and a power of two.
  let bits = bitcast<u32>(max(scale, 1.2e-38));
  let power = bitcast<f32>(0x7f000000u - (bits & 0x7f800000u));
  let mantissa = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
  let y = rounded(x * power, zero) * quotient(1.0, mantissa, zero);
  return nearest(y.x, first) | (nearest(y.y, first) << 8u) | (nearest(y.z, first) << 16u) |
    (nearest(y.w, first) << 24u);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let block = group.y * ${GROUPS_X}u + group.x;
  let inside = block < ${N / 256}u;
  let i = min(block * 64u + local, ${N / 4 - 1}u);
  let rate = scalars[$FIRST];
  let s1 = scalars[${FIRST + 1}];
  let s2 = scalars[${FIRST + 2}];
  let scale = scales[i / 64u];
  let zero = bitcast<u32>(norm[1]); // wherever anything is written
//: if CLIP
  let g = gradient[i] * min(1.0, $MAX_NORM / (norm[0] + 1.0e-6));
//: else
  let g = gradient[i];
//: end
  let kept = decode(a[i], 0u, scale.x, zero);
  var value = theta[i] * (1.0 - rate * $WEIGHT_DECAY);
//: if RULE == "adamw"
  let m = mix2($BETA1, kept, $ONE_MINUS_BETA1, g, zero);
  let squared = rounded($ONE_MINUS_BETA2 * g, zero) * g;
  let v = mix2($BETA2, decode(b[i], 256u, scale.y, zero), 1.0, squared, zero);
  value = fma(vec4f(-rate / s1), m / (sqrt(v) / s2 + $EPSILON), value);
  let size = max(max(v.x, v.y), max(v.z, v.w));
//: else
  let direction = sign(mix2($BETA1, kept, $ONE_MINUS_BETA1, g, zero));
  let m = mix2($BETA2, kept, $ONE_MINUS_BETA2, g, zero);
  value = fma(vec4f(-rate), direction, value);
  let size = 0.0;
//: end
  let magnitude = abs(m);
  largest[local] =
    vec2f(max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w)), size);
  workgroupBarrier();
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    if (local < stride) { largest[local] = max(largest[local], largest[local + stride]); }
    workgroupBarrier();
  }
  if (!inside || norm[1] != 0.0) { return; }
  let rescaled = largest[0];
  a[i] = encode(m, 0u, rescaled.x, zero);
//: if RULE == "adamw"
  b[i] = encode(v, 256u, rescaled.y, zero);
//: end
  if (local == 0u) { scales[block] = rescaled; }
  theta[i] = value;
  gradient[i] = vec4f(0.0);
}
