// Rotary position embedding in place, the "half split" pairing of Llama: element i turns with i + D/2.
//
//   forward   a' = a·cos − b·sin     b' = b·cos + a·sin      (a, b) = (x_i, x_{i+D/2})
//   backward  the rotation by the negative angle (SIGN = −1)
//
// Shapes   x [M, H·D] changed in place; positions [M] u32; table [P, D]: row p holds cos(p·f_i) for
//          i < D/2, then sin(p·f_i).   M rows, H heads, D head width, P positions.
// Dtypes   f32.
// Grid     one thread to WIDTH pairs, workgroup 64.
// Limits   D/2 a multiple of WIDTH (1 or 4).
// Source   Su et al. 2021, arXiv:2104.09864, section 3.4.2.

//: if WIDTH == 4
alias Value = vec4f;
//: else
alias Value = f32;
//: end

@group(0) @binding(0) var<storage, read> positions: array<u32, $M>;
@group(0) @binding(1) var<storage, read> table: array<Value, ${P * D / WIDTH}>;
@group(0) @binding(2) var<storage, read_write> x: array<Value, ${M * H * D / WIDTH}>;

// Values of half a head.
const half = ${D / 2 / WIDTH}u;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let index = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (index >= ${M * H}u * half) { return; }
  let i = index % half;
  let head = index / half;
  let angle = positions[head / ${H}u] * 2u * half + i;
  let cosine = table[angle];
  let sine = $SIGN * table[angle + half];
  let at = head * 2u * half + i;
  let a = x[at];
  let b = x[at + half];
  x[at] = a * cosine - b * sine;
  x[at + half] = b * cosine + a * sine;
}
