// What was fitted and how far to trust it.
import { candidates, pit, quantiles, reliability } from "./charts.js";
import { el, figure, section, table } from "./dom.js";
import { accuracyOf } from "./overview.js";
import { count, number, percent, probability, shorten } from "./format.js";

const GOOD = "good";
const LOOK = "look";
const POOR = "poor";

const worse = (value, look, poor) => (value >= poor ? POOR : value >= look ? LOOK : GOOD);

function verdict(kind, title, text) {
  return el("li", { class: `verdict ${kind}` }, el("span", { class: "badge" }, kind), el("div", {}, el("strong", {}, title), el("span", {}, ` ${text}`)));
}

const judgedName = (report) => (report.trust.judged === "held_out" ? "rows that the fit did not see" : report.trust.same_rows ? "the rows of the fit" : "these rows");

// ---- one line a question ----

function convergence({ model }) {
  if (model.degenerate) {
    return verdict(POOR, "Degenerate.", model.degenerate);
  }
  if (model.converged === null) {
    return null;
  }
  return model.converged ? verdict(GOOD, "Converged", `after ${count(model.iterations, "iteration")}.`)
    : verdict(POOR, "Not converged", `after ${count(model.iterations, "iteration")}: more are needed (--max-iter).`);
}

// Weights are not kept in a model: that it had some shows where their sum is no whole number.
function weights(report) {
  const { n } = report.model;
  return report.weight || n === null || n === undefined || Number.isInteger(n) || report.model.classes ? null
    : verdict(LOOK, "Weights.", `The rows of the fit had weights that sum to ${number(n)}; here each row counts once. If they are these rows, give report --weight COLUMN.`);
}

function heldOut({ model, trust }) {
  if (trust.held_out.rows) {
    const gap = trust.data.mean_log_density - trust.held_out.mean_log_density;
    const error = trust.held_out.standard_error;
    return verdict(trust.held_out.impossible ? POOR : worse(gap / Math.max(error, 1e-12), 3, 6), "Held-out likelihood",
      trust.held_out.impossible ? "Some held-out rows are impossible under the model."
        : `${number(trust.held_out.mean_log_density)} \u00b1 ${number(error, 2)} nats a row on ${count(trust.held_out.rows, "row")} that the fit did not see; ${number(trust.data.mean_log_density)} on the data.`);
  }
  const kept = model.held_out;
  if (trust.data.mean_log_density === undefined && !kept) {
    return null; // there is no likelihood at all
  }
  if (!kept || kept.mean_log_density === null) {
    return verdict(LOOK, "No held-out likelihood.", "What is shown below is measured on the data alone, which flatters a model that was fitted to them: fit with --holdout .2 or --folds 5, or give report --held-out FILE.");
  }
  // With classes the log-likelihood of the fit is that of rows and classes together.
  const inside = model.classes ? (trust.data.rows === model.n ? trust.data.mean_log_density : null) : model.log_likelihood === null ? null : model.log_likelihood / model.n;
  const gap = inside === null ? 0 : inside - kept.mean_log_density;
  return verdict(worse(gap / Math.max(kept.standard_error ?? 0, 1e-12), 3, 6), "Held-out likelihood",
    `${number(kept.mean_log_density)} \u00b1 ${number(kept.standard_error, 2)} nats a row on ${kept.kind === "folds" ? `${count(kept.rows, "row")}, each held out of one of ${kept.folds} fits` : `${count(kept.rows, "held-out row")}`}${inside === null ? "" : `; ${number(inside)} on the rows of the fit`}.`);
}

function coverage({ trust }, report) {
  const e = trust.judged === "held_out" ? trust.held_out : trust.data;
  if (e.coverage_50 === null || e.coverage_50 === undefined) {
    return null;
  }
  const off = Math.max(Math.abs(e.coverage_50 - 0.5), Math.abs(e.coverage_90 - 0.9));
  return verdict(worse(off, 0.05, 0.1), "Regions", `The model's 50% region holds ${percent(e.coverage_50)} of ${judgedName(report)}, its 90% region ${percent(e.coverage_90)}.`);
}

function margins(report) {
  const rows = report.trust.pit.filter((p) => p.distance !== null && p.distance !== undefined);
  if (rows.length === 0) {
    return null;
  }
  const names = report.shown.map((j) => report.model.columns[j]);
  const worst = rows.reduce((a, b) => (b.distance > a.distance ? b : a));
  return verdict(worst.p > 0.05 ? GOOD : worse(worst.distance, 0.05, 0.1), "Margins", `The distribution function of each feature is at most ${number(worst.distance, 2)} off (${names[report.trust.pit.indexOf(worst)]}).`);
}

