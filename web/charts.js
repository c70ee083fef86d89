// The figures of a report, by Observable Plot. Each takes a width and gives an SVG.
import * as Plot from "@observablehq/plot";
import { regionLevels } from "./density.js";
import { number, shorten, tickFormat } from "./format.js";

export const REGIONS = [0.5, 0.75, 0.9, 0.95, 0.99];
const FONT = { fontSize: "12px", background: "none", fontFamily: "inherit", overflow: "visible" };

export const colour = (group) => (group === null || group === undefined || group < 0 ? "var(--muted)" : `var(--c${group % 8})`);

function axis(label, [low, high], ticks) {
  return { label: shorten(label, 40), domain: [low, high], tickFormat: tickFormat(low, high), ticks, labelAnchor: "center", labelArrow: "none" };
}

function regions(grid) {
  const levels = [...new Set(regionLevels(grid.values, REGIONS))].filter((t) => t > 0);
  return levels.map((t) => Plot.contour(grid.values, {
    width: grid.side, height: grid.side, x1: grid.x[0], x2: grid.x[1], y1: grid.y[0], y2: grid.y[1], value: Plot.identity,
    thresholds: [t], fill: "var(--accent)", fillOpacity: 0.13, stroke: "var(--accent)", strokeOpacity: 0.65, strokeWidth: 1, clip: true,
  }));
}

// Two features: regions of the density, points, ellipses of components, lines of given values.
export function plane(width, options) {
  const { grid, x, y, points = [], ellipses = [], radius = 2 } = options;
  const height = Math.round(Math.min(options.height ?? 520, Math.max(width * 0.78, 200)));
  const ticks = width < 300 ? 3 : width < 500 ? 4 : 6;
  return Plot.plot({
    width, height, style: FONT, marginLeft: width < 300 ? 42 : 56, marginBottom: 40, marginRight: 12, marginTop: 10,
    x: axis(x.label, x.range, ticks), y: { ...axis(y.label, y.range, ticks), labelAnchor: "center" }, color: { type: "identity" },
    marks: [
      grid ? regions(grid) : [],
      Plot.dot(points, { x: "x", y: "y", r: radius, fill: (d) => (d.group === null ? "var(--ink)" : colour(d.group)), fillOpacity: options.pointOpacity ?? 0.55, clip: true }),
      ellipses.map((e) => Plot.line(e.path, { x: "0", y: "1", stroke: colour(e.group), strokeWidth: 1.6, clip: true })),
      Plot.dot(ellipses, { x: "cx", y: "cy", symbol: "cross", r: 4, stroke: (e) => colour(e.group), strokeWidth: 2, clip: true }),
      Plot.frame({ stroke: "var(--line)" }),
    ],
  });
}

// One feature: its density over the histogram of the rows; `faint` is the density before values were given.
export function curve(width, options) {
  const { line, faint, bars = [], x } = options;
  const parts = (options.parts ?? []).map((p) => Plot.line(p.p.map((v, i) => [p.x[i], v]), { stroke: colour(p.group), strokeWidth: 1.3 }));
  const top = Math.max(...[line, faint].filter(Boolean).map((l) => Math.max(...l.p)), ...bars.map((b) => b.y), 1e-300);
  return Plot.plot({
    width, height: options.height ?? 340, style: FONT, marginLeft: 62, marginBottom: 40, marginRight: 12, marginTop: 12,
    x: axis(x.label, x.range, width < 400 ? 4 : 8),
    y: { label: options.yLabel ?? "density", domain: [0, top * 1.05], ticks: 4, tickFormat: top >= 1e4 || top < 1e-2 ? "~e" : undefined, labelArrow: "none", labelAnchor: "center" },
    marks: [
      Plot.rectY(bars, { x1: "x1", x2: "x2", y: "y", fill: "var(--bar)", inset: 0.4, clip: true }),
      faint ? Plot.line(faint.p.map((v, i) => [faint.x[i], v]), { stroke: "var(--muted)", strokeDasharray: "4 3" }) : [],
      parts,
      line ? [Plot.areaY([...line.p].map((v, i) => [line.x[i], v]), { x: "0", y: "1", fill: "var(--accent)", fillOpacity: bars.length ? 0.08 : 0.18 }),
        Plot.line([...line.p].map((v, i) => [line.x[i], v]), { stroke: "var(--accent)", strokeWidth: 2 })] : [],
      options.mark !== undefined ? Plot.ruleX([options.mark], { stroke: "var(--accent2)", strokeWidth: 2, clip: true }) : [],
      Plot.ruleY([0], { stroke: "var(--line)" }),
    ],
  });
}

