// A Gaussian mixture (with uniform noise, classes and transforms) as the library evaluates it: log density, marginals, conditionals, quantiles.

const LOG_2PI = Math.log(2 * Math.PI);

// ---- transforms: a chain of increasing steps a feature ----

function stepOf(step) {
  return Array.isArray(step) ? { name: step[0], a: step[1], b: step[2] } : { name: step };
}

// [t(x), log t'(x)]; [NaN, -Infinity] outside of the domain.
export function transform(chain, x) {
  let z = x;
  let slope = 0;
  for (const raw of chain) {
    const step = stepOf(raw);
    if (step.name === "standardize") {
      slope -= Math.log(step.b);
      z = (z - step.a) / step.b;
    } else if (step.name === "log") {
      slope -= Math.log(z);
      z = z > 0 ? Math.log(z) : NaN;
    } else if (step.name === "logit") {
      const inside = z > 0 && z < 1;
      slope -= Math.log(z) + Math.log1p(-z);
      z = inside ? Math.log(z) - Math.log1p(-z) : NaN;
    } else if (step.name === "sqrt") {
      slope -= Math.log(2) + 0.5 * Math.log(Math.abs(z));
      z = Math.sign(z) * Math.sqrt(Math.abs(z));
    } else if (step.name === "asinh") {
      slope -= 0.5 * Math.log1p(z * z);
      z = Math.asinh(z);
    } else if (step.name !== "identity") {
      throw new Error(`unknown transform ${step.name}`);
    }
  }
  return Number.isNaN(z) || Number.isNaN(slope) ? [NaN, -Infinity] : [z, slope];
}

export function invert(chain, z) {
  let x = z;
  for (const raw of [...chain].reverse()) {
    const step = stepOf(raw);
    if (step.name === "standardize") {
      x = step.a + step.b * x;
    } else if (step.name === "log") {
      x = Math.exp(x);
    } else if (step.name === "logit") {
      x = 1 / (1 + Math.exp(-x));
    } else if (step.name === "sqrt") {
      x = x * Math.abs(x);
    } else if (step.name === "asinh") {
      x = Math.sinh(x);
    }
  }
  return x;
}

// ---- small dense linear algebra ----

// Lower triangular L with L L' = a (n x n rows); throws where a is not positive definite.
function cholesky(a) {
  const n = a.length;
  const l = a.map((row) => new Float64Array(n));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i][j];
      for (let k = 0; k < j; k++) {
        sum -= l[i][k] * l[j][k];
      }
      if (i === j && !(sum > 0)) {
        throw new Error("a covariance is not positive definite");
      }
      l[i][j] = i === j ? Math.sqrt(sum) : sum / l[j][j];
    }
  }
  return l;
}

// inverse(L) b
function forward(l, b) {
  const n = l.length;
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let sum = b[i];
    for (let k = 0; k < i; k++) {
      sum -= l[i][k] * y[k];
    }
    y[i] = sum / l[i][i];
  }
  return y;
}

// log N(z; mean, L L')
function logNormal(l, mean, z) {
  const y = forward(l, mean.map((m, i) => z[i] - m));
  let log = -0.5 * mean.length * LOG_2PI;
  for (let i = 0; i < mean.length; i++) {
    log -= 0.5 * y[i] * y[i] + Math.log(l[i][i]);
  }
  return log;
}

function logSumExp(values) {
  const most = Math.max(...values);
  return most === -Infinity ? -Infinity : most + Math.log(values.reduce((sum, v) => sum + Math.exp(v - most), 0));
}

// The normal distribution function: W. J. Cody's rational approximations (1969, Math. Comp. 23:631-637) by way of erfc.
const ERF_A = [3.1611237438705656, 113.864154151050156, 377.485237685302021, 3209.37758913846947, 0.185777706184603153];
const ERF_B = [23.6012909523441209, 244.024637934444173, 1282.61652607737228, 2844.23683343917062];
const ERF_C = [0.564188496988670089, 8.88314979438837594, 66.1191906371416295, 298.635138197400131, 881.95222124176909,
  1712.04761263407058, 2051.07837782607147, 1230.33935479799725, 2.15311535474403846e-8];
const ERF_D = [15.7449261107098347, 117.693950891312499, 537.181101862009858, 1621.38957456669019, 3290.79923573345963,
  4362.61909014324716, 3439.36767414372164, 1230.33935480374942];
