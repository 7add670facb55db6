// Softmax cross-entropy of one chunk of logits, and the gradient in place of the logits.
//
//   loss_m = log sum_v exp(z_mv) − z_m,target        (0 where target_m < 0)
//   dz_mv  = g · (softmax(z_m)_v − [v = target_m])   (0 where target_m < 0), g = step.loss_scale,
//            times scaler[0] where SCALED (see src/graph/loss_scaler.ts)
//
// The logits come from the output head just before and are consumed just after, so those of a whole
// batch never exist (Liger kernel, arXiv:2410.10989, section 3.2).
//
// Shapes   z [R, V] (dz in its place); targets [M] i32; loss [M]; here rows FIRST .. FIRST+R.
// Dtypes   f32.
// Writes   overwrites loss; overwrites z with dz where BACKWARD is set.
// Grid     LANES threads share a row, ROWS rows to a workgroup.
// Limits   V a multiple of WIDTH.

//: if WIDTH == 4
alias Value = vec4f;
fn total(v: Value) -> f32 { return (v.x + v.y) + (v.z + v.w); }
fn largest(v: Value) -> f32 { return max(max(v.x, v.y), max(v.z, v.w)); }
//: else
alias Value = f32;
fn total(v: Value) -> f32 { return v; }
fn largest(v: Value) -> f32 { return v; }
//: end

@group(0) @binding(0) var<storage, read> targets: array<i32, $M>;
@group(0) @binding(1) var<storage, read> step: array<u32, $STEP_WORDS>;
@group(0) @binding(2) var<storage, read_write> z: array<Value, ${R * V / WIDTH}>;
@group(0) @binding(3) var<storage, read_write> loss: array<f32, $M>;
//: if SCALED
@group(0) @binding(4) var<storage, read> scaler: array<f32, 2>;
//: end

const columns = ${V / WIDTH}u;

//: if LANES > 1
var<workgroup> values: array<f32, ${LANES * ROWS}>;

fn max_lanes(value: f32, local: u32) -> f32 {
  let lane = local % ${LANES}u;
  values[local] = value;
  workgroupBarrier();
  for (var stride = ${LANES / 2}u; stride > 0u; stride >>= 1u) {
    if (lane < stride) { values[local] = max(values[local], values[local + stride]); }
    workgroupBarrier();
  }
  let result = values[local - lane];
  workgroupBarrier();
  return result;
}

fn sum_lanes(value: f32, local: u32) -> f32 {
  let lane = local % ${LANES}u;
  values[local] = value;
  workgroupBarrier();
  for (var stride = ${LANES / 2}u; stride > 0u; stride >>= 1u) {
    if (lane < stride) { values[local] += values[local + stride]; }
    workgroupBarrier();
  }
  let result = values[local - lane];
  workgroupBarrier();
  return result;
}
//: else
fn max_lanes(value: f32, local: u32) -> f32 { return value; }
fn sum_lanes(value: f32, local: u32) -> f32 { return value; }
//: end

@compute @workgroup_size(${LANES * ROWS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let lane = local % ${LANES}u;
  let chunk_row = (group.y * ${GROUPS_X}u + group.x) * ${ROWS}u + local / ${LANES}u;
  let inside = chunk_row < ${R}u;
  let r = min(chunk_row, ${R - 1}u);
  let base = r * columns;
  let target_token = targets[${FIRST}u + r];
  let trained = target_token >= 0;

  var top = -3.0e38;
  if (trained) {
    for (var c = lane; c < columns; c += ${LANES}u) { top = max(top, largest(z[base + c])); }
  }
  top = max_lanes(top, local);
  var weight = 0.0;
  if (trained) {
    for (var c = lane; c < columns; c += ${LANES}u) { weight += total(exp(z[base + c] - top)); }
  }
  weight = sum_lanes(weight, local);

  if (inside) {
    let t = u32(max(target_token, 0));
    if (lane == 0u) {
//: if WIDTH == 4
      let score = z[base + t / 4u][t % 4u];
//: else
      let score = z[base + t];
//: end
      loss[${FIRST}u + r] = select(0.0, top + log(weight) - score, trained);
    }
  }
//: if BACKWARD
//: if LANES > 1
  workgroupBarrier();
  storageBarrier();
//: end
  if (inside) {
    let t = u32(max(target_token, 0));
//: if SCALED
    let scale = select(0.0, bitcast<f32>(step[$LOSS_SCALE]) * scaler[0], trained);
//: else
    let scale = select(0.0, bitcast<f32>(step[$LOSS_SCALE]), trained);
//: end
    let factor = scale / max(weight, 1.0e-30);
    for (var c = lane; c < columns; c += ${LANES}u) {
      // Rows without a target still hold finite logits; their gradient must be exactly zero.
      var value = select(Value(0.0), exp(z[base + c] - top) * factor, vec_of(trained));
//: if WIDTH == 4
      if (t / 4u == c) { value[t % 4u] -= scale; }
//: else
      if (t == c) { value -= scale; }
//: end
      z[base + c] = value;
    }
  }
//: end
}

//: if BACKWARD
//: if WIDTH == 4
fn vec_of(b: bool) -> vec4<bool> { return vec4<bool>(b); }
//: else
fn vec_of(b: bool) -> bool { return b; }
//: end
//: end
