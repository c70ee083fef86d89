// A kernel density, possibly with ends, classes and transforms, as the library evaluates it: the density of features given values of others.
import { invert, normalCdf, transform } from "./mixture.js";

const compact = (profile) => (u) => { const r = Math.abs(u); return r < 1 ? Math.log(profile(r)) : -Infinity; };
const matern = (a, factor) => (u) => { const r = a * Math.abs(u); return Math.log(factor(r)) - r; };
const ended = (tail) => (t) => (t < 1 ? tail(t) : 0);
const [ROOT3, ROOT5] = [Math.sqrt(3), Math.sqrt(5)];

// The logarithm of each kernel, its integral, and P(U <= -t) for t >= 0.
const KERNELS = {
  gaussian: [(u) => -0.5 * u * u, Math.sqrt(2 * Math.PI), (t) => normalCdf(-t)],
  laplace: [(u) => -Math.abs(u), 2, (t) => 0.5 * Math.exp(-t)],
  matern32: [matern(ROOT3, (r) => 1 + r), 4 / ROOT3, (t) => 0.5 * Math.exp(-ROOT3 * t) * (1 + (ROOT3 * t) / 2)],
  matern52: [matern(ROOT5, (r) => 1 + r + (r * r) / 3), 16 / (3 * ROOT5), (t) => 0.5 * Math.exp(-ROOT5 * t) * (1 + (5 * ROOT5 * t) / 8 + (5 * t * t) / 8)],
  cauchy: [(u) => -Math.log1p(u * u), Math.PI, (t) => Math.atan2(1, t) / Math.PI],
  epanechnikov: [compact((r) => 1 - r * r), 4 / 3, ended((t) => 0.25 * (1 - t) ** 2 * (2 + t))],
  biweight: [compact((r) => (1 - r * r) ** 2), 16 / 15, ended((t) => 0.5 - (15 / 16) * (t - (2 / 3) * t ** 3 + t ** 5 / 5))],
  triweight: [compact((r) => (1 - r * r) ** 3), 32 / 35, ended((t) => 0.5 - (35 / 32) * (t - t ** 3 + 0.6 * t ** 5 - t ** 7 / 7))],
  tricube: [compact((r) => (1 - r ** 3) ** 3), 81 / 70, ended((t) => 0.5 - (70 / 81) * (t - 0.75 * t ** 4 + (3 / 7) * t ** 7 - t ** 10 / 10))],
  cosine: [compact((r) => Math.cos((Math.PI / 2) * r)), 4 / Math.PI, ended((t) => 0.5 * (1 - Math.sin((Math.PI / 2) * t)))],
  box: [compact(() => 1), 2, ended((t) => 0.5 * (1 - t))],
  triangle: [compact((r) => 1 - r), 1, ended((t) => 0.5 * (1 - t) ** 2)],
};
// Mirror images on each side between two ends, as the library takes.
const MIRRORS = 8;
// A point that has less than exp of this times the heaviest one's weight changes no digit that is shown.
const SLIGHT = -50;

const sum = (n, term) => {
  let total = 0;
  for (let i = 0; i < n; i++) {
    total += term(i);
  }
  return total;
};

export class Kernels {
  // From the report's density.kernels; `chains` are transforms, one a feature, or null.
  constructor({ kernel, groups, all }, chains) {
    [this.log, this.integral, this.tail] = KERNELS[kernel];
    this.chains = chains ?? groups[0].bandwidth.map(() => []);
    this.groups = groups.map((g) => {
      const total = sum(g.weights.length, (i) => g.weights[i]);
      return { ...g, points: g.points.map((column) => Float64Array.from(column)), logWeights: Float64Array.from(g.weights, (w) => Math.log((g.weight * w) / total)),
        logScale: g.bandwidth.map((h) => Math.log(h * this.integral)) };
    });
    this.all = all;
    this.kept = sum(groups.length, (k) => groups[k].weights.length);
    this.last = null;
  }

  // A point in one feature and its mirror images where there are ends.
  images(group, j, y) {
    const [low, high] = group.bounds[j];
    const images = [y];
    if (low !== null && high !== null) {
      for (let s = -MIRRORS; s <= MIRRORS; s++) {
        const period = 2 * s * (high - low);
        images.push(...(s === 0 ? [2 * low - y] : [y + period, 2 * low - y + period]));
      }
    } else if (low !== null || high !== null) {
      images.push(2 * (low ?? high) - y);
    }
    return images;
  }

  // log k((z - y) / h) / h of one point and feature.
  kernelAt(group, j, z, y) {
    const h = group.bandwidth[j];
    if (!group.bounds) {
      return this.log((z - y) / h) - group.logScale[j];
    }
    const [low, high] = group.bounds[j];
    if ((low !== null && z < low) || (high !== null && z > high)) {
      return -Infinity;
    }
    return Math.log(this.images(group, j, y).reduce((total, image) => total + Math.exp(this.log((z - image) / h)), 0)) - group.logScale[j];
  }