const ERF_P = [0.305326634961232344, 0.360344899949804439, 0.125781726111229246, 0.0160837851487422766, 6.58749161529837803e-4,
  0.0163153871373020978];
const ERF_Q = [2.56852019228982242, 1.87295284992346047, 0.527905102951428412, 0.0605183413124413191, 0.00233520497626869185];

function erfc(x) {
  const y = Math.abs(x);
  if (y <= 0.46875) {
    const s = y * y;
    let top = ERF_A[4] * s;
    let bottom = s;
    for (let i = 0; i < 3; i++) {
      top = (top + ERF_A[i]) * s;
      bottom = (bottom + ERF_B[i]) * s;
    }
    return 1 - (x * (top + ERF_A[3])) / (bottom + ERF_B[3]);
  }
  let result;
  if (y <= 4) {
    let top = ERF_C[8] * y;
    let bottom = y;
    for (let i = 0; i < 7; i++) {
      top = (top + ERF_C[i]) * y;
      bottom = (bottom + ERF_D[i]) * y;
    }
    result = (top + ERF_C[7]) / (bottom + ERF_D[7]);
  } else {
    const s = 1 / (y * y);
    let top = ERF_P[5] * s;
    let bottom = s;
    for (let i = 0; i < 4; i++) {
      top = (top + ERF_P[i]) * s;
      bottom = (bottom + ERF_Q[i]) * s;
    }
    result = (s * (top + ERF_P[4])) / (bottom + ERF_Q[4]);
    result = (1 / Math.sqrt(Math.PI) - result) / y;
  }
  const whole = Math.trunc(y * 16) / 16;
  result *= Math.exp(-whole * whole) * Math.exp(-(y - whole) * (y + whole));
  return x < 0 ? 2 - result : result;
}

export function normalCdf(z) {
  return 0.5 * erfc(-z / Math.SQRT2);
}

// ---- the mixture ----

// The ends of the noise's box are values of rows: rounding must not put those outside.
function within(v, low, high) {
  const slack = 1e-12 * (high - low);
  return v >= low - slack && v <= high + slack;
}

export class Mixture {
  // features: names; chains: transforms; components: {weight, mean, covariance, label}; boxes: {weight, low, high} of uniform noise, all in
  // transformed units.
  constructor(features, chains, components, boxes) {
    this.features = features;
    this.chains = chains;
    this.components = components;
    this.boxes = boxes;
  }

  // From the JSON of the library's lk_model_info(): components of a mixture, or those of each class weighed by its probability.
  static fromInfo(info) {
    const groups = info.classes ? info.classes.map((c) => ({ ...c, weight: c.prior, label: c.class })) : [{ ...info, weight: 1 }];
    const chains = info.transform ?? info.columns.map(() => []);
    const components = [];
    const boxes = [];
    for (const group of groups) {
      group.components.forEach((c, k) => {
        components.push({ weight: group.weight * c.weight, mean: c.mean, covariance: c.covariance, label: group.label, number: k });
      });
      if (group.noise) {
        boxes.push({ weight: group.weight * group.noise.weight, low: group.noise.low, high: group.noise.high, label: group.label });
      }
    }
    return new Mixture(info.columns, chains, components, boxes);
  }

  // The mixture of some features (places among these), in that order.
  marginal(places) {
    const pick = (v) => places.map((j) => v[j]);
    return new Mixture(pick(this.features), pick(this.chains),
      this.components.map((c) => ({ ...c, mean: pick(c.mean), covariance: pick(c.covariance).map(pick) })),
      this.boxes.map((b) => ({ ...b, low: pick(b.low), high: pick(b.high) })));
  }