function predictions(report) {
  const list = report.trust.predictions;
  if (list.length === 0) {
    return null;
  }
  const off = list.map((p) => ({ name: report.model.columns[report.shown[p.feature]], inside: p.shares.find((s) => s[0] === 0.95)[1] - p.shares.find((s) => s[0] === 0.05)[1] }));
  const worst = off.reduce((a, b) => (Math.abs(b.inside - 0.9) > Math.abs(a.inside - 0.9) ? b : a));
  return verdict(worse(Math.abs(worst.inside - 0.9), 0.04, 0.08), "Predictions", `90% intervals of a feature given the others hold ${list.length > 1 ? `between ${percent(Math.min(...off.map((o) => o.inside)))} and ${percent(Math.max(...off.map((o) => o.inside)))}` : percent(worst.inside)} of the values${list.length > 1 ? `; furthest off is ${worst.name}` : ""}.`);
}

function classVerdict({ trust }, report) {
  const e = trust.judged === "held_out" ? trust.held_out : trust.data;
  if ((e.accuracy === null || e.accuracy === undefined) && trust.classes) {
    return verdict(trust.judged === "held_out" ? GOOD : LOOK, "Classes", `${percent(accuracyOf(trust.classes))} of ${count(trust.classes.rows, "labelled row")} get their class (${judgedName(report)}).`);
  }
  return e.accuracy === null || e.accuracy === undefined ? null
    : verdict(trust.judged === "held_out" ? GOOD : LOOK, "Classes", `${percent(e.accuracy)} of ${count(e.labelled, "labelled row")} get their class (${judgedName(report)}); log loss ${number(e.log_loss, 3)} nats, Brier score ${number(e.brier, 3)}.`);
}

function errors(report) {
  const { intervals } = report.trust;
  if (!intervals) {
    return null;
  }
  const far = intervals.distance > 0.5;
  const flat = intervals.condition > 1e8;
  return verdict(far || flat ? LOOK : GOOD, "Standard errors", `exist for all ${count(intervals.parameters, "parameter")}${far ? `, but the fit is ${number(intervals.distance, 2)} standard errors away from its maximum` : ""}${flat ? "; the rows hardly tell some parameters apart" : ""}.`);
}

// ---- figures ----

const multiples = (title, note, figures) => (figures.length ? el("div", { class: "block" }, el("h3", {}, title), note ? el("p", { class: "note" }, note) : null, el("div", { class: "small-multiples" }, figures)) : null);

function pitPart(report) {
  const names = report.shown.map((j) => report.model.columns[j]);
  const list = report.trust.pit.map((p, s) => ({ ...p, name: names[s] })).filter((p) => p.counts && p.counts.some((c) => c > 0));
  return multiples("Probability integral transform", `Where the model is right, P(X \u2264 x) over the rows is flat; the shaded band holds 95 of 100 bars then. A hump means that the model is too wide, a trough too narrow, a slope shifted. The distance is Kolmogorov's, its p that of independent rows${report.trust.same_rows ? "; rows of the fit itself make it too large" : ""}.`,
    list.map((p) => figure(`${shorten(p.name, 30)}: distance ${number(p.distance, 2)}, p ${p.p < 0.0001 ? "" : "= "}${probability(p.p)}`,
      `Histogram of the probability integral transform of ${p.name}; distance from uniform ${number(p.distance, 2)}.`, (width) => pit(width, p.counts, p.counts.reduce((a, b) => a + b, 0)))));
}

function quantilePart(report) {
  const names = report.shown.map((j) => report.model.columns[j]);
  const list = (report.trust.quantiles ?? []).map((q, s) => ({ ...q, name: names[s] })).filter((q) => q.places?.length > 2);
  return multiples("Quantiles of the rows against the model", `From ${count(report.trust.draws ?? 0, "draw")} of the model. On the line where it is right; the band holds 95 of 100 points then.`,
    list.map((q) => figure(shorten(q.name, 34), `Quantile plot of ${q.name}: rows against model.`, (width) => quantiles(width, q.places, q.name))));
}

function predictionPart(report) {
  const list = report.trust.predictions.map((p) => ({ ...p, name: report.model.columns[report.shown[p.feature]] }));
  return multiples("Calibration of predictions", "Each feature predicted from the others: the share of values below each predicted quantile, against its level. On the line where predictions are calibrated.",
    list.map((p) => figure(`${shorten(p.name, 30)}: explains ${p.explained === null ? "\u2013" : percent(Math.max(0, p.explained))} of the variance, typical error ${number(p.error, 3)}`,
      `Calibration of predictions of ${p.name}.`, (width) => reliability(width, p.shares.map(([x, y]) => ({ x, y, r: 3.4, title: `${percent(y)} of the values are below the predicted ${percent(x)} quantile` })), "predicted", "observed", p.rows))));
}

