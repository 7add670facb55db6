// Flash attention: the T×T score matrix never exists.
//
//   s_ij = SCALE · q_i·k_j for visible j, p_ij = exp(s_ij − L_i), o_i = sum_j p_ij v_j
//   L_i  = log sum_j exp(s_ij)                                                 (kept as `lse`)
//   delta    D_i = dO_i·O_i, stored as the pair (L_i, D_i)
//   queries  dQ_i = SCALE · sum_j p_ij (dO_i·v_j − D_i) k_j
//   keys     dV_j = sum_i p_ij dO_i,   dK_j = SCALE · sum_i p_ij (dO_i·v_j − D_i) q_i
//
// Key j is visible to query i of the same batch row when starts_i <= j <= i (packed segments), or,
// with CACHED, when j <= positions_i (a key/value cache of S rows). `starts` rises along a row, so
// tiles that a segment masks away are never visited. The HEADS/KV query heads of a group share a key
// head; the keys kernel sums over them.
//
// Shapes   q, o, dO, dQ [B·T, H·D]; k, v, dK, dV [B·S, K·D]; lse, (L, D) [B·T, H]; bounds [B·T] u32
//          (starts, or positions when CACHED).  B batch, T queries, S keys (S = T unless CACHED),
//          H heads, K key/value heads, D head width.
// Dtypes   f32; sums over j in chunks of CHUNK in rising order, so results do not depend on timing.
// Writes   overwrites its outputs.
// Grid     (tiles of LANES·ROWS queries or keys, heads, B), one thread to ROWS rows, LANES apart.
// Limits   D a multiple of 4; with STAGE, workgroup memory 2·TILE·D·4 bytes.
// Source   Dao 2023, arXiv:2307.08691, algorithms 1 and 2, the loop over keys turned inside out for
//          dQ so that no atomics are needed.

const width = ${D / 4}u;
const q_stride = ${H * D / 4}u;
const k_stride = ${K * D / 4}u;

//: if KERNEL == "delta"
@group(0) @binding(0) var<storage, read> o: array<vec4f, ${B * T * H * D / 4}>;
@group(0) @binding(1) var<storage, read> dout: array<vec4f, ${B * T * H * D / 4}>;
@group(0) @binding(2) var<storage, read> lse: array<f32, ${B * T * H}>;
@group(0) @binding(3) var<storage, read_write> rows: array<vec2f, ${B * T * H}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${B * T * H}u) { return; }
  var sum = vec4f(0.0);
  for (var d = 0u; d < width; d++) { sum += o[i * width + d] * dout[i * width + d]; }
  rows[i] = vec2f(lse[i], (sum.x + sum.y) + (sum.z + sum.w));
}
//: else

@group(0) @binding(0) var<storage, read> q: array<vec4f, ${B * T * H * D / 4}>;
@group(0) @binding(1) var<storage, read> k: array<vec4f, ${B * S * K * D / 4}>;
@group(0) @binding(2) var<storage, read> v: array<vec4f, ${B * S * K * D / 4}>;
@group(0) @binding(3) var<storage, read> bounds: array<u32, ${B * T}>;
//: if KERNEL == "forward"
@group(0) @binding(4) var<storage, read_write> o: array<vec4f, ${B * T * H * D / 4}>;
@group(0) @binding(5) var<storage, read_write> lse: array<f32, ${B * T * H}>;
//: else
@group(0) @binding(4) var<storage, read> rows: array<vec2f, ${B * T * H}>;
@group(0) @binding(5) var<storage, read> dout: array<vec4f, ${B * T * H * D / 4}>;
//: if KERNEL == "queries"
@group(0) @binding(6) var<storage, read_write> dq: array<vec4f, ${B * T * H * D / 4}>;
//: else
@group(0) @binding(6) var<storage, read_write> dk: array<vec4f, ${B * S * K * D / 4}>;
@group(0) @binding(7) var<storage, read_write> dv: array<vec4f, ${B * S * K * D / 4}>;
//: end
//: end

fn total(a: vec4f) -> f32 { return (a.x + a.y) + (a.z + a.w); }

//: if STAGE
// The tile of rows that every thread of the workgroup reads: keys and values, or queries and dO.
var<workgroup> tile_a: array<vec4f, ${TILE * D / 4}>;
var<workgroup> tile_b: array<vec4f, ${TILE * D / 4}>;
//: end