  // That of the other features given values of some (a Map from place to value, in the units of the data); weights follow Bayes' rule, means and
  // covariances the Gaussian conditional. NULL where the values have density 0.
  condition(given) {
    const known = [...given.keys()];
    const rest = this.features.map((_, j) => j).filter((j) => !given.has(j));
    if (known.length === 0) {
      return this;
    }
    const z = known.map((j) => transform(this.chains[j], given.get(j))[0]);
    if (z.some(Number.isNaN)) {
      return null;
    }
    const logs = [];
    const components = this.components.map((c) => {
      const l = cholesky(known.map((i) => known.map((j) => c.covariance[i][j])));
      logs.push(Math.log(c.weight) + logNormal(l, known.map((j) => c.mean[j]), z));
      const y = forward(l, known.map((j, i) => z[i] - c.mean[j]));
      const half = rest.map((r) => forward(l, known.map((j) => c.covariance[r][j]))); // rows: inverse(L) S_Gr
      const dot = (a, b) => a.reduce((sum, v, i) => sum + v * b[i], 0);
      return { ...c, mean: rest.map((r, i) => c.mean[r] + dot(half[i], y)),
        covariance: rest.map((r, i) => rest.map((s, j) => c.covariance[r][s] - dot(half[i], half[j]))) };
    });
    const boxes = this.boxes.map((b) => {
      const inside = known.every((j, i) => within(z[i], b.low[j], b.high[j]));
      const volume = known.reduce((sum, j) => sum + Math.log(b.high[j] - b.low[j]), 0);
      logs.push(inside ? Math.log(b.weight) - volume : -Infinity);
      return { ...b, low: rest.map((j) => b.low[j]), high: rest.map((j) => b.high[j]) };
    });
    const total = logSumExp(logs);
    if (total === -Infinity) {
      return null;
    }
    components.forEach((c, k) => { c.weight = Math.exp(logs[k] - total); });
    boxes.forEach((b, k) => { b.weight = Math.exp(logs[components.length + k] - total); });
    return new Mixture(rest.map((j) => this.features[j]), rest.map((j) => this.chains[j]), components, boxes);
  }

  // A function from a row of all features to its log density in nats, in the units of the data.
  evaluator() {
    const parts = this.components.filter((c) => c.weight > 0)
      .map((c) => ({ log: Math.log(c.weight), mean: c.mean, l: cholesky(c.covariance) }));
    const boxes = this.boxes.filter((b) => b.weight > 0)
      .map((b) => ({ ...b, log: Math.log(b.weight) - b.low.reduce((sum, v, j) => sum + Math.log(b.high[j] - v), 0) }));
    return (x) => {
      const z = [];
      let jacobian = 0;
      for (let j = 0; j < x.length; j++) {
        const [value, slope] = transform(this.chains[j], x[j]);
        if (Number.isNaN(value)) {
          return -Infinity;
        }
        z.push(value);
        jacobian += slope;
      }
      const logs = parts.map((c) => c.log + logNormal(c.l, c.mean, z));
      for (const b of boxes) {
        logs.push(z.every((v, j) => within(v, b.low[j], b.high[j])) ? b.log : -Infinity);
      }
      return logSumExp(logs) + jacobian;
    };
  }

  // P(X <= x) of a mixture of one feature.
  cdf(x) {
    const [z] = transform(this.chains[0], x);
    return this.cdfTransformed(z);
  }

  cdfTransformed(z) {
    let sum = 0;
    for (const c of this.components) {
      sum += c.weight * normalCdf((z - c.mean[0]) / Math.sqrt(c.covariance[0][0]));
    }
    for (const b of this.boxes) {
      sum += b.weight * Math.min(1, Math.max(0, (z - b.low[0]) / (b.high[0] - b.low[0])));
    }
    return sum;
  }

  // The value that so much probability lies below, of a mixture of one feature; by bisection.
  quantile(p) {
    let low = Infinity;
    let high = -Infinity;
    for (const c of this.components.filter((k) => k.weight > 0)) {
      const reach = 40 * Math.sqrt(c.covariance[0][0]);
      low = Math.min(low, c.mean[0] - reach);
      high = Math.max(high, c.mean[0] + reach);
    }
    for (const b of this.boxes.filter((k) => k.weight > 0)) {
      low = Math.min(low, b.low[0]);
      high = Math.max(high, b.high[0]);
    }
    for (let i = 0; i < 200 && high - low > 1e-15 * (Math.abs(low) + Math.abs(high)); i++) {
      const middle = 0.5 * (low + high);
      if (this.cdfTransformed(middle) < p) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return invert(this.chains[0], 0.5 * (low + high));
  }

  // The ellipse that holds a share of a component of two features, mapped back to the units of the data.
  ellipse(k, share, points = 72) {
    const c = this.components[k];
    const l = cholesky(c.covariance);
    const r = Math.sqrt(-2 * Math.log1p(-share));
    return Array.from({ length: points + 1 }, (_, i) => {
      const t = (2 * Math.PI * i) / points;
      const z = [c.mean[0] + r * l[0][0] * Math.cos(t), c.mean[1] + r * (l[1][0] * Math.cos(t) + l[1][1] * Math.sin(t))];
      return [invert(this.chains[0], z[0]), invert(this.chains[1], z[1])];
    });
  }
}