function classPart(report) {
  const { classes } = report.trust;
  if (!classes) {
    return null;
  }
  const levels = report.model.label.levels;
  const chart = figure(`Of rows whose most probable class has such a probability, how many are of it; the larger the dot, the more of the ${count(classes.rows, "row")}`, "Reliability of class probabilities.",
    (width) => reliability(width, classes.bins.map(([n, x, y]) => ({ x, y, r: 2 + 7 * Math.sqrt(n / classes.rows), title: `${count(n, "row")}: predicted ${percent(x)}, right ${percent(y)}` })), "predicted", "right", null), { class: "half" });
  const k = levels.length;
  const rows = classes.confusion.length ? levels.map((l, i) => [shorten(l, 24), ...levels.map((_, j) => count(classes.confusion[i * k + j]))]) : null;
  return el("div", { class: "block" }, el("h3", {}, "Classes"), el("div", { class: "pair" }, chart,
    rows ? table("Rows of each class, by the most probable class under the model", [report.model.label.name, ...levels.map((l) => shorten(l, 16))], rows, levels.map((_, j) => j + 1)) : null));
}

function candidatePart(report) {
  const groups = report.model.classes ?? [{ ...report.model, class: null }];
  const name = report.model.parameters?.criterion ?? "bic";
  const figures = groups.filter((g) => g.selection?.length > 1).slice(0, 6).map((g) => {
    const families = [...new Set(g.selection.map((r) => r.covariance))];
    const rows = g.selection.map((r) => ({ ...r, value: r[name] ?? r.bic ?? null, family: families.indexOf(r.covariance) }));
    rows.forEach((r) => { r.chosen = r.components === g.components && r.covariance === g.covariance; });
    families.forEach((f) => { const own = rows.filter((r) => r.covariance === f && r.value !== null); if (own.length) { own[own.length - 1].last = true; } });
    return figure(`${g.class === null ? "" : `${shorten(g.class, 20)}: `}the ringed one was chosen; hollow ones are degenerate`, `Criterion ${name} of ${rows.length} candidate models.`, (width) => candidates(width, rows, name));
  });
  return figures.length ? el("div", { class: "block" }, el("h3", {}, "How the number of components was chosen"), el("div", { class: "small-multiples wide-ones" }, figures)) : null;
}

function fitTable(report) {
  const { model } = report;
  const value = (v) => (v === true ? "yes" : v === false ? "no" : v === null || v === undefined ? null : typeof v === "number" ? number(v, 6) : String(v));
  const rows = [["method", `${model.method}: ${report.method_summary}`], ["source", report.citation], ["rows (sum of weights)", number(model.n, 8)],
    ["log-likelihood", model.log_likelihood === null ? null : `${number(model.log_likelihood, 6)} nats`], ["free parameters", value(model.free_parameters)],
    ["bic (larger is better)", value(model.bic)], ["aic (larger is better)", value(model.aic)], ["covariance", value(model.covariance)],
    ["kernel", value(model.kernel)], ["bandwidth", Array.isArray(model.bandwidth) ? model.bandwidth.slice(0, 12).map((b) => number(b, 3)).join(", ") : null],
    ["transform", model.transform ? model.columns.map((c, j) => [c, model.transform[j].map((s) => (Array.isArray(s) ? s[0] : s)).join(", then ")]).filter(([, t]) => t).slice(0, 12).map(([c, t]) => `${t} of ${shorten(c, 20)}`).join("; ") : null],
    ["settings", Object.entries(model.parameters).filter(([, v]) => v !== null).map(([k, v]) => `${k} ${value(v)}`).join(", ")],
    ["remarks", model.remarks?.length ? model.remarks.join("; ") : null]].filter(([, v]) => v !== null && v !== "");
  return table("What was fitted", ["", ""], rows).querySelector("table");
}

export function trustSection(report) {
  const lines = [convergence(report), weights(report), heldOut(report), coverage(report, report), margins(report), predictions(report), classVerdict(report, report), errors(report)].filter(Boolean);
  const fitted = fitTable(report);
  fitted.querySelector("thead").remove();
  const absent = Object.entries(report.absent).filter(([part]) => ["likelihood", "pit", "quantiles", "predictions", "classes", "intervals"].includes(part));
  return section("trust", "What was fitted, and how far to trust it",
    el("ul", { class: "verdicts" }, lines),
    el("p", { class: "note" }, `Judged on ${judgedName(report)}${report.trust.sampled ? ", of which some were chosen at random" : ""}. "look" and "poor" mark what is more than 5 and 10 points of percent off (predictions: 4 and 8), or 3 and 6 standard errors; a margin is good too where chance explains it (p above .05).`),
    el("details", {}, el("summary", {}, "The fit in numbers"), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "the fit in numbers" }, fitted)),
    candidatePart(report), classPart(report), pitPart(report), quantilePart(report), predictionPart(report),
    absent.length ? el("details", {}, el("summary", {}, "What is not shown, and why"), el("ul", {}, absent.map(([part, reason]) => el("li", {}, el("strong", {}, `${PARTS[part]}: `), reason)))) : null);
}

const PARTS = { likelihood: "likelihood", pit: "probability integral transform", quantiles: "quantiles", predictions: "calibration of predictions", classes: "classes", intervals: "standard errors" };
