// A weight in 4 bits as bitsandbytes makes it, bit for bit.
//
//   codes   m_b = max |x_i| over block b;  code_i = the nearest of the code book to x_i / m_b
//   mean    offset = mean of all m_b
//   nest    n_c = max |m_b − offset| over 256 blocks;  code_b = the nearest of the 8-bit map to
//           (m_b − offset) / n_c
//
// Shapes   x [COUNT], the flattened weight or a piece of it that begins with a block; codes
//          [COUNT / 8] words, two codes to a byte, the first in the high half; maxima [BLOCKS];
//          small [BLOCKS / 4] words of 8-bit codes; nested [257 + BLOCKS / 256]: the map, offset, n_c.
// Dtypes   x f32, or bf16 or f16 two to a word; maxima f32. "nearest" goes by the value halfway
//          between two codes, which belongs to the lower one.
// Writes   overwrites codes and maxima; offset; small and n_c.
// Grid     one thread to a block (codes), one workgroup (mean), one thread to 256 blocks (nest);
//          workgroup 64.
// Limits   WGSL lets a division be off by 2.5 units in the last place, and `fma` need not be fused:
//          quotients get a step of Newton's with an exact product (Dekker's).
// Source   Dettmers et al. 2023, arXiv:2305.14314, section 3.

$EXACT
//: if KERNEL == "codes"
@group(0) @binding(0) var<storage, read> x: array<$STORED>;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> maxima: array<f32>;

fn value(i: u32) -> f32 {
//: if TYPE == "f32"
  return x[i];
//: else if TYPE == "bf16"
  let pair = x[i / 2u];
  return bitcast<f32>(select(pair << 16u, pair & 0xffff0000u, (i & 1u) == 1u));
//: else
  return unpack2x16float(x[i / 2u])[i & 1u];
//: end
}

fn code_of(v: f32) -> u32 {
  let rank = $RANK;
  return (select(${ORDER_LOW}u, ${ORDER_HIGH}u, rank > 7u) >> (rank % 8u * 4u)) & 15u;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let block = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  let first = block * ${BLOCK}u;
  if (first >= ${COUNT}u) { return; }
  let end = min(first + ${BLOCK}u, ${COUNT}u);
  var largest = 0.0;
  for (var i = first; i < end; i++) { largest = max(largest, abs(value(i))); }
  maxima[block] = largest;
  var inverse = 0.0;
  if (largest > 0.0) { inverse = quotient(1.0, largest, bitcast<u32>(largest) >> 31u); }
  for (var start = first; start < end; start += 8u) {
    var word = 0u;
    for (var q = 0u; q < 8u && start + q < end; q++) {
      word |= code_of(value(start + q) * inverse) << ((q ^ 1u) * 4u);
    }
    codes[start / 8u] = word;
  }
}
//: else if KERNEL == "mean"
@group(0) @binding(0) var<storage, read> maxima: array<f32>;
@group(0) @binding(1) var<storage, read_write> nested: array<f32>;

var<workgroup> sums: array<vec2f, 64>;

// A sum and what rounding has taken from it (Knuth's TwoSum), so that the mean does not hang on the
// order of the sum.
fn plus(sum: vec2f, v: f32, zero: u32) -> vec2f {
  let t = opaque(sum.x + v, zero);
  let w = opaque(t - sum.x, zero);
  return vec2f(t, sum.y + ((sum.x - opaque(t - w, zero)) + (v - w)));
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) local: u32) {
  let zero = bitcast<u32>(nested[127]); // the map's
  var sum = vec2f();
  for (var i = local; i < ${BLOCKS}u; i += 64u) { sum = plus(sum, maxima[i], zero); }
  sums[local] = sum;
  workgroupBarrier();
  if (local > 0u) { return; }
  for (var i = 1u; i < 64u; i++) { sum = plus(sum, sums[i].x, zero) + vec2f(0.0, sums[i].y); }
  let all = sum.x + sum.y;
  nested[256] = quotient(all, ${BLOCKS}.0, zero);
}
//: else
@group(0) @binding(0) var<storage, read> maxima: array<f32>;
@group(0) @binding(1) var<storage, read_write> nested: array<f32>;
@group(0) @binding(2) var<storage, read_write> small: array<u32>;

// How many of the values halfway between two entries of the map lie below v.
fn rank(v: f32) -> u32 {
  var low = 0u;
  var high = 255u;
  while (low < high) {
    let middle = (low + high) / 2u;
    if ((nested[middle] + nested[middle + 1u]) / 2.0 < v) { low = middle + 1u; }
    else { high = middle; }
  }
  return low;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let chunk = group.x * 64u + local;
  let first = chunk * 256u;
  if (first >= ${BLOCKS}u) { return; }
  let end = min(first + 256u, ${BLOCKS}u);
  let offset = nested[256];
  var largest = 0.0;
  for (var i = first; i < end; i++) { largest = max(largest, abs(maxima[i] - offset)); }
  nested[257u + chunk] = largest;
  var inverse = 0.0;
  if (largest > 0.0) { inverse = quotient(1.0, largest, bitcast<u32>(largest) >> 31u); }
  for (var start = first; start < end; start += 4u) {
    var word = 0u;
    for (var q = 0u; q < 4u && start + q < end; q++) {
      word |= rank((maxima[start + q] - offset) * inverse) << (q * 8u);
    }
    small[start / 4u] = word;
  }
}
//: end
