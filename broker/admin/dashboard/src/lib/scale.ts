// Where the axis of a chart ends. Pure.

// 1, 2 or 5 times a power of ten of the largest unit that fits, not below what is drawn.
export function ceiling(values: (number | null)[], base: 1000 | 1024 = 1000): number {
  const highest = Math.max(0, ...values.filter((value): value is number => value !== null));
  if (highest <= 0) return 1;
  const unit = base === 1024 && highest >= 1 ? 1024 ** Math.floor(Math.log(highest) / Math.log(1024)) : 1;
  const power = 10 ** Math.floor(Math.log10(highest / unit));
  const factor = [1, 2, 5].find((each) => highest / unit <= each * power) ?? 10;
  return factor * power * unit;
}
