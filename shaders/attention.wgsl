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
// Grid     (tiles of LANES queries or keys, heads, B), one thread to a query or key row.
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
  let t = min(group.x * ${LANES}u + local, ${T - 1}u);
  let inside = group.x * ${LANES}u + local < ${T}u;
  let row = batch * ${T}u + t;
  let at = row * q_stride + head * width;
  let last_t = min(group.x * ${LANES}u + ${LANES - 1}u, ${T - 1}u);
//: if CACHED
  let begin = 0u;
  let end = min(bounds[batch * ${T}u + last_t] + 1u, ${S}u);
  let lowest = 0u;
  let highest = bounds[row];
//: else
  let begin = bounds[batch * ${T}u + group.x * ${LANES}u] / ${TILE}u * ${TILE}u;
  let end = last_t + 1u;
  let lowest = bounds[row];
  let highest = t;
//: end
//: for d in 0..D / 4
  let q$d = q[at + ${d}u] * $SCALE;
//: end
//: if KERNEL == "forward"
//: for d in 0..D / 4
  var sum$d = vec4f(0.0);
//: end
  var highest_score = -3.0e38;
  var weight = 0.0;
//: else
//: for d in 0..D / 4
  var sum$d = vec4f(0.0);
  let dout$d = dout[at + ${d}u];
//: end
  let kept = rows[row * ${H}u + head];
  let l = kept.x;
  let mean = kept.y;
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
      let at$c = (j - tile + ${c}u) * width;
//: else
      let at$c = (base + min(j + ${c}u, ${S - 1}u)) * k_stride + key_head * width;
//: end
      var dots$c = vec4f(0.0);
//: for d in 0..D / 4
//: if STAGE
      dots$c += q$d * tile_a[at$c + ${d}u];
//: else
      dots$c += q$d * k[at$c + ${d}u];
//: end
//: end
      let visible$c = j + ${c}u >= lowest && j + ${c}u <= highest;
      let score$c = select(-3.0e38, total(dots$c), visible$c);
//: end
//: if KERNEL == "forward"
      var top = highest_score;
//: for c in 0..CHUNK
      top = max(top, score$c);
//: end
      let shrink = exp(highest_score - top);
      highest_score = top;
//: for c in 0..CHUNK
      let p$c = select(0.0, exp(score$c - top), visible$c);
//: end
      weight = weight * shrink;
//: for c in 0..CHUNK
      weight += p$c;
//: end
//: for d in 0..D / 4
      sum$d *= shrink;
//: for c in 0..CHUNK
//: if STAGE
      sum$d += p$c * tile_b[at$c + ${d}u];
//: else
      sum$d += p$c * v[at$c + ${d}u];
//: end
//: end
//: end
//: else
//: for c in 0..CHUNK
      var pulls$c = vec4f(0.0);
//: for d in 0..D / 4
//: if STAGE
      pulls$c += dout$d * tile_b[at$c + ${d}u];
//: else
      pulls$c += dout$d * v[at$c + ${d}u];
//: end
//: end
      let ds$c = select(0.0, exp(score$c - l) * (total(pulls$c) - mean), visible$c);
//: end
//: for d in 0..D / 4
//: for c in 0..CHUNK
//: if STAGE
      sum$d += ds$c * tile_a[at$c + ${d}u];
//: else
      sum$d += ds$c * k[at$c + ${d}u];
//: end
//: end
//: end
//: end
    }
  }

  if (inside) {
//: if KERNEL == "forward"
//: for d in 0..D / 4
    o[at + ${d}u] = sum$d / weight;
//: end
    lse[row * ${H}u + head] = highest_score + log(weight);
//: else
//: for d in 0..D / 4
    dq[at + ${d}u] = sum$d * $SCALE;
//: end
//: end
  }
}
//: else
@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let key_head = group.y;
  let batch = group.z;
  let first_key = group.x * ${LANES}u;
  let last_key = min(first_key + ${LANES - 1}u, ${T - 1}u);
  let inside = first_key + local < ${T}u;
  let j = min(first_key + local, ${T - 1}u);
  let at = (batch * ${T}u + j) * k_stride + key_head * width;
//: for d in 0..D / 4
  let k$d = k[at + ${d}u] * $SCALE;
  let v$d = v[at + ${d}u];
  var dk$d = vec4f(0.0);
  var dv$d = vec4f(0.0);
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
//: if STAGE
        let query = (t - tile) * width;
//: else
        let query = row * q_stride + head * width;
//: end
        var dots = vec4f(0.0);
        var pulls = vec4f(0.0);
//: for d in 0..D / 4
//: if STAGE
        dots += k$d * tile_a[query + ${d}u];
        pulls += v$d * tile_b[query + ${d}u];
//: else
        dots += k$d * q[query + ${d}u];
        pulls += v$d * dout[query + ${d}u];
//: end
//: end
        let visible = j <= t && j >= bounds[row];
        // Masked before the exponential: a hidden score may be larger than the log-sum-exp.
        let score = select(-3.0e38, total(dots), visible);
        let kept = rows[row * ${H}u + head];
        let p = select(0.0, exp(score - kept.x), visible);
        let ds = p * (total(pulls) - kept.y);
//: for d in 0..D / 4
//: if STAGE
        dv$d += p * tile_b[query + ${d}u];
        dk$d += ds * tile_a[query + ${d}u];
//: else
        dv$d += p * dout[query + ${d}u];
        dk$d += ds * q[query + ${d}u];
//: end
//: end
      }
    }
  }

  if (inside) {
//: for d in 0..D / 4
    dk[at + ${d}u] = dk$d * $SCALE;
    dv[at + ${d}u] = dv$d;
//: end
  }
}
//: end
//: end
