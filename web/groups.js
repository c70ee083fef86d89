// The components of a mixture, and the strangest rows.
import { colour, profile } from "./charts.js";
import { el, figure, section, table } from "./dom.js";
import { count, number, percent, probability, shorten } from "./format.js";
import { Mixture, invert } from "./mixture.js";

function moments(report, place) {
  const column = report.table.columns.find((c) => c.name === report.model.columns[report.shown[place]]);
  return column ? { mean: column.mean, sd: column.sd } : null;
}

export function componentSection(report, density) {
  const mixture = density?.mixture;
  if (!mixture || mixture.components.length < 1) {
    return null;
  }
  const { features, chains } = mixture;
  const classes = report.model.classes;
  const order = mixture.components.map((c, k) => ({ ...c, k })).sort((a, b) => b.weight - a.weight);
  const told = order.slice(0, 60);
  const errors = classes ? null : report.trust.intervals?.items;
  const errorOf = (k, feature) => errors?.find((i) => i.group === k && i.feature === feature)?.standard_error ?? null;
  const withError = (text, error) => (error === null || error === undefined ? text : el("span", {}, text, el("span", { class: "error" }, ` \u00b1 ${number(error, 2)}`)));
  const curved = (j) => chains[j].some((s) => !Array.isArray(s) && s !== "identity");
  const name = (c) => (classes ? `${shorten(c.label, 18)} ${classes.length === mixture.components.length ? "" : c.number}`.trim() : String(c.k));
  const rows = told.map((c) => [el("span", {}, el("span", { class: "swatch", style: `background:${colour(c.k)}` }), name(c)), withError(percent(c.weight), errors ? 100 * errorOf(c.k, null) : null),
    ...features.map((_, j) => { const sd = Math.sqrt(c.covariance[j][j]); const affine = !curved(j); const scale = affine ? invert(chains[j], 1) - invert(chains[j], 0) : 1;
      return el("span", {}, withError(number(invert(chains[j], c.mean[j])), affine && errorOf(c.k, j) !== null ? errorOf(c.k, j) * scale : null),
        el("span", { class: "tiny" }, affine ? `sd ${number(sd * scale, 3)}` : `68%: ${number(invert(chains[j], c.mean[j] - sd), 3)} to ${number(invert(chains[j], c.mean[j] + sd), 3)}`)); })]);
  mixture.boxes.filter((b) => b.weight > 0).forEach((b) => rows.push([b.label ? `${b.label}, noise` : "noise", percent(b.weight),
    ...features.map((_, j) => `${number(invert(chains[j], b.low[j]), 3)} to ${number(invert(chains[j], b.high[j]), 3)}`)]));
  const cells = told.flatMap((c, i) => features.map((_, j) => { const m = moments(report, j); const mean = invert(chains[j], c.mean[j]); return { component: i, feature: j, mean, z: m && m.sd > 0 ? (mean - m.mean) / m.sd : 0 }; }));
  const heat = features.length > 2 && told.length > 1
    ? figure("Means; the stronger the colour, the more standard deviations of the rows above (blue) or below (orange) their mean", "Means of the components against the whole.", (width) => profile(width, cells, features, told.map(name)), { class: "wide" }) : null;
  const left = order.length - told.length;
  return section("components", classes ? "Classes and their components" : mixture.components.length === 1 ? "The component" : "The components",
    table(`Weight, and ${features.some((_, j) => curved(j)) ? "centre" : "mean"} of each feature${errors ? ", \u00b1 a standard error," : ""} with its spread below`, [classes ? "component" : "component", "weight", ...features.map((f) => shorten(f, 22))], rows, features.map((_, j) => j + 2).concat([1])),
    report.absent.intervals ? el("p", { class: "note" }, `Without standard errors: ${report.absent.intervals}.`) : null,
    left > 0 ? el("p", { class: "note" }, `${count(left, "lighter component")} are not listed.`) : null, heat);
}

function reasonText(reason, conditional) {
  const z = (reason.value - reason.mean) / reason.sd;
  return el("li", {}, el("strong", {}, `${shorten(reason.feature, 26)} = ${number(reason.value)}`), ` is ${number(Math.abs(z), 2)} sd ${z > 0 ? "above" : "below"} ${conditional ? "what the other values say" : "the mean"}: ${number(reason.mean)} \u00b1 ${number(reason.sd, 3)}`);
}

const REFERENCES = { rows: "held-out rows", kept: "rows held out at the fit", draws: "draws of the model" };

export function strangeSection(report) {
  const { strange } = report;
  if (!strange.rows?.length) {
    return null;
  }
  const named = strange.rows.some((r) => r.name !== undefined);
  const ranked = strange.rows.some((r) => r.p !== null);
  const head = ["row", ...(named ? ["name"] : []), "log density, nats", ...(ranked ? ["p"] : []), "why"];
  const rows = strange.rows.map((r) => [count(r.row), ...(named ? [typeof r.name === "number" ? number(r.name, 8) : shorten(String(r.name ?? "\u2013"), 30)] : []),
    r.log_density === null ? "impossible" : number(r.log_density), ...(ranked ? [probability(r.p)] : []),
    r.reasons.length ? el("ul", { class: "reasons" }, r.reasons.map((reason) => reasonText(reason, strange.conditional))) : "\u2013"]);
  const least = 1 / ((strange.reference_rows ?? 0) + 1);
  const expected = ranked ? ` p is the share of ${count(strange.reference_rows)} ${REFERENCES[strange.reference]} at least as strange (not below ${number(least, 2)}). Of ${count(strange.scored, "row")} the strangest has a p near ${number(1 / strange.scored, 1)} by chance alone.` : "";
  const gaps = strange.left_out > 0 ? ` ${count(strange.left_out, "row")} with missing values are not ranked.` : "";
  return section("strange", "The strangest rows", el("p", { class: "note" }, `${report.target ? `Those whose ${report.target} the model found least likely given the others.` : "Those of the least density."}${expected}${gaps}`),
    table("The strangest rows, and which of their values make them so", head, rows, (named ? [2] : [1]).concat(ranked ? [named ? 3 : 2] : []), true));
}