// A density without axes, above a slider.
export function spark(width, { line, faint, range, mark, height = 54 }) {
  const top = Math.max(...[line, faint].filter(Boolean).map((l) => Math.max(...l.p)), 1e-300);
  return Plot.plot({
    width, height, style: FONT, margin: 2, marginLeft: 8, marginRight: 8, axis: null, x: { domain: range }, y: { domain: [0, top * 1.05] },
    marks: [
      faint ? Plot.areaY([...faint.p].map((v, i) => [faint.x[i], v]), { x: "0", y: "1", fill: "var(--bar)" }) : [],
      line ? [Plot.areaY([...line.p].map((v, i) => [line.x[i], v]), { x: "0", y: "1", fill: "var(--accent)", fillOpacity: 0.25 }),
        Plot.line([...line.p].map((v, i) => [line.x[i], v]), { stroke: "var(--accent)", strokeWidth: 1.8 })] : [],
      mark !== undefined ? Plot.ruleX([mark], { stroke: "var(--accent2)", strokeWidth: 2.5, clip: true }) : [],
      Plot.ruleY([0], { stroke: "var(--line)" }),
    ],
  });
}

// Bands of quantiles of a target along an input, over the rows.
export function bands(width, { rows, x, y, points, mark }) {
  const band = (low, high, opacity) => Plot.areaY(rows, { x: "x", y1: (r) => r.q[low], y2: (r) => r.q[high], fill: "var(--accent)", fillOpacity: opacity, clip: true });
  return Plot.plot({
    width, height: Math.round(Math.min(480, Math.max(width * 0.7, 220))), style: FONT, marginLeft: 56, marginBottom: 40, marginRight: 12,
    x: axis(x.label, x.range, width < 400 ? 4 : 6), y: axis(y.label, y.range, 6),
    marks: [
      Plot.dot(points, { x: "x", y: "y", r: 2, fill: "var(--muted)", fillOpacity: 0.4, clip: true }),
      band(0, 4, 0.18), band(1, 3, 0.24),
      Plot.line(rows, { x: "x", y: (r) => r.q[2], stroke: "var(--accent)", strokeWidth: 2, clip: true }),
      mark !== undefined ? Plot.ruleX([mark], { stroke: "var(--accent2)", strokeWidth: 2 }) : [],
      Plot.frame({ stroke: "var(--line)" }),
    ],
  });
}

// Probabilities of classes along an input.
export function classLines(width, { rows, levels, x, mark }) {
  return Plot.plot({
    width, height: Math.round(Math.min(420, Math.max(width * 0.6, 220))), style: FONT, marginLeft: 56, marginBottom: 40, marginRight: 12, marginTop: 12,
    x: axis(x.label, x.range, width < 400 ? 4 : 6), y: { label: "probability", domain: [0, 1], ticks: 5, tickFormat: "%", labelAnchor: "center", labelArrow: "none" }, color: { type: "identity" },
    marks: [
      Plot.line(rows, { x: "x", y: "p", z: "group", stroke: (r) => colour(r.group), strokeWidth: 2.2, title: (r) => levels[r.group] }),
      mark !== undefined ? Plot.ruleX([mark], { stroke: "var(--ink)", strokeWidth: 1.5 }) : [],
      Plot.frame({ stroke: "var(--line)" }),
    ],
  });
}

// Bars of a histogram: from {low, width, counts}; heights are counts, or densities where a total is given.
export function barsOf(histogram, total) {
  return histogram.counts.map((n, i) => ({ x1: histogram.low + i * histogram.width, x2: histogram.low + (i + 1) * histogram.width,
    y: total ? n / total / histogram.width : n }));
}

