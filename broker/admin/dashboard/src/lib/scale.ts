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

export const WINDOW_MS = 180_000; // what a chart shows
const GAP_MS = 10_000; // nobody knows what was in between

// From 0, the left edge, to 1, the newest sample; less than 0: too old.
export function positionOf(times: number[], index: number): number {
  return 1 - ((times[times.length - 1] ?? 0) - (times[index] ?? 0)) / WINDOW_MS;
}

// Indices of values that are joined by a line.
export function runs(values: (number | null)[], times: number[]): number[][] {
  const found: number[][] = [];
  let before: number | null = null;
  values.forEach((value, index) => {
    if (value === null || positionOf(times, index) < 0) {
      before = null;
      return;
    }
    if (before !== null && (times[index] ?? 0) - before <= GAP_MS) found[found.length - 1]?.push(index);
    else found.push([index]);
    before = times[index] ?? 0;
  });
  return found;
}

// The sample that is closest to a position, unless none is near it.
export function nearest(times: number[], position: number): number | null {
  let best: number | null = null;
  let distance = GAP_MS / WINDOW_MS;
  times.forEach((_, index) => {
    const away = Math.abs(positionOf(times, index) - position);
    if (away < distance) [best, distance] = [index, away];
  });
  return best;
}
