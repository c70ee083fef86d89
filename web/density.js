// The density of a report behind one face: from parameters of a mixture, or from grids that the library computed.
import { Kernels } from "./kernels.js";
import { Mixture } from "./mixture.js";

const linspace = (low, high, n) => Float64Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1));

// Linear interpolation of values on equally spaced places from low to high; 0 outside.
function interpolate(values, low, high, x) {
  const at = ((x - low) / (high - low)) * (values.length - 1);
  if (!(at >= 0 && at <= values.length - 1)) {
    return 0;
  }
  const i = Math.min(Math.floor(at), values.length - 2);
  return values[i] + (at - i) * (values[i + 1] - values[i]);
}

// Quantiles of a density that is known on places of equal distance.
function gridQuantiles(x, p, shares) {
  const sums = [0];
  for (let i = 1; i < x.length; i++) {
    sums.push(sums[i - 1] + 0.5 * (p[i] + p[i - 1]) * (x[i] - x[i - 1]));
  }
  const total = sums[sums.length - 1];
  return shares.map((share) => {
    const i = sums.findIndex((s) => s >= share * total);
    if (i <= 0) {
      return total > 0 ? x[0] : NaN;
    }
    const part = (share * total - sums[i - 1]) / (sums[i] - sums[i - 1]);
    return x[i - 1] + part * (x[i] - x[i - 1]);
  });
}

// What both kinds share: features, ranges, and lines of values.
class Density {
  constructor(report) {
    this.features = report.shown.map((j) => report.model.columns[j]);
    this.ranges = report.density.ranges;
    this.target = null;
  }

  places(s, n = 241) {
    return linspace(this.ranges[s][0], this.ranges[s][1], n);
  }
}

export class MixtureDensity extends Density {
  constructor(report) {
    super(report);
    this.mixture = Mixture.fromInfo(report.density.model);
    this.given = "any";
  }

  // p(feature s | given): {x, p, quantile}, or null where the given values are impossible.
  line(s, given) {
    const others = new Map([...given].filter(([j]) => j !== s));
    const part = this.mixture.condition(others);
    if (part === null) {
      return null;
    }
    const place = this.features.map((_, j) => j).filter((j) => !others.has(j)).indexOf(s);
    const one = part.marginal([place]);
    const log = one.evaluator();
    const x = this.places(s);
    return { x, p: x.map((v) => Math.exp(log([v]))), at: (v) => Math.exp(log([v])), quantiles: (shares) => shares.map((q) => one.quantile(q)) };
  }

  // p(a, b | given) at the centres of cells: {values, width, height, low, high}.
  pair(a, b, given, side = 72) {
    const others = new Map([...given].filter(([j]) => j !== a && j !== b));
    const part = this.mixture.condition(others);
    if (part === null) {
      return null;
    }
    const left = this.features.map((_, j) => j).filter((j) => !others.has(j));
    const two = part.marginal([left.indexOf(a), left.indexOf(b)]);
    const log = two.evaluator();
    const [xl, xh] = this.ranges[a];
    const [yl, yh] = this.ranges[b];
    const values = new Float64Array(side * side);
    for (let i = 0; i < side; i++) {
      for (let j = 0; j < side; j++) {
        values[i * side + j] = Math.exp(log([xl + ((j + 0.5) / side) * (xh - xl), yl + ((i + 0.5) / side) * (yh - yl)]));
      }
    }
    return { values, side, x: [xl, xh], y: [yl, yh], mixture: two };
  }
}

export class GridDensity extends Density {
  constructor(report) {
    super(report);
    this.grid = report.density;
    this.given = "one";
  }

  pairOf(a, b) {
    return this.grid.pairs.find((p) => (p.x === a && p.y === b) || (p.x === b && p.y === a));
  }

  canGive(s, other) {
    return this.pairOf(s, other) !== undefined;
  }

  // p(s | g = v) is the slice of the joint density of the pair, made to integrate to 1.
  line(s, given) {
    const side = this.grid.side;
    const [g, v] = [...given].find(([j]) => j !== s) ?? [null, null];
    if (g === null) {
      const x = this.places(s, this.grid.line);
      const p = this.grid.lines[s].values;
      return { x, p, at: (w) => interpolate(p, ...this.ranges[s], w), quantiles: (shares) => gridQuantiles(x, p, shares) };
    }
    const pair = this.pairOf(s, g);
    if (!pair) {
      return null;
    }
    const x = this.places(s, side);
    const other = this.ranges[g];
    const p = x.map((_, i) => {
      const column = Array.from({ length: side }, (__, k) => pair.values[pair.x === s ? k * side + i : i * side + k]);
      return interpolate(column, ...other, v);
    });
    const total = p.reduce((sum, w) => sum + w, 0) * (x[1] - x[0]);
    const scaled = p.map((w) => (total > 0 ? w / total : 0));
    return total > 0 ? { x, p: scaled, at: (w) => interpolate(scaled, ...this.ranges[s], w), quantiles: (shares) => gridQuantiles(x, scaled, shares) } : null;
  }