export function tinyBars(width, bars, height = 34) {
  return Plot.plot({ width, height, margin: 1, axis: null, style: { background: "none" },
    marks: [Plot.rectY(bars, { x1: "x1", x2: "x2", y: "y", fill: "var(--accent)", fillOpacity: 0.75, inset: 0.2 })] });
}

// The probability integral transform of one feature: flat where the model is right.
export function pit(width, counts, n) {
  const bars = counts.map((c, i) => ({ x1: i / counts.length, x2: (i + 1) / counts.length, y: (c / n) * counts.length }));
  const reach = 1.96 * Math.sqrt(((counts.length - 1) / n));
  return Plot.plot({
    width, height: 150, style: FONT, marginLeft: 34, marginBottom: 36, marginTop: 8, marginRight: 14,
    x: { label: "P(X \u2264 x)", domain: [0, 1], ticks: 3, labelAnchor: "center", labelArrow: "none" },
    y: { label: null, domain: [0, Math.max(1.6, ...bars.map((b) => b.y))], ticks: 3 },
    marks: [
      Plot.rectY(bars, { x1: "x1", x2: "x2", y: "y", fill: "var(--bar)", inset: 0.3 }),
      Plot.rect([0], { x1: 0, x2: 1, y1: Math.max(0, 1 - reach), y2: 1 + reach, fill: "var(--accent)", fillOpacity: 0.15 }),
      Plot.ruleY([1], { stroke: "var(--accent)", strokeWidth: 1.5 }), Plot.ruleY([0], { stroke: "var(--line)" }),
    ],
  });
}

// Quantiles of the rows against those of the model: on the diagonal where the model is right.
export function quantiles(width, places, label) {
  const rows = places.map(([p, data, model, low, high]) => ({ p, data, model, low, high }));
  const range = [Math.min(...rows.map((r) => Math.min(r.data, r.low))), Math.max(...rows.map((r) => Math.max(r.data, r.high)))];
  const same = rows.length ? [[range[0], range[0]], [range[1], range[1]]] : [];
  const ticks = { domain: range, ticks: 4, tickFormat: tickFormat(...range), labelAnchor: "center", labelArrow: "none" };
  return Plot.plot({
    width, height: Math.round(Math.min(240, width * 0.85)), style: FONT, marginLeft: 58, marginBottom: 38, marginTop: 8, marginRight: 14,
    x: { ...ticks, label: "model" }, y: { ...ticks, label: "rows" },
    marks: [
      Plot.areaY(rows, { x: "model", y1: "low", y2: "high", fill: "var(--accent)", fillOpacity: 0.18 }),
      Plot.line(same, { stroke: "var(--accent)" }),
      Plot.dot(rows, { x: "model", y: "data", r: 2.6, fill: "var(--ink)", title: (r) => `${label}: ${number(100 * r.p, 3)}% of the rows are at most ${number(r.data)}` }),
      Plot.frame({ stroke: "var(--line)" }),
    ],
  });
}

// Shares against what they should be: on the diagonal where predictions are calibrated. rows: {x, y, r, title}; n: rows behind each share.
export function reliability(width, rows, xLabel, yLabel, n) {
  const band = Array.from({ length: 41 }, (_, i) => ({ p: i / 40 })).map((r) => ({ ...r, reach: 1.96 * Math.sqrt((r.p * (1 - r.p)) / n) }));
  const ends = { domain: [0, 1], ticks: 4, tickFormat: "%", labelAnchor: "center", labelArrow: "none" };
  return Plot.plot({
    width, height: Math.round(Math.min(260, width * 0.85)), style: FONT, marginLeft: 58, marginBottom: 38, marginTop: 10, marginRight: 22,
    x: { ...ends, label: xLabel }, y: { ...ends, label: yLabel }, r: { type: "identity" },
    marks: [
      n ? Plot.areaY(band, { x: "p", y1: (r) => Math.max(0, r.p - r.reach), y2: (r) => Math.min(1, r.p + r.reach), fill: "var(--accent)", fillOpacity: 0.18 }) : [],
      Plot.line([[0, 0], [1, 1]], { stroke: "var(--accent)" }),
      n ? Plot.line(rows, { x: "x", y: "y", stroke: "var(--ink)", strokeOpacity: 0.5 }) : [],
      Plot.dot(rows, { x: "x", y: "y", r: "r", fill: "var(--ink)", fillOpacity: n ? 1 : 0.7, title: (r) => r.title }),
      Plot.frame({ stroke: "var(--line)" }),
    ],
  });
}

