// The density that the page evaluates against the library's: joint, marginal and conditional log densities, and quantiles, to 1e-9.
// node density_values.mjs LIKELY SOURCE; ends with "N passed, N failed".
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [likely, source] = process.argv.slice(2);
const { densityOf, regionLevels } = await import(pathToFileURL(join(source, "web", "density.js")));
const { normalCdf } = await import(pathToFileURL(join(source, "web", "mixture.js")));
const folder = mkdtempSync(join(tmpdir(), "likely-values-"));
const place = (name) => join(folder, name);
const data = (name) => join(source, "examples", "data", name);
const TOLERANCE = 1e-9;

let passed = 0;
let failed = 0;

function run(...words) {
  return execFileSync(likely, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
}

function column(csv, name) {
  const [head, ...rows] = csv.trim().split("\n").map((line) => line.split(","));
  return rows.map((row) => Number(row[head.indexOf(name)].replace("inf", "Infinity")));
}

// The largest difference relative to max(1, |wanted|); equal infinities count as none.
function compare(what, got, wanted) {
  const worst = wanted.reduce((most, w, i) => (w === got[i] ? most : Math.max(most, Math.abs(got[i] - w) / Math.max(1, Math.abs(w)))), 0);
  const good = wanted.length > 0 && got.length === wanted.length && worst <= TOLERANCE;
  passed += good ? 1 : 0;
  failed += good ? 0 : 1;
  console.log(`${good ? "ok" : "FAILED"}: ${what}: ${wanted.length} values, largest difference ${worst.toExponential(1)}`);
}

// Rows of a file and rows beyond it, without a random generator: each value moved by some multiples of the column's spread.
function rowsOf(csv, names) {
  const columns = names.map((n) => column(csv, n));
  const spread = columns.map((c) => Math.max(...c) - Math.min(...c));
  const rows = [];
  columns[0].forEach((_, i) => {
    rows.push(columns.map((c) => c[i]));
    if (i % 5 === 0) {
      rows.push(columns.map((c, j) => c[i] + spread[j] * ((((i * 7 + j * 3) % 11) - 5) / 3)));
    }
  });
  return rows;
}

function write(name, names, rows) {
  writeFileSync(place(name), `${names.join(",")}\n${rows.map((r) => r.join(",")).join("\n")}\n`);
  return place(name);
}

function check(title, csv, fit, { names, given }) {
  const model = place("m.lk");
  run("fit", csv, ...fit, "-q", "-o", model);
  const report = JSON.parse(run("report", model, csv, "--json", "-q"));
  const density = densityOf(report);
  const rows = rowsOf(readFileSync(csv, "utf8"), names);
  const file = write("rows.csv", names, rows);
  const order = density.features.map((f) => names.indexOf(f));
  const inOrder = rows.map((r) => order.map((j) => r[j]));
  const log = density.mixture.evaluator();
  compare(`${title}: joint`, inOrder.map(log), column(run("density", model, file, "-q"), "log_density"));
  for (let s = 0; s < density.features.length; s++) {
    const part = place("part.lk");
    run("marginal", model, "--features", density.features[s], "-q", "-o", part);
    const one = density.mixture.marginal([s]).evaluator();
    compare(`${title}: marginal of ${density.features[s]}`, inOrder.map((r) => one([r[s]])), column(run("density", part, file, "-q"), "log_density"));
  }
  for (const known of given) {
    const part = place("part.lk");
    run("condition", model, "--given", Object.entries(known).map(([k, v]) => `${k}=${v}`).join(","), "-q", "-o", part);
    const map = new Map(Object.entries(known).map(([k, v]) => [density.features.indexOf(k), v]));
    const rest = density.features.map((_, j) => j).filter((j) => !map.has(j));
    const evaluate = density.mixture.condition(map).evaluator();
    compare(`${title}: given ${Object.keys(known).join(", ")}`, inOrder.map((r) => evaluate(rest.map((j) => r[j]))), column(run("density", part, file, "-q"), "log_density"));
    const single = write("one.csv", Object.keys(known), [Object.values(known)]);
    const target = density.features[rest[0]];
    const predicted = run("predict", model, single, "--target", target, "--quantiles", ".05,.5,.95", "-q");
    compare(`${title}: quantiles of ${target} given ${Object.keys(known).join(", ")}`, density.line(rest[0], map).quantiles([0.05, 0.5, 0.95]),
      ["_q0.05", "_q0.5", "_q0.95"].map((q) => column(predicted, target + q)[0]));
  }
}

// The middles of n equal parts.
const linspace = (low, high, n) => Array.from({ length: n }, (_, i) => low + ((i + 0.5) / n) * (high - low));

// Kernel densities: what follows from any number of given values, one feature at a time, and a pair of features where two are left.
function checkKernels(title, csv, fit, { names, given, predicts = false }) {
  const model = place("m.lk");
  run("fit", csv, "-m", "kde", ...fit, "-q", "-o", model);
  const density = densityOf(JSON.parse(run("report", model, csv, "--json", "-q")));
  const rows = rowsOf(readFileSync(csv, "utf8"), names);
  const file = write("rows.csv", names, rows);
  for (const known of given) {
    const [part, single] = [place("part.lk"), place("single.lk")];
    run("condition", model, "--given", Object.entries(known).map(([k, v]) => `${k}=${v}`).join(","), "-q", "-o", part);
    const map = new Map(Object.entries(known).map(([k, v]) => [density.features.indexOf(k), v]));
    const rest = density.features.map((_, j) => j).filter((j) => !map.has(j));
    const words = `${title}: given ${Object.keys(known).join(", ")}`;
    rest.forEach((j) => {
      const name = density.features[j];
      run("marginal", part, "--features", name, "-q", "-o", single);
      const at = density.line(j, map).at;
      compare(`${words}: ${name}`, rows.map((r) => at(r[names.indexOf(name)])), column(run("density", single, file, "-q"), "log_density").map(Math.exp));
    });
    const one = write("one.csv", Object.keys(known), [Object.values(known)]);
    if (predicts) {
      const name = density.features[rest[0]];
      const predicted = run("predict", model, one, "--target", name, "--quantiles", ".05,.5,.95", "-q");
      compare(`${words}: quantiles of ${name}`, density.line(rest[0], map).quantiles([0.05, 0.5, 0.95]), ["_q0.05", "_q0.5", "_q0.95"].map((q) => column(predicted, name + q)[0]));
    } else { // the density, which is the library's, between two quantiles
      const { at, quantiles } = density.line(rest[0], map);
      const [low, middle, high] = quantiles([0.05, 0.5, 0.95]);
      const mass = (a, b, n = 2000) => (linspace(a, b, n).reduce((sum, x) => sum + at(x), 0) * (b - a)) / n;
      const parts = [mass(low, middle), mass(middle, high)];
      const good = parts.every((m) => Math.abs(m - 0.45) < 1e-4);
      console.log(`${good ? "ok" : "FAILED"}: ${words}: mass between quantiles: ${parts}`);
      passed += good ? 1 : 0;
      failed += good ? 0 : 1;
    }
    if (rest.length === 2) {
      const [a, b] = rest;
      const { values, side, x, y } = density.pair(a, b, map, 24);
      const at = ([low, high], i) => low + ((i + 0.5) / side) * (high - low);
      const cells = write("cells.csv", [density.features[a], density.features[b]], [...values].map((_, k) => [at(x, k % side), at(y, Math.floor(k / side))]));
      compare(`${words}: the pair`, [...values], column(run("density", part, cells, "-q"), "log_density").map(Math.exp));
    }
  }
}

try {
  const faithful = { names: ["eruptions", "waiting"], given: [{ eruptions: 2 }, { waiting: 80 }] };
  check("two components", data("faithful.csv"), ["-k", "2"], faithful);
  check("logarithm, noise", data("faithful.csv"), ["-k", "2", "--transform", "log:eruptions", "--noise"], faithful);
  check("asinh, standardized, square root", data("faithful.csv"), ["-k", "3", "--covariance", "diag", "--transform", "asinh:eruptions,sqrt:waiting,standardize"], faithful);
  const shares = write("shares.csv", ["share", "waiting"], rowsOf(readFileSync(data("faithful.csv"), "utf8"), ["eruptions", "waiting"]).filter((r) => r[0] > 0.1 && r[0] < 5.9).map((r) => [r[0] / 6, r[1]]));
  check("logit", shares, ["-k", "2", "--transform", "logit:share"], { names: ["share", "waiting"], given: [{ share: 0.4 }] });
  const iris = ["Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"];
  check("classes", data("iris.csv"), ["--label", "Species", "-k", "2"], { names: iris, given: [{ "Petal.Length": 4.9 }, { "Sepal.Width": 3, "Petal.Width": 1.5 }, { "Sepal.Length": 6, "Sepal.Width": 3, "Petal.Width": 1.5 }] });
  const some = [{ "Petal.Length": 4.9 }, { "Sepal.Width": 3, "Petal.Width": 1.5 }, { "Sepal.Length": 6, "Sepal.Width": 3, "Petal.Width": 1.5 }];
  checkKernels("kernels", data("iris.csv"), ["--ignore", "Species"], { names: iris, given: some, predicts: true });
  checkKernels("kernels by class, transformed", data("iris.csv"), ["--label", "Species", "--transform", "log:Petal.Length,standardize", "--bandwidth", "0.4"], { names: iris, given: some.slice(0, 2), predicts: true });
  checkKernels("kernels between ends", data("faithful.csv"), ["--bounds", "eruptions=1.5:5.5,waiting=40:", "--kernel", "epanechnikov", "--bandwidth", "1,20"], { names: faithful.names, given: faithful.given });
  for (const kernel of ["laplace", "matern32", "matern52", "cauchy", "biweight", "triweight", "tricube", "cosine", "box", "triangle"]) {
    checkKernels(`kernel ${kernel}`, data("faithful.csv"), ["--kernel", kernel, "--bandwidth", "0.5,6"], { names: faithful.names, given: faithful.given.slice(0, 1) });
  }
  // The normal distribution function against values of Abramowitz and Stegun (1964), table 26.1 (15 decimals there), and its tails.
  compare("normal distribution function", [0, 1, 2, 3, -5].map(normalCdf), [0.5, 0.841344746068543, 0.977249868051821, 0.998650101968370, 2.866515718791939e-7]);
  // Regions of the standard normal of two dimensions: the level that holds a share p is (1 - p) times the largest density.
  const side = 400;
  const values = Float64Array.from({ length: side * side }, (_, k) => { const [x, y] = [k % side, Math.floor(k / side)].map((i) => ((i + 0.5) / side) * 16 - 8); return Math.exp(-0.5 * (x * x + y * y)); });
  const levels = regionLevels(values, [0.5, 0.9]);
  const close = Math.abs(levels[0] - 0.5) < 0.002 && Math.abs(levels[1] - 0.1) < 0.002;
  console.log(`${close ? "ok" : "FAILED"}: regions of a normal: ${levels}`);
  passed += close ? 1 : 0;
  failed += close ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