//: if KERNEL != "keys"
@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let head = group.y;
  let key_head = head / ${H / K}u;
  let batch = group.z;
  let first_t = group.x * ${LANES * ROWS}u;
  let last_t = min(first_t + ${LANES * ROWS - 1}u, ${T - 1}u);
//: for r in 0..ROWS
  let t$r = min(first_t + ${r * LANES}u + local, ${T - 1}u);
  let row$r = batch * ${T}u + t$r;
  let at$r = row$r * q_stride + head * width;
//: end
//: if CACHED
  let begin = 0u;
  let end = min(bounds[batch * ${T}u + last_t] + 1u, ${S}u);
//: else
  let begin = bounds[batch * ${T}u + first_t] / ${TILE}u * ${TILE}u;
  let end = last_t + 1u;
//: end
//: for r in 0..ROWS
//: if CACHED
  let lowest$r = 0u;
  let highest$r = bounds[row$r];
//: else
  let lowest$r = bounds[row$r];
  let highest$r = t$r;
//: end
//: for d in 0..D / 4
  let q${r}_$d = q[at$r + ${d}u] * $SCALE;
  var sum${r}_$d = vec4f(0.0);
//: end
//: if KERNEL == "forward"
  var top$r = -3.0e38;
  var weight$r = 0.0;
//: else
//: for d in 0..D / 4
  let dout${r}_$d = dout[at$r + ${d}u];
//: end
  let kept$r = rows[row$r * ${H}u + head];
//: end
//: end

  for (var tile = begin; tile < end; tile += ${TILE}u) {
    let base = batch * ${S}u;
//: if STAGE
    workgroupBarrier();
    for (var i = local; i < ${TILE * D / 4}u; i += ${LANES}u) {
      let key = (base + min(tile + i / width, ${S - 1}u)) * k_stride + key_head * width + i % width;
      tile_a[i] = k[key];
      tile_b[i] = v[key];
    }
    workgroupBarrier();
//: end
    for (var j = tile; j < min(tile + ${TILE}u, end); j += ${CHUNK}u) {
//: for c in 0..CHUNK
//: if STAGE
      let key$c = (j - tile + ${c}u) * width;
//: else
      let key$c = (base + min(j + ${c}u, ${S - 1}u)) * k_stride + key_head * width;
//: end
//: for d in 0..D / 4
//: if STAGE
      let k${c}_$d = tile_a[key$c + ${d}u];
//: else
      let k${c}_$d = k[key$c + ${d}u];
//: end
//: end
//: for r in 0..ROWS
      var dots${r}_$c = vec4f(0.0);
//: for d in 0..D / 4
      dots${r}_$c += q${r}_$d * k${c}_$d;
//: end
      let visible${r}_$c = j + ${c}u >= lowest$r && j + ${c}u <= highest$r;
      let score${r}_$c = select(-3.0e38, total(dots${r}_$c), visible${r}_$c);
//: end
//: end
//: if KERNEL == "forward"
//: for r in 0..ROWS
      let before$r = top$r;
//: for c in 0..CHUNK
      top$r = max(top$r, score${r}_$c);
//: end
      let shrink$r = exp(before$r - top$r);
      weight$r = weight$r * shrink$r;
//: for c in 0..CHUNK
      let p${r}_$c = select(0.0, exp(score${r}_$c - top$r), visible${r}_$c);
      weight$r += p${r}_$c;
//: end
//: for d in 0..D / 4
      sum${r}_$d *= shrink$r;
//: end
//: end
//: for c in 0..CHUNK
//: for d in 0..D / 4
//: if STAGE
      let v${c}_$d = tile_b[key$c + ${d}u];
//: else
      let v${c}_$d = v[key$c + ${d}u];
//: end
//: for r in 0..ROWS
      sum${r}_$d += p${r}_$c * v${c}_$d;
//: end
//: end
//: end
//: else
//: for c in 0..CHUNK
//: for r in 0..ROWS
      var pulls${r}_$c = vec4f(0.0);
//: end
//: for d in 0..D / 4
//: if STAGE
      let v${c}_$d = tile_b[key$c + ${d}u];
//: else
      let v${c}_$d = v[key$c + ${d}u];
//: end
//: for r in 0..ROWS
      pulls${r}_$c += dout${r}_$d * v${c}_$d;
//: end
//: end
//: for r in 0..ROWS
      // Masked before the exponential: a hidden score may be larger than the log-sum-exp.
      let p${r}_$c = select(0.0, exp(score${r}_$c - kept$r.x), visible${r}_$c);
      let ds${r}_$c = p${r}_$c * (total(pulls${r}_$c) - kept$r.y);
//: for d in 0..D / 4
//: if STAGE
      sum${r}_$d += ds${r}_$c * tile_a[key$c + ${d}u];
//: else
      sum${r}_$d += ds${r}_$c * k${c}_$d;
//: end
//: end
//: end
//: end
//: end
    }
  }

