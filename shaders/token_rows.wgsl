// A few rows of an embedding or an output head that are trained while the others are frozen.
//
//   replace   x_mc = rows[slots[token_m]]_c        where token_m has a slot (< R)
//   gradient  drows_sc += sum of dx_mc over the positions m whose token has slot s, in rising m
//   mask      dy_mc = 0 where token_m has a slot, else dx_mc
//   scatter   z[index_r]_m = part_mr               (columns of logits)
//   gather    part_mr = z_m[index_r], then z_m[index_r] = 0
//
// Shapes   x, dx, dy [M, C]; rows, drows [R, C]; tokens [M], slots [V], index [R] u32;
//          order [M], runs [M + 1] as in embedding.wgsl; z [M, V]; part [M, R].
// Dtypes   f32, u32.
// Writes   overwrites the places named; adds to drows.
// Grid     one thread to an element of x (replace, mask), to a column of a run (gradient), to an
//          element of part (scatter, gather); workgroup 64.

//: if KERNEL == "replace"
@group(0) @binding(0) var<storage, read> rows: array<f32, ${R * C}>;
@group(0) @binding(1) var<storage, read> tokens: array<u32, $M>;
@group(0) @binding(2) var<storage, read> slots: array<u32, $V>;
@group(0) @binding(3) var<storage, read_write> x: array<f32, ${M * C}>;
//: else if KERNEL == "mask"
@group(0) @binding(0) var<storage, read> dx: array<f32, ${M * C}>;
@group(0) @binding(1) var<storage, read> tokens: array<u32, $M>;
@group(0) @binding(2) var<storage, read> slots: array<u32, $V>;
@group(0) @binding(3) var<storage, read_write> dy: array<f32, ${M * C}>;
//: else if KERNEL == "gradient"
@group(0) @binding(0) var<storage, read> tokens: array<u32, $M>;
@group(0) @binding(1) var<storage, read> slots: array<u32, $V>;
@group(0) @binding(2) var<storage, read> order: array<u32, $M>;
@group(0) @binding(3) var<storage, read> runs: array<u32, ${M + 1}>;
@group(0) @binding(4) var<storage, read> dx: array<f32, ${M * C}>;
@group(0) @binding(5) var<storage, read_write> drows: array<f32, ${R * C}>;
//: else if KERNEL == "scatter"
@group(0) @binding(0) var<storage, read> part: array<f32, ${M * R}>;
@group(0) @binding(1) var<storage, read> index: array<u32, $R>;
@group(0) @binding(2) var<storage, read_write> z: array<f32, ${M * V}>;
//: else
@group(0) @binding(0) var<storage, read> index: array<u32, $R>;
@group(0) @binding(1) var<storage, read_write> z: array<f32, ${M * V}>;
@group(0) @binding(2) var<storage, read_write> part: array<f32, ${M * R}>;
//: end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
//: if KERNEL == "scatter" || KERNEL == "gather"
  if (i >= ${M * R}u) { return; }
  let at = i / ${R}u * ${V}u + index[i % ${R}u];
//: if KERNEL == "scatter"
  z[at] = part[i];
//: else
  part[i] = z[at];
  z[at] = 0.0;
//: end
//: else
  if (i >= ${M * C}u) { return; }
  let c = i % ${C}u;
//: if KERNEL == "replace"
  let slot = slots[tokens[i / ${C}u]];
  if (slot < ${R}u) { x[i] = rows[slot * ${C}u + c]; }
//: else if KERNEL == "mask"
  dy[i] = select(dx[i], 0.0, slots[tokens[i / ${C}u]] < ${R}u);
//: else
  let begin = runs[i / ${C}u];
  let end = runs[i / ${C}u + 1u];
  if (begin >= end) { return; }
  let slot = slots[tokens[order[begin]]];
  if (slot >= ${R}u) { return; }
  var sum = 0.0;
  for (var at = begin; at < end; at++) { sum += dx[order[at] * ${C}u + c]; }
  drows[slot * ${C}u + c] += sum;
//: end
//: end
}
