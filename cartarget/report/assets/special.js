// The beta distribution: what a posterior over a fraction asks for. Nothing here touches the page.

const LANCZOS = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];

/** Logarithm of the gamma function for x > 0 (Lanczos 1964, g = 7). */
export function logGamma(x) {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1, t = y + 7.5;
  let sum = LANCZOS[0];
  for (let i = 1; i < 9; i += 1) sum += LANCZOS[i] / (y + i);
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Continued fraction of the incomplete beta function (Lentz). */
function fractionOf(a, b, x) {
  const tiny = 1e-300;
  let c = 1, d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let h = d;
  for (let m = 1; m < 500; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 + even * d; c = 1 + even / c;
    d = 1 / (Math.abs(d) < tiny ? tiny : d); c = Math.abs(c) < tiny ? tiny : c;
    h *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 + odd * d; c = 1 + odd / c;
    d = 1 / (Math.abs(d) < tiny ? tiny : d); c = Math.abs(c) < tiny ? tiny : c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return h;
}

const logBeta = (a, b) => logGamma(a) + logGamma(b) - logGamma(a + b);

function cumulative(a, b, x, log) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - log);
  return x < (a + 1) / (a + b + 2) ? (front * fractionOf(a, b, x)) / a : 1 - (front * fractionOf(b, a, 1 - x)) / b;
}

/** Probability that a Beta(a, b) variable is at most x. */
export const betaCdf = (a, b, x) => cumulative(a, b, x, logBeta(a, b));

/** Quantile of Beta(a, b): Newton's steps, kept inside a shrinking bracket. */
export function betaQuantile(a, b, q) {
  const log = logBeta(a, b);
  let low = 0, high = 1;
  let x = Math.min(Math.max((a - 1 / 3) / (a + b - 2 / 3), 1e-12), 1 - 1e-12);
  for (let step = 0; step < 200; step += 1) {
    const error = cumulative(a, b, x, log) - q;
    if (error > 0) high = x; else low = x;
    const slope = Math.exp((a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x) - log);
    let next = x - error / slope;
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (Math.abs(next - x) <= 1e-15 * x || high - low <= 1e-16 * high) return next;
    x = next;
  }
  return x;
}

/** Quantile of the posterior of a fraction over n effective observations, under the Jeffreys prior. */
export const posterior = (fraction, n, q) => betaQuantile(0.5 + n * fraction, 0.5 + n * (1 - fraction), q);

/** Highest fraction whose posterior median keeps a cap: -1 if none does, as at a cap below what no hit leaves open. */
export function highestFraction(cap, n) {
  if (cap >= 1) return 1;
  const keeps = (fraction) => betaCdf(0.5 + n * fraction, 0.5 + n * (1 - fraction), cap) >= 0.5;
  if (!keeps(0)) return -1;
  let low = 0, high = 1;
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (keeps(middle)) low = middle; else high = middle;
  }
  return low;
}

const Z = 1.959963984540054;

/** How much narrower a normal is than Student's t: (z / t)² at 97.5 % for some degrees of freedom. */
export function studentRatio(freedom) {
  const x = betaQuantile(freedom / 2, 0.5, 0.05);
  return (Z * Z) / ((freedom * (1 - x)) / x);
}

/** Least hits out of m that are rarer than `chance` at a cap: P(Bin(m, cap) ≥ k) < chance. More than m: no number is. */
export function needOf(m, cap, chance) {
  let low = 1, high = m + 1;
  while (low < high) {
    const k = (low + high) >> 1;
    if (betaCdf(k, m - k + 1, cap) < chance) high = k; else low = k + 1;
  }
  return low;
}

/** Largest number of n people whose share keeps a cap, by its posterior median; 0: none may be over. */
export function mostPeople(n, cap) {
  let k = 0;
  while (k < n && betaCdf(1.5 + k, n - k - 0.5, cap) >= 0.5) k += 1;
  return k;
}