  pair(a, b) {
    const pair = this.pairOf(a, b);
    if (!pair) {
      return null;
    }
    const side = this.grid.side;
    const edge = ([low, high]) => { const half = (high - low) / (side - 1) / 2; return [low - half, high + half]; };
    const values = Float64Array.from({ length: side * side }, (_, k) => {
      const [i, j] = [Math.floor(k / side), k % side];
      return pair.x === a ? pair.values[i * side + j] : pair.values[j * side + i];
    });
    return { values, side, x: edge(this.ranges[a]), y: edge(this.ranges[b]) };
  }
}

// Grids until something is given; then the kernels of the points, by any number of given values.
export class KernelDensity extends GridDensity {
  constructor(report) {
    super(report);
    this.kernels = new Kernels(report.density.kernels, report.density.transform);
    this.given = "any";
  }

  line(s, given) {
    const others = new Map([...given].filter(([j]) => j !== s));
    if (others.size === 0) {
      return super.line(s, others);
    }
    const points = this.kernels.weigh(others);
    if (points === null) {
      return null;
    }
    const at = this.kernels.evaluator(s, points);
    const x = this.places(s, this.kernels.kept > 1000 ? 121 : 241);
    const p = x.map(at);
    return { x, p, at, quantiles: (shares) => gridQuantiles(x, p, shares).map((guess, i) => this.kernels.quantile(s, points, shares[i], guess)) };
  }

  pair(a, b, given, side = 72) {
    const others = new Map([...given].filter(([j]) => j !== a && j !== b));
    const ready = others.size === 0 ? super.pair(a, b) : null;
    const points = ready ? null : this.kernels.weigh(others);
    if (points === null) {
      return ready;
    }
    const centres = ([low, high]) => linspace(low + (high - low) / side / 2, high - (high - low) / side / 2, side);
    return { values: this.kernels.plane(a, b, centres(this.ranges[a]), centres(this.ranges[b]), points), side, x: this.ranges[a], y: this.ranges[b] };
  }
}

// p(target | one input), the other inputs at their medians.
export class ConditionalDensity extends Density {
  constructor(report) {
    super(report);
    this.grid = report.density;
    this.target = this.grid.target;
    this.given = "input";
  }

  inputs() {
    return this.grid.inputs.map((i) => i.feature);
  }

  line(input, v) {
    const { values } = this.grid.inputs.find((i) => i.feature === input);
    const { line, given } = this.grid;
    const x = this.places(this.target, line);
    const p = x.map((_, i) => interpolate(Array.from({ length: given }, (__, g) => values[g * line + i]), ...this.ranges[input], v));
    return { x, p, at: (w) => interpolate(p, ...this.ranges[this.target], w), quantiles: (shares) => gridQuantiles(x, p, shares) };
  }

  // Quantiles of the target along an input: one row a place.
  bands(input, shares) {
    return [...this.places(input, this.grid.given)].map((v) => ({ x: v, q: this.line(input, v).quantiles(shares) }));
  }
}

// P(class | one input), the other inputs at their medians.
export class ClassDensity extends Density {
  constructor(report) {
    super(report);
    this.grid = report.density;
    this.levels = report.model.label.levels;
  }

  inputs() {
    return this.grid.inputs.map((i) => i.feature);
  }

  // The probability of each class where an input has a value.
  at(input, v) {
    const { values } = this.grid.inputs.find((i) => i.feature === input);
    const k = this.levels.length;
    return this.levels.map((_, c) => interpolate(Array.from({ length: this.grid.given }, (__, g) => values[g * k + c]), ...this.ranges[input], v));
  }

  lines(input) {
    return [...this.places(input, this.grid.given)].flatMap((x) => this.at(input, x).map((p, group) => ({ x, p, group })));
  }
}

export function densityOf(report) {
  const kind = report.density.kind;
  return kind === "mixture" ? new MixtureDensity(report) : kind === "grid" ? (report.density.kernels ? new KernelDensity(report) : new GridDensity(report))
    : kind === "conditional" ? new ConditionalDensity(report) : kind === "classes" ? new ClassDensity(report) : null;
}

// The levels whose regions hold these shares of the density on a grid (highest density regions: Hyndman 1996, Am. Stat. 50:120-126).
export function regionLevels(values, shares) {
  const sorted = Float64Array.from(values).sort().reverse();
  const total = sorted.reduce((sum, v) => sum + v, 0);
  let sum = 0;
  let next = 0;
  const levels = [];
  for (const v of sorted) {
    sum += v;
    while (next < shares.length && sum >= shares[next] * total) {
      levels.push(v);
      next++;
    }
  }
  return levels;
}
