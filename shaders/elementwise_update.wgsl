// Optimizers that look at one element at a time. All of them start with
//
//   g = g_i · min(1, MAX_NORM / (norm + 1e-6))        and end with        g_i = 0
//
// and with η = rate and λ weight decay, n the step, do
//
//   adamw      θ −= η·λ·θ;   m = β1·m + (1 − β1)·g;   v = β2·v + (1 − β2)·g²
//              θ −= (η / c1) · m / (sqrt(v) / sqrt(c2) + ε),   c1 = 1 − β1ⁿ, c2 = 1 − β2ⁿ
//   lion       θ −= η·λ·θ;   θ −= η·sign(β1·m + (1 − β1)·g);   m = β2·m + (1 − β2)·g
//   sgd        g += λ·θ;   m = μ·m + d·g (d = 1 − dampening, 1 at n = 1)
//              θ −= η·m, with NESTEROV η·(g + μ·m), without MOMENTUM η·g
//   adagrad    g += λ·θ;   v += g²;   θ −= η·g / (sqrt(v) + ε)
//   rmsprop    g += λ·θ;   v = α·v + (1 − α)·g²;   u = g / (sqrt(v) + ε)
//              θ −= η·u, with MOMENTUM m = μ·m + u; θ −= η·m
//   adopt      n = 1: v = g².  Later: θ −= η·λ·θ;   u = clamp(g / max(sqrt(v), ε), ±(n − 1)^¼)
//              m += (1 − β1)·(u − m);   θ −= η·m;   v = β2·v + (1 − β2)·g²
//   schedule_free  v = β2·v + (1 − β2)·g²;   u = g / (sqrt(v / c2) + ε) + λ·θ
//              θ += c·d + s·u;   d = (1 − c)·(d − η·β1·u),   s = η·(β1·(1 − c) − 1)
//              (d = z − θ, from the weights θ that are trained at to the sequence z)
//   exchange   schedule_free: with TO_USE g = θ, θ += WEIGHT·d, the average; else θ = g, g = 0. The
//              gradient, free between steps, keeps θ, so that the way back is exact.
//
// Shapes   g, θ, a, b [N] (one flat group of trained tensors and its state, in the order that the
//          optimizer's file in src/train/optimizers names it); scalars [ROWS, 8], of which this
//          group has row ROW: η and what the rule computes on the host; norm [2].
// Dtypes   f32, one rounding where fma is written and one per sign elsewhere.
// Writes   overwrites θ and the state, clears g. Does nothing when the run was halted (norm[1]).
// Grid     one thread to WIDTH elements.
// Source   Loshchilov & Hutter 2019, arXiv:1711.05101; Chen et al. 2023, arXiv:2302.06675; Sutskever
//          et al. 2013; Duchi et al. 2011; Hinton 2012, lecture 6e; Taniguchi et al. 2024,
//          arXiv:2411.02853; Defazio et al. 2024, arXiv:2405.15682.

//: if WIDTH == 4
alias Value = vec4f;
//: else
alias Value = f32;
//: end
@group(0) @binding(0) var<storage, read> norm: array<f32, 2>;
@group(0) @binding(1) var<storage, read> scalars: array<f32, $SCALARS>;
@group(0) @binding(2) var<storage, read_write> gradient: array<Value, ${N / WIDTH}>;
@group(0) @binding(3) var<storage, read_write> theta: array<Value, ${N / WIDTH}>;
//: if STATES > 0
@group(0) @binding(4) var<storage, read_write> a: array<Value, ${N / WIDTH}>;
//: end
//: if STATES > 1
@group(0) @binding(5) var<storage, read_write> b: array<Value, ${N / WIDTH}>;
//: end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) local: u32) {
  let i = (group.y * ${GROUPS_X}u + group.x) * 64u + local;
  if (i >= ${N / WIDTH}u) { return; }
//: if RULE == "exchange"
//: if TO_USE
  gradient[i] = theta[i];
  theta[i] = fma(Value($WEIGHT), a[i], theta[i]);
//: else
  theta[i] = gradient[i];
  gradient[i] = Value(0.0);
//: end
//: else
  if (norm[1] != 0.0) { return; }
  let rate = scalars[$FIRST];
  let s1 = scalars[${FIRST + 1}];
  let s2 = scalars[${FIRST + 2}];
  let s3 = scalars[${FIRST + 3}];
  var value = theta[i];
//: if CLIP
  var g = gradient[i] * min(1.0, $MAX_NORM / (norm[0] + 1.0e-6));
//: else
  var g = gradient[i];
//: end
//: if COUPLED_DECAY
  g = fma(Value($WEIGHT_DECAY), value, g);
//: end

//: if RULE == "adamw"
  let m = fma(Value($ONE_MINUS_BETA1), g, $BETA1 * a[i]);
  let v = fma($ONE_MINUS_BETA2 * g, g, $BETA2 * b[i]);
  a[i] = m;
  b[i] = v;
  let denominator = sqrt(v) / s2 + $EPSILON;
  value = value * (1.0 - rate * $WEIGHT_DECAY);
  value = fma(Value(-rate / s1), m / denominator, value);
//: else if RULE == "lion"
  let direction = sign(fma(Value($ONE_MINUS_BETA1), g, $BETA1 * a[i]));
  a[i] = fma(Value($ONE_MINUS_BETA2), g, $BETA2 * a[i]);
  value = value * (1.0 - rate * $WEIGHT_DECAY);
  value = fma(Value(-rate), direction, value);
//: else if RULE == "sgd"
//: if MOMENTUM
  let m = fma(Value(s1), g, $MU * a[i]);
  a[i] = m;
//: if NESTEROV
  g = fma(Value($MU), m, g);
//: else
  g = m;
//: end
//: end
  value = fma(Value(-rate), g, value);
//: else if RULE == "adagrad"
  let v = fma(g, g, a[i]);
  a[i] = v;
  value = fma(Value(-rate), g / (sqrt(v) + $EPSILON), value);
//: else if RULE == "rmsprop"
  let v = fma($ONE_MINUS_ALPHA * g, g, $ALPHA * a[i]);
  a[i] = v;
  var u = g / (sqrt(v) + $EPSILON);
//: if MOMENTUM
  u = fma(Value($MU), b[i], u);
  b[i] = u;
//: end
  value = fma(Value(-rate), u, value);
//: else if RULE == "adopt"
  if (s1 < 0.0) {
    b[i] = g * g;
  } else {
    let bounded = clamp(g / max(sqrt(b[i]), Value($EPSILON)), Value(-s1), Value(s1));
    let m = fma(Value($ONE_MINUS_BETA1), bounded - a[i], a[i]);
    a[i] = m;
    b[i] = fma($ONE_MINUS_BETA2 * g, g, $BETA2 * b[i]);
    value = value * (1.0 - rate * $WEIGHT_DECAY);
    value = fma(Value(-rate), m, value);
  }
//: else if RULE == "schedule_free"
  let v = fma($ONE_MINUS_BETA2 * g, g, $BETA2 * b[i]);
  b[i] = v;
  let u = fma(Value($WEIGHT_DECAY), value, g / (sqrt(v / s1) + $EPSILON));
  value = fma(Value(s3), u, fma(Value(s2), a[i], value));
  a[i] = (1.0 - s2) * fma(Value(-rate * $BETA1), u, a[i]);
//: end
  theta[i] = value;
  gradient[i] = Value(0.0);
//: end
}
