// The opening of a report and what the data are: columns, their shapes, what is missing.
import { barsOf, patterns, tinyBars } from "./charts.js";
import { el, figure, section, table } from "./dom.js";
import { count, number, percent, shorten } from "./format.js";

const ROLES = { feature: "feature", target: "what is predicted", label: "class", id: "row names", weight: "weights", "": "not used" };

function method(report) {
  const { model } = report;
  const parts = model.classes ? `, ${count(model.classes.length, "class", "classes")}` : model.components ? `, ${count(model.components, "component")}` : "";
  return `${report.method_summary}${parts}`;
}

export function accuracyOf({ confusion, bins, rows }) {
  const k = Math.sqrt(confusion.length);
  return k > 0 ? confusion.filter((_, i) => i % (k + 1) === 0).reduce((a, b) => a + b, 0) / rows : bins.reduce((sum, [n, , right]) => sum + n * right, 0) / rows;
}

export function heading(report) {
  const { model, table: data } = report;
  const fact = (value, name) => el("div", { class: "fact" }, el("span", { class: "fact-value" }, value), el("span", { class: "fact-name" }, name));
  const judged = report.trust.held_out?.rows ? report.trust.held_out : report.trust.data;
  return el("header", {},
    el("div", { class: "top" }, el("p", { class: "kind" }, "Report of a fitted distribution"), themeButton()),
    el("h1", {}, report.title ?? `${report.data}`),
    el("p", { class: "lead" }, `${method(report)}. ${report.target ? `Predicts ${report.target} from ${count(model.d - 1, "other feature")}.` : report.density.kind === "classes" ? `Predicts ${model.label.name}, one of ${count(model.label.levels.length, "class", "classes")}, from ${count(model.d, "feature")}.` : `A distribution over ${count(model.d, "feature")}.`}`),
    el("div", { class: "facts" },
      fact(count(data.rows), "rows"), fact(count(data.columns.length + data.other_columns), "columns"),
      judged?.mean_log_density !== null && judged?.mean_log_density !== undefined
        ? fact(`${number(judged.mean_log_density, 4)} nats`, report.target ? "mean log density of a row's target" : "mean log density of a row") : report.trust.classes
          ? fact(percent(accuracyOf(report.trust.classes)), "of the rows get their class") : null,
      fact(report.trusted ? "yes" : "no", model.converged === null ? "fit in order" : "converged and not degenerate")));
}

function themeButton() {
  const root = document.documentElement;
  const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = el("button", { type: "button", class: "theme", on: { click: () => { root.dataset.theme = dark() ? "light" : "dark"; say(); } } });
  const say = () => { button.textContent = dark() ? "Light colours" : "Dark colours"; };
  say();
  return button;
}

export function navigation(sections) {
  return el("nav", { "aria-label": "parts of this report" }, el("ul", {}, sections.map((s) => el("li", {}, el("a", { href: `#${s.id}` }, s.querySelector("h2").textContent)))));
}

function shape(column, rows) {
  if (column.histogram) {
    const { below, above } = column.histogram;
    const far = below + above;
    const picture = tinyBars(150, barsOf(column.histogram));
    picture.querySelectorAll("[aria-label]").forEach((part) => part.removeAttribute("aria-label"));
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `histogram of ${column.name}`);
    return el("span", {}, picture, far > 0 ? el("span", { class: "tiny" }, `${count(far, "value")} beyond`) : null);
  }
  if (column.levels) {
    const most = Math.max(...column.levels.map((l) => l.count), 1);
    const shown = column.levels.slice(0, 4);
    const rest = column.levels.length - shown.length + column.other_levels;
    return el("span", { class: "levels" }, shown.map((l) => el("span", { class: "level" }, el("span", { class: "level-bar", style: `width:${(100 * l.count) / most}%` }),
      el("span", { class: "level-name" }, `${shorten(l.level, 18)} ${percent(l.count / Math.max(1, rows - column.missing))}`))), rest > 0 ? el("span", { class: "tiny" }, `and ${count(rest, "more level")}`) : null);
  }
  return column.constant ? "one value only" : "";
}

