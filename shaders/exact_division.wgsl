// a / b rounded to nearest, wherever a and b are far from the ends of f32's range. Compilers take
// a − (a − b) for b: `zero` is a 0 that they do not know, and keeps them from it.
// Source: Dekker 1971, "A floating-point technique for extending the available precision".
fn opaque(v: f32, zero: u32) -> f32 {
  return bitcast<f32>(bitcast<u32>(v) ^ zero);
}

// The upper half of the bits of v.
fn upper(v: f32, zero: u32) -> f32 {
  let c = opaque(4097.0 * v, zero);
  return opaque(c - opaque(c - v, zero), zero);
}

// a·b − p, exactly, where p is the rounded product.
fn rest_of_product(a: f32, b: f32, p: f32, zero: u32) -> f32 {
  let a1 = upper(a, zero);
  let a2 = opaque(a - a1, zero);
  let b1 = upper(b, zero);
  let b2 = opaque(b - b1, zero);
  let e1 = opaque(opaque(a1 * b1, zero) - p, zero);
  let e2 = opaque(e1 + opaque(a1 * b2, zero), zero);
  let e3 = opaque(e2 + opaque(a2 * b1, zero), zero);
  return opaque(e3 + opaque(a2 * b2, zero), zero);
}

fn quotient(a: f32, b: f32, zero: u32) -> f32 {
  let q = opaque(a / b, zero);
  let p = opaque(q * b, zero);
  return q + (opaque(a - p, zero) - rest_of_product(q, b, p, zero)) / b;
}
