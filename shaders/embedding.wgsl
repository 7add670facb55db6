// Token embedding, and its gradient without atomics.
//
//   forward   x_mc = table[token_m − FIRST]_c              for FIRST <= token_m < FIRST + ROWS
//   backward  dtable[token]_c += sum of dx_mc over the positions m of that token, in rising m
//
// The host gives the positions sorted by token (`order`, stable) and where each token's run starts
// (`runs`, length M + 1; runs past the last one are empty), so one thread owns one sum.
//
// Shapes   tokens [M] u32; table, dtable [V, C], here rows FIRST .. FIRST+ROWS; x, dx [M, C];
//          order [M] u32; runs [M + 1] u32.   M tokens, C model width, V vocabulary.
// Dtypes   table f32, f16, or bf16 (two to a word, low half first); x and gradients f32.
// Writes   overwrites x (rows of other shards are left alone), adds to dtable.
// Grid     one thread to an element (forward), to a column of a run (backward); workgroup 64.

//: if KERNEL == "forward"
//: if TABLE == "f16"
enable f16;
@group(0) @binding(0) var<storage, read> table: array<f16, ${ROWS * C}>;
fn weight(i: u32) -> f32 { return f32(table[i]); }
//: else if TABLE == "bf16"
@group(0) @binding(0) var<storage, read> table: array<u32, ${(ROWS * C + 1) / 2}>;
fn weight(i: u32) -> f32 {
  let word = table[i / 2u];
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, (i & 1u) == 1u));
}
//: else
@group(0) @binding(0) var<storage, read> table: array<f32, ${ROWS * C}>;
fn weight(i: u32) -> f32 { return table[i]; }
//: end
@group(0) @binding(1) var<storage, read> tokens: array<u32, $M>;
@group(0) @binding(2) var<storage, read_write> x: array<f32, ${M * C}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${M * C}u) { return; }
  let token = tokens[i / ${C}u];
  if (token < ${FIRST}u || token >= ${FIRST + ROWS}u) { return; }
  x[i] = weight((token - ${FIRST}u) * ${C}u + i % ${C}u);
}
//: else
@group(0) @binding(0) var<storage, read> tokens: array<u32, $M>;
@group(0) @binding(1) var<storage, read> order: array<u32, $M>;
@group(0) @binding(2) var<storage, read> runs: array<u32, ${M + 1}>;
@group(0) @binding(3) var<storage, read> dx: array<f32, ${M * C}>;
@group(0) @binding(4) var<storage, read_write> dtable: array<f32, ${ROWS * C}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${M * C}u) { return; }
  let c = i % ${C}u;
  let begin = runs[i / ${C}u];
  let end = runs[i / ${C}u + 1u];
  if (begin >= end) { return; }
  let token = tokens[order[begin]];
  if (token < ${FIRST}u || token >= ${FIRST + ROWS}u) { return; }
  var sum = 0.0;
  for (var at = begin; at < end; at++) { sum += dx[order[at] * ${C}u + c]; }
  dtable[(token - ${FIRST}u) * ${C}u + c] += sum;
}
//: end
