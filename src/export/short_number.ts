// How curves and figures write a number.

/** At most four digits, or whole: 0.00012 -> "1.2e-4", 1234567 -> "1.235e+6". */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) {
    return value.toExponential(3).replace(/\.?0+e/, "e");
  }
  return String(Number(value.toPrecision(size >= 1000 ? 7 : 4)));
}