//: for r in 0..ROWS
  if (first_t + ${r * LANES}u + local < ${T}u) {
//: if KERNEL == "forward"
//: for d in 0..D / 4
    o[at$r + ${d}u] = sum${r}_$d / weight$r;
//: end
    lse[row$r * ${H}u + head] = top$r + log(weight$r);
//: else
//: for d in 0..D / 4
    dq[at$r + ${d}u] = sum${r}_$d * $SCALE;
//: end
//: end
  }
//: end
}
//: else
@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let key_head = group.y;
  let batch = group.z;
  let first_key = group.x * ${LANES * ROWS}u;
  let last_key = min(first_key + ${LANES * ROWS - 1}u, ${T - 1}u);
//: for r in 0..ROWS
  let j$r = min(first_key + ${r * LANES}u + local, ${T - 1}u);
  let at$r = (batch * ${T}u + j$r) * k_stride + key_head * width;
//: for d in 0..D / 4
  let k${r}_$d = k[at$r + ${d}u] * $SCALE;
  let v${r}_$d = v[at$r + ${d}u];
  var dk${r}_$d = vec4f(0.0);
  var dv${r}_$d = vec4f(0.0);
//: end
//: end

  for (var member = 0u; member < ${H / K}u; member++) {
    let head = key_head * ${H / K}u + member;
    for (var tile = first_key / ${TILE}u * ${TILE}u; tile < ${T}u; tile += ${TILE}u) {
      let base = batch * ${T}u;
      // Segments only start later and later: nothing after this tile sees our keys.
      if (tile > last_key && bounds[base + tile] > last_key) { break; }
//: if STAGE
      workgroupBarrier();
      for (var i = local; i < ${TILE * D / 4}u; i += ${LANES}u) {
        let query = (base + min(tile + i / width, ${T - 1}u)) * q_stride + head * width + i % width;
        tile_a[i] = q[query];
        tile_b[i] = dout[query];
      }
      workgroupBarrier();
//: end
      for (var t = tile; t < min(tile + ${TILE}u, ${T}u); t++) {
        let row = base + t;
        let lowest = bounds[row];
        let kept = rows[row * ${H}u + head];
//: if STAGE
        let query = (t - tile) * width;
//: else
        let query = row * q_stride + head * width;
//: end
//: for d in 0..D / 4
//: if STAGE
        let q$d = tile_a[query + ${d}u];
        let dout$d = tile_b[query + ${d}u];
//: else
        let q$d = q[query + ${d}u];
        let dout$d = dout[query + ${d}u];
//: end
//: end
//: for r in 0..ROWS
        var dots$r = vec4f(0.0);
        var pulls$r = vec4f(0.0);
//: for d in 0..D / 4
        dots$r += k${r}_$d * q$d;
        pulls$r += v${r}_$d * dout$d;
//: end
        let visible$r = j$r <= t && j$r >= lowest;
        // Masked before the exponential: a hidden score may be larger than the log-sum-exp.
        let score$r = select(-3.0e38, total(dots$r), visible$r);
        let p$r = select(0.0, exp(score$r - kept.x), visible$r);
        let ds$r = p$r * (total(pulls$r) - kept.y);
//: for d in 0..D / 4
//: if STAGE
        dv${r}_$d += p$r * tile_b[query + ${d}u];
        dk${r}_$d += ds$r * tile_a[query + ${d}u];
//: else
        dv${r}_$d += p$r * dout$d;
        dk${r}_$d += ds$r * q$d;
//: end
//: end
//: end
      }
    }
  }

//: for r in 0..ROWS
  if (first_key + ${r * LANES}u + local < ${T}u) {
//: for d in 0..D / 4
    dk[at$r + ${d}u] = dk${r}_$d * $SCALE;
    dv[at$r + ${d}u] = dv${r}_$d;
//: end
  }
//: end
}
//: end
//: end