  // What is left of the points by Bayes' rule where features (a Map from place to value) are known: of each group {group, w, points}, weights of
  // sum 1 over all; null where the values are impossible.
  weigh(given) {
    const key = [...given].sort((a, b) => a[0] - b[0]).join(";");
    if (this.last?.key !== key) {
      this.last = { key, parts: this.posterior([...given].map(([j, v]) => [j, transform(this.chains[j], v)[0]])) };
    }
    return this.last.parts;
  }

  posterior(known) {
    if (known.some(([, z]) => Number.isNaN(z))) {
      return null;
    }
    const logs = this.groups.map((group) => group.logWeights.map((log, i) => known.reduce((total, [j, z]) => total + this.kernelAt(group, j, z, group.points[j][i]), log)));
    const most = logs.reduce((a, list) => list.reduce((b, v) => Math.max(b, v), a), -Infinity);
    if (most === -Infinity) {
      return null;
    }
    const parts = logs.map((list, g) => {
      const kept = Int32Array.from(list.keys()).filter((i) => list[i] - most > SLIGHT);
      const { points } = this.groups[g];
      return { group: this.groups[g], w: Float64Array.from(kept, (i) => Math.exp(list[i] - most)), points: points.map((column) => Float64Array.from(kept, (i) => column[i])) };
    });
    const total = sum(parts.length, (k) => sum(parts[k].w.length, (i) => parts[k].w[i]));
    parts.forEach(({ w }) => w.forEach((v, i) => { w[i] = v / total; }));
    return parts;
  }

  // p(feature j = z | given) in transformed units.
  density(j, parts, z) {
    return sum(parts.length, (k) => {
      const { group, w, points } = parts[k];
      const y = points[j];
      return sum(w.length, (i) => w[i] * Math.exp(this.kernelAt(group, j, z, y[i])));
    });
  }

  // P(feature j <= z | given) in transformed units.
  distribution(j, parts, z) {
    const below = (u) => (u <= 0 ? this.tail(-u) : 1 - this.tail(u));
    return sum(parts.length, (k) => {
      const { group, w, points } = parts[k];
      const h = group.bandwidth[j];
      const y = points[j];
      if (!group.bounds) {
        return sum(w.length, (i) => w[i] * below((z - y[i]) / h));
      }
      const [low, high] = group.bounds[j];
      const end = high === null ? z : Math.min(z, high);
      return low !== null && end <= low ? 0
        : sum(w.length, (i) => w[i] * this.images(group, j, y[i]).reduce((total, image) => total + below((end - image) / h) - (low === null ? 0 : below((low - image) / h)), 0));
    });
  }

  // p(feature j = x | given), a function of x.
  evaluator(j, parts) {
    return (x) => {
      const [z, slope] = transform(this.chains[j], x);
      return Number.isNaN(z) ? 0 : Math.exp(slope) * this.density(j, parts, z);
    };
  }

  // By Newton's method from a first guess, kept within a bracket that bisection narrows.
  quantile(j, parts, share, guess) {
    const reach = Math.max(...parts.map(({ group }) => group.bandwidth[j]));
    const [first] = transform(this.chains[j], guess);
    let low = parts.reduce((least, { points }) => points[j].reduce((a, y) => Math.min(a, y), least), first) - reach;
    let high = parts.reduce((most, { points }) => points[j].reduce((a, y) => Math.max(a, y), most), first) + reach;
    for (let step = high - low; this.distribution(j, parts, low) > share; step *= 2) {
      low -= step;
    }
    for (let step = high - low; this.distribution(j, parts, high) < share; step *= 2) {
      high += step;
    }
    let z = first;
    for (let i = 0; i < 80; i++) {
      const off = this.distribution(j, parts, z) - share;
      [low, high] = off < 0 ? [z, high] : [low, z];
      const next = z - off / this.density(j, parts, z);
      const step = (next > low && next < high ? next : 0.5 * (low + high)) - z;
      z += step;
      if (Math.abs(step) <= 1e-12 * Math.max(Math.abs(z), reach)) {
        break;
      }
    }
    return invert(this.chains[j], z);
  }

  // p(a, b | given) at the places xs of a and ys of b, row-major with b as the row.
  plane(a, b, xs, ys, parts) {
    const values = new Float64Array(xs.length * ys.length);
    parts.forEach(({ group, w, points }) => {
      const columns = (j, places) => [...places].map((x) => {
        const [z, slope] = transform(this.chains[j], x);
        return points[j].map((y) => (Number.isNaN(z) ? 0 : Math.exp(slope + this.kernelAt(group, j, z, y))));
      });
      const across = columns(a, xs);
      columns(b, ys).forEach((column, r) => {
        const row = column.map((v, i) => v * w[i]);
        across.forEach((other, c) => { values[r * xs.length + c] += sum(row.length, (i) => row[i] * other[i]); });
      });
    });
    return values;
  }
}