// The criterion of each candidate of a fit against its number of components.
export function candidates(width, rows, label) {
  const usable = rows.filter((r) => r.value !== null);
  const best = usable.filter((r) => r.chosen)[0];
  return Plot.plot({
    width, height: 260, style: FONT, marginLeft: 66, marginBottom: 40, marginTop: 12, marginRight: 50,
    x: { label: "components", labelAnchor: "center", labelArrow: "none", ticks: [...new Set(usable.map((r) => r.components))].slice(0, 20), tickFormat: "d" },
    y: { label: `${label} (larger is better)`, labelAnchor: "center", labelArrow: "none", ticks: 5, tickFormat: "~s" }, color: { type: "identity" },
    marks: [
      Plot.line(usable, { x: "components", y: "value", z: "covariance", stroke: (r) => colour(r.family), strokeWidth: 1.5 }),
      Plot.dot(usable, { x: "components", y: "value", r: 3, fill: (r) => (r.degenerate ? "var(--card)" : colour(r.family)), stroke: (r) => colour(r.family) }),
      Plot.text(usable.filter((r) => r.last), { x: "components", y: "value", text: "covariance", dx: 6, textAnchor: "start", fill: "var(--ink)" }),
      best ? Plot.dot([best], { x: "components", y: "value", r: 7, stroke: "var(--accent2)", strokeWidth: 2 }) : [],
    ],
  });
}

// Means of components against the whole, in standard deviations of the rows.
export function profile(width, cells, features, components) {
  const wide = Math.max(34, Math.min(90, (width - 130) / features.length));
  const most = Math.max(1, ...cells.map((c) => Math.abs(c.z)));
  return Plot.plot({
    width, height: 60 + 24 * components.length, style: FONT, marginLeft: 104, marginTop: 46, marginBottom: 4, marginRight: 10,
    x: { domain: features.map((_, i) => i), axis: "top", label: null, tickFormat: (i) => shorten(features[i], Math.max(5, Math.floor(wide / 7))), tickRotate: wide < 70 ? -30 : 0, tickSize: 0 },
    y: { domain: components.map((_, i) => i), label: null, tickFormat: (i) => shorten(components[i], 15), tickSize: 0 },
    marks: [
      Plot.cell(cells, { x: "feature", y: "component", inset: 1, rx: 3, fill: (c) => (c.z >= 0 ? "var(--accent)" : "var(--accent2)"), fillOpacity: (c) => Math.abs(c.z) / most * 0.75 }),
      Plot.text(cells, { x: "feature", y: "component", text: (c) => number(c.mean, wide < 50 ? 2 : 3), fill: "var(--ink)" }),
    ],
    color: { type: "identity" }, opacity: { type: "identity" },
  });
}

// Which values are missing together: a row a pattern.
export function patterns(width, { columns, rows }) {
  const left = 120;
  const cells = rows.flatMap((r, i) => columns.map((_, j) => ({ x: j, y: i, missing: r.columns.includes(j) })));
  return Plot.plot({
    width, height: 84 + 24 * rows.length, style: FONT, marginLeft: left, marginTop: 78, marginRight: 50, marginBottom: 4, color: { type: "identity" },
    x: { domain: columns.map((_, j) => j), axis: "top", label: null, tickFormat: (j) => shorten(columns[j], 14), tickRotate: -35, tickSize: 0 },
    y: { domain: rows.map((_, i) => i), label: null, tickFormat: (i) => rows[i].label, tickSize: 0 },
    marks: [Plot.cell(cells, { x: "x", y: "y", inset: 1.5, rx: 3, fill: (c) => (c.missing ? "var(--accent2)" : "var(--bar)") })],
  });
}
