// A kernel density, possibly with ends, classes and transforms, as the library evaluates it: the density of features given values of others.
import { transform } from "./mixture.js";

const compact = (profile) => (u) => { const r = Math.abs(u); return r < 1 ? Math.log(profile(r)) : -Infinity; };
const matern = (a, factor) => (u) => { const r = a * Math.abs(u); return Math.log(factor(r)) - r; };
const [ROOT3, ROOT5] = [Math.sqrt(3), Math.sqrt(5)];

// The logarithm of each kernel, and its integral.
const KERNELS = {
  gaussian: [(u) => -0.5 * u * u, Math.sqrt(2 * Math.PI)],
  laplace: [(u) => -Math.abs(u), 2],
  matern32: [matern(ROOT3, (r) => 1 + r), 4 / ROOT3],
  matern52: [matern(ROOT5, (r) => 1 + r + (r * r) / 3), 16 / (3 * ROOT5)],
  cauchy: [(u) => -Math.log1p(u * u), Math.PI],
  epanechnikov: [compact((r) => 1 - r * r), 4 / 3],
  biweight: [compact((r) => (1 - r * r) ** 2), 16 / 15],
  triweight: [compact((r) => (1 - r * r) ** 3), 32 / 35],
  tricube: [compact((r) => (1 - r ** 3) ** 3), 81 / 70],
  cosine: [compact((r) => Math.cos((Math.PI / 2) * r)), 4 / Math.PI],
  box: [compact(() => 1), 2],
  triangle: [compact((r) => 1 - r), 1],
};
// Mirror images on each side between two ends, as the library takes.
const MIRRORS = 8;
// A point that has less than this share of the heaviest one's weight changes no digit that is shown.
const SLIGHT = 1e-25;

export class Kernels {
  // From the report's density.kernels; `chains` are transforms, one a feature, or null.
  constructor({ kernel, groups, all }, chains) {
    [this.log, this.integral] = KERNELS[kernel];
    this.chains = chains ?? groups[0].bandwidth.map(() => []);
    this.groups = groups;
    this.all = all;
    this.kept = groups.reduce((sum, g) => sum + g.weights.length, 0);
    this.logWeights = groups.map((g) => { const total = g.weights.reduce((a, b) => a + b, 0); return g.weights.map((w) => Math.log((g.weight * w) / total)); });
    this.last = null;
  }

  // log k((z - y) / h) / h of one point and feature, with its mirror images where there are ends.
  kernelAt(group, j, z, y) {
    const h = group.bandwidth[j];
    const scale = Math.log(h * this.integral);
    const [low, high] = group.bounds?.[j] ?? [null, null];
    if (low === null && high === null) {
      return this.log((z - y) / h) - scale;
    }
    if ((low !== null && z < low) || (high !== null && z > high)) {
      return -Infinity;
    }
    const images = [y];
    if (low !== null && high !== null) {
      for (let s = -MIRRORS; s <= MIRRORS; s++) {
        const period = 2 * s * (high - low);
        images.push(...(s === 0 ? [2 * low - y] : [y + period, 2 * low - y + period]));
      }
    } else {
      images.push(low !== null ? 2 * low - y : 2 * high - y);
    }
    return Math.log(images.reduce((sum, image) => sum + Math.exp(this.log((z - image) / h)), 0)) - scale;
  }

  // What is left of the points by Bayes' rule where features (a Map from place to value) are known: [{group, i, w}], weights of sum 1; null
  // where the values are impossible.
  weigh(given) {
    const key = [...given].sort((a, b) => a[0] - b[0]).join(";");
    if (this.last?.key === key) {
      return this.last.points;
    }
    const known = [...given].map(([j, v]) => [j, transform(this.chains[j], v)[0]]);
    const points = [];
    let most = -Infinity;
    this.groups.forEach((group, g) => group.weights.forEach((_, i) => {
      const log = known.reduce((sum, [j, z]) => (Number.isNaN(z) || sum === -Infinity ? -Infinity : sum + this.kernelAt(group, j, z, group.points[j][i])), this.logWeights[g][i]);
      if (log > -Infinity) {
        points.push({ group, i, w: log });
        most = Math.max(most, log);
      }
    }));
    const kept = points.map((p) => ({ ...p, w: Math.exp(p.w - most) })).filter((p) => p.w > SLIGHT);
    const total = kept.reduce((sum, p) => sum + p.w, 0);
    kept.forEach((p) => { p.w /= total; });
    this.last = { key, points: kept.length ? kept : null };
    return this.last.points;
  }

  // p(feature j = x | given), a function of x.
  evaluator(j, points) {
    return (x) => {
      const [z, slope] = transform(this.chains[j], x);
      return Number.isNaN(z) ? 0 : Math.exp(slope) * points.reduce((sum, p) => sum + p.w * Math.exp(this.kernelAt(p.group, j, z, p.group.points[j][p.i])), 0);
    };
  }

  // The values of each point's kernel at places of a feature: one array a place.
  columns(j, places, points) {
    return [...places].map((x) => {
      const [z, slope] = transform(this.chains[j], x);
      return Float64Array.from(points, (p) => (Number.isNaN(z) ? 0 : Math.exp(slope + this.kernelAt(p.group, j, z, p.group.points[j][p.i]))));
    });
  }

  // p(a, b | given) at the places xs of a and ys of b, row-major with b as the row.
  plane(a, b, xs, ys, points) {
    const across = this.columns(a, xs, points);
    const up = this.columns(b, ys, points).map((column) => column.map((v, i) => v * points[i].w));
    const values = new Float64Array(xs.length * ys.length);
    up.forEach((row, r) => across.forEach((column, c) => {
      let sum = 0;
      for (let i = 0; i < column.length; i++) {
        sum += row[i] * column[i];
      }
      values[r * xs.length + c] = sum;
    }));
    return values;
  }
}