function columnTable(report) {
  const { table: data } = report;
  const anyMissing = data.columns.some((c) => c.missing > 0);
  const head = ["column", "type", "part", ...(anyMissing ? ["missing"] : []), "shape", "smallest", "median", "largest", "mean", "sd"];
  const shift = anyMissing ? 1 : 0;
  const rows = data.columns.map((c) => [shorten(c.name, 30), c.type === "category" ? `category, ${count(c.levels.length + c.other_levels, "level")}` : c.type, ROLES[c.role],
    ...(anyMissing ? [c.missing ? `${count(c.missing)} (${percent(c.missing / data.rows)})` : "none"] : []), shape(c, data.rows),
    ...(c.quartiles ? [number(c.min), number(c.quartiles[1]), number(c.max), number(c.mean), number(c.sd, 3)] : ["", "", "", "", ""])]);
  return table(`The columns of ${report.data}`, head, rows, (anyMissing ? [3] : []).concat([4, 5, 6, 7, 8].map((i) => i + shift)));
}

function missingPart(report) {
  const { missing, rows, columns } = report.table;
  if (missing.columns.length === 0) {
    return el("p", { class: "note" }, "No value is missing.");
  }
  const used = new Set(missing.patterns.flatMap((p) => p.columns));
  const kept = missing.columns.map((c, i) => ({ c, i })).filter(({ i }) => used.has(i)).slice(0, 20);
  const shown = missing.patterns.map((p) => ({ rows: p.rows, label: `${count(p.rows, "row")}`, columns: p.columns.map((i) => kept.findIndex((k) => k.i === i)) }));
  const names = kept.map(({ c }) => columns[c]?.name ?? `column ${c + 1}`);
  const incomplete = rows - missing.complete;
  const text = shown.map((p) => `${p.label}: without ${p.columns.map((j) => names[j]).join(", ")}`).join("; ");
  const more = missing.other_rows > 0 ? ` ${count(missing.other_rows, "further row misses", "further rows miss")} other combinations.` : "";
  return el("div", {}, el("h3", {}, "What is missing together"),
    el("p", {}, `${count(incomplete, "row")} of ${count(rows)} (${percent(incomplete / rows)}) ${incomplete === 1 ? "lacks" : "lack"} at least one value.`),
    figure(`A row of squares is one pattern; filled squares are missing.${more}`, text, (width) => patterns(Math.min(width, 180 + 60 * names.length), { columns: names, rows: shown }), { class: "left" }));
}

export function dataSection(report) {
  const { table: data } = report;
  const notes = [];
  if (report.weight) {
    notes.push(`Rows count by their weights, ${shorten(report.weight, 30)}: in the likelihood, and in the rows and points that are chosen. This table is of the rows as they stand.`);
  }
  if (data.duplicate_rows > 0) {
    notes.push(`${count(data.duplicate_rows, "row repeats", "rows repeat")} an earlier one.`);
  }
  if (data.other_columns > 0) {
    notes.push(`${count(data.other_columns, "further column")} are not listed.`);
  }
  const constant = data.columns.filter((c) => c.constant && c.role !== "").map((c) => c.name);
  if (constant.length) {
    notes.push(`Of one value only: ${constant.join(", ")}.`);
  }
  return section("data", "The data", columnTable(report), notes.length ? el("p", { class: "note" }, notes.join(" ")) : null, missingPart(report));
}

export function commandSection(report) {
  if (!report.command) {
    return null;
  }
  const code = el("code", {}, report.command);
  const said = el("span", { role: "status" });
  const copy = el("button", { type: "button", on: { click: async () => {
    try {
      await navigator.clipboard.writeText(report.command);
      said.textContent = " copied";
    } catch {
      getSelection().selectAllChildren(code);
      said.textContent = " selected: copy it by the keyboard";
    }
  } } }, "Copy");
  return section("again", "Make this page again", el("pre", { tabindex: "0", "aria-label": "the command" }, code), el("p", {}, copy, said),
    el("p", { class: "note" }, `likely ${report.library}, seed ${report.seed}. The same data, model and seed give the same page.`));
}
