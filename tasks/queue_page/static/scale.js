// The marks of an axis: few, at equal distances, and at round numbers.

const STEPS = [1, 2, 2.5, 5, 10];
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400];
const MARKS = 5;

// Returns the marks from 0 to the first mark that is at or above the highest value.
export function marks(highest, { whole = false, seconds = false } = {}) {
  const step = highest > 0 ? stepFor(highest, whole, seconds) : 1;
  const count = Math.max(1, Math.ceil(highest / step - 1e-9));
  return Array.from({ length: count + 1 }, (_, place) => place * step);
}

function stepFor(highest, whole, seconds) {
  const least = highest / MARKS;
  if (seconds && least > 0.5) return SECONDS.find((step) => step >= least) ?? 86400 * Math.ceil(least / 86400);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = STEPS.map((one) => one * power).find((one) => one >= least - 1e-12);
  return whole ? Math.max(1, Math.ceil(step)) : step;
}
