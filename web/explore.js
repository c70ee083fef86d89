// The density to look at and to move: choose values of some columns, see what follows for the others.
import { bands, barsOf, classLines, colour, curve, plane, spark } from "./charts.js";
import { ClassDensity, ConditionalDensity } from "./density.js";
import { el, figure, section } from "./dom.js";
import { count, number, percent, shorten } from "./format.js";

const SHARES = [0.05, 0.25, 0.5, 0.75, 0.95];
const STEPS = 200;

const between = (q) => `${number(q[0], 3)} to ${number(q[2], 3)}`;

// The points of two features, with the group that colours them.
function pointsOf(report, a, b, colours) {
  const { values, group, class: classes } = report.points;
  const groups = colours === "class" ? classes : colours === "group" ? group : null;
  return values[a].map((x, i) => ({ x, y: values[b][i], group: groups ? groups[i] : null })).filter((p) => p.x !== null && p.y !== null);
}

// Of all rows as they stand; of weighted rows, of the points, which are chosen by weight.
function histogramOf(report, s) {
  const column = report.table.columns.find((c) => c.name === report.model.columns[report.shown[s]]);
  if (!column?.histogram || !report.weight) {
    return column?.histogram ? barsOf(column.histogram, column.count) : [];
  }
  const { low, width, counts } = column.histogram;
  const values = report.points.values[s].filter((v) => v !== null);
  return barsOf({ low, width, counts: counts.map((_, i) => values.filter((v) => Math.floor((v - low) / width) === i).length) }, values.length);
}

function choice(label, options, value, change) {
  const select = el("select", { on: { change: () => change(Number(select.value)) } },
    options.map(([v, text]) => el("option", { value: v, selected: v === value }, shorten(text, 40))));
  return [el("label", { class: "control" }, `${label} `, select), select];
}

function check(label, value, change) {
  const box = el("input", { type: "checkbox", checked: value, on: { change: () => change(box.checked) } });
  return el("label", { class: "control" }, box, ` ${label}`);
}

// A slider over the range of a feature, with a box for the exact value.
function slider(name, [low, high], value, change) {
  const range = el("input", { type: "range", min: low, max: high, step: (high - low) / STEPS, value, "aria-label": `value of ${name}`, on: { input: () => set(Number(range.value)) } });
  const box = el("input", { type: "number", step: "any", value: Number(value.toPrecision(4)), "aria-label": `value of ${name}, typed`,
    on: { change: () => box.value !== "" && set(Number(box.value), true) } });
  const control = { range, box, value: Number(value.toPrecision(4)) };
  const set = (v, typed = false) => {
    control.value = v;
    range.value = String(v);
    box.value = typed ? box.value : String(Number(v.toPrecision(5)));
    range.setAttribute("aria-valuetext", number(v));
    change(v);
  };
  control.set = set;
  range.setAttribute("aria-valuetext", number(value));
  return control;
}

// A click or a drag on a picture sets a value by its place between the margins of the picture.
function draggable(node, [low, high], margin, set) {
  const place = (event) => {
    const box = node.getBoundingClientRect();
    const share = (event.clientX - box.left - margin) / (box.width - 2 * margin);
    set(low + Math.min(1, Math.max(0, share)) * (high - low));
  };
  node.addEventListener("pointerdown", (event) => {
    node.setPointerCapture(event.pointerId);
    place(event);
    event.preventDefault();
  });
  node.addEventListener("pointermove", (event) => node.hasPointerCapture(event.pointerId) && place(event));
}

// ---- a density over all features ----

// The pair of features whose rows are correlated most.
function strongest(report, density) {
  const { values } = report.points;
  let best = [0, 1];
  let most = -1;
  for (let b = 1; b < values.length; b++) {
    for (let a = 0; a < b; a++) {
      const rows = values[a].map((x, i) => [x, values[b][i]]).filter(([x, y]) => x !== null && y !== null);
      const mean = (j) => rows.reduce((sum, r) => sum + r[j], 0) / rows.length;
      const [mx, my] = [mean(0), mean(1)];
      const sum = (f) => rows.reduce((total, r) => total + f(r[0] - mx, r[1] - my), 0);
      const r = Math.abs(sum((x, y) => x * y)) / Math.sqrt(sum((x) => x * x) * sum((_, y) => y * y));
      if (r > most + 1e-6 && (density.given !== "one" || density.canGive(a, b))) {
        most = r;
        best = [a, b];
      }
    }
  }
  return best;
}

function joint(report, density) {
  const names = density.features;
  const many = names.length > 1;
  const given = new Map();
  const middle = density.ranges.map(([l, h]) => 0.5 * (l + h));
  const before = names.map((_, s) => density.line(s, new Map()));
  const [first, second] = many ? strongest(report, density) : [0, 0];
  const state = { x: first, y: second, points: true, ellipses: Boolean(density.mixture) && density.mixture.components.length <= 60,
    colours: report.points.class.length ? "class" : null };
  const said = el("p", { class: "said", role: "status" });
  const impossible = "These values are impossible under the model: give others.";

  const words = () => (given.size === 0 ? "" : ` given ${[...given].map(([j, v]) => `${names[j]} = ${number(v)}`).join(", ")}`);
  const freeOf = (j) => !given.has(j);
  const drawPlane = (width) => {
    if (!freeOf(state.x) || !freeOf(state.y)) {
      const s = freeOf(state.x) ? state.x : freeOf(state.y) ? state.y : names.findIndex((_, j) => freeOf(j));
      if (s >= 0) {
        return curve(width, { line: density.line(s, given), faint: before[s], x: { label: names[s], range: density.ranges[s] }, height: Math.min(420, Math.max(220, width * 0.6)) });
      }
    }
    const grid = density.pair(state.x, state.y, given, width < 400 ? 56 : 80);
    const parts = state.ellipses && grid?.mixture
      ? grid.mixture.components.map((c, k) => ({ ...c, k })).filter((c) => c.weight > 0.004) : [];
    return plane(width, {
      grid, x: { label: names[state.x], range: density.ranges[state.x] }, y: { label: names[state.y], range: density.ranges[state.y] },
      points: state.points ? pointsOf(report, state.x, state.y, state.colours) : [], pointOpacity: given.size ? 0.15 : 0.45,
      ellipses: parts.map((c) => { const path = grid.mixture.ellipse(c.k, 0.5); const m = grid.mixture.ellipse(c.k, 1e-12, 1)[0];
        return { path, cx: m[0], cy: m[1], group: state.colours === "class" ? report.model.label?.levels.indexOf(c.label) ?? c.k : c.k }; }),
    });
  };
  const drawCurve = (width) => curve(width, { line: before[0], bars: histogramOf(report, 0), x: { label: names[0], range: density.ranges[0] },
    mark: given.get("at"), parts: partCurves(density) });
  const main = many
    ? figure("", () => `Density of ${names[state.x]} and ${names[state.y]}${words()}, drawn as regions that hold 50, 75, 90, 95 and 99 percent of the probability.`, drawPlane, { class: "wide" })
    : figure("", () => `Density of ${names[0]} over a histogram of the rows.`, drawCurve, { class: "wide" });
  const caption = main.querySelector("figcaption");

  const rows = names.map((name, s) => giveRow(name, s));
  const update = () => {
    const possible = names.some((_, j) => freeOf(j)) && names.every((_, j) => !freeOf(j) || density.line(j, given) !== null);
    rows.forEach((r) => r.redraw());
    main.redraw();
    const shownTwo = freeOf(state.x) && freeOf(state.y);
    caption.replaceChildren(many ? (shownTwo ? `p(${names[state.x]}, ${names[state.y]}${given.size ? " | given values" : ""}): regions that hold 50, 75, 90, 95 and 99% of the probability`
      : "One of the two is given: the density of the other; dashed, before anything was given")
      : report.weight ? "Density over the histogram of the points, rows chosen by their weights" : "Density over the histogram of all rows");
    said.textContent = given.size === 0 ? "Nothing is given yet: drag on a small density, or move a slider, to give a value. Beside each name stand its median and the interval of 90%."
      : possible ? `Shown is what follows${words()}.` : impossible;
  };

  function giveRow(name, s) {
    const values = el("span", { class: "values" });
    const give = el("input", { type: "checkbox", "aria-label": `give a value of ${name}`, on: { change: () => { if (give.checked) { fix(control.value); } else { given.delete(s); update(); } } } });
    const control = slider(name, density.ranges[s], before[s] ? before[s].quantiles([0.5])[0] : middle[s], (v) => fix(v));
    const picture = figure("", () => `Density of ${name}${freeOf(s) ? words() : ""}.`, (width) => spark(width, {
      line: freeOf(s) ? density.line(s, given) : density.line(s, new Map()), faint: before[s], range: density.ranges[s], mark: given.get(s) }), { class: "spark" });
    const fix = (v) => {
      if (density.given === "one") {
        given.clear();
      }
      given.set(s, v);
      give.checked = true;
      update();
    };
    draggable(picture.querySelector(".stage"), density.ranges[s], 8, (v) => control.set(v));
    const node = el("div", { class: "give" }, el("div", { class: "give-head" }, el("label", {}, give, el("strong", {}, ` ${shorten(name, 28)}`)), control.box, values), picture, control.range);
    node.redraw = () => {
      give.checked = given.has(s);
      const line = freeOf(s) ? density.line(s, given) : null;
      const q = line ? line.quantiles([0.05, 0.5, 0.95]) : null;
      values.textContent = !freeOf(s) ? "given" : q ? `${number(q[1], 3)} (${between(q)})` : "impossible";
      node.dataset.median = q ? String(q[1]) : "";
      picture.redraw();
    };
    return node;
  }

  const controls = [];
  if (names.length > 2) {
    const options = names.map((n, i) => [i, n]);
    const [xLabel, x] = choice("across", options, state.x, (v) => { if (v === state.y) { state.y = state.x; y.value = String(state.y); } state.x = v; update(); });
    const [yLabel, y] = choice("up", options, state.y, (v) => { if (v === state.x) { state.x = state.y; x.value = String(state.x); } state.y = v; update(); });
    controls.push(xLabel, yLabel);
    main.show = (a, b) => { state.x = a; state.y = b; x.value = String(a); y.value = String(b); update(); };
  }
  if (many) {
    controls.push(check("rows", state.points, (v) => { state.points = v; update(); }));
    if (density.mixture) {
      controls.push(check("components", state.ellipses, (v) => { state.ellipses = v; update(); }));
    }
    controls.push(...colourChoice(report, state, () => update()));
  }
  if (!many) {
    return { node: [main, single(report, density, before[0])], show: null };
  }
  const clear = el("button", { type: "button", on: { click: () => { given.clear(); update(); } } }, "Give nothing");
  const hint = density.given === "one" ? el("p", { class: "note" }, "This density is known on grids of pairs: one value is given at a time.")
    : density.kernels?.kept < density.kernels?.all ? el("p", { class: "note" }, `What follows from given values is that of ${count(density.kernels.kept)} of the ${count(density.kernels.all)} kernels, evenly chosen.`) : null;
  const node = el("div", { class: "explore" }, el("div", {}, el("div", { class: "controls" }, controls), main),
    el("div", { class: "gives" }, el("div", { class: "give-title" }, el("h3", {}, "What if"), clear), said, hint, rows));
  setTimeout(update, 0);
  return { node, show: main.show };
}

function partCurves(density) {
  const mixture = density.mixture;
  if (!mixture || mixture.components.length < 2 || mixture.components.length > 12) {
    return [];
  }
  return mixture.components.map((c, k) => {
    const one = Object.assign(Object.create(Object.getPrototypeOf(mixture)), mixture, { components: [c], boxes: [] }).evaluator();
    const x = density.places(0);
    return { x: [...x], p: [...x].map((v) => Math.exp(one([v]))), group: k };
  });
}

function colourChoice(report, state, update) {
  const options = [["", "one colour"]];
  if (report.points.class.length) {
    options.push(["class", report.model.label.name]);
  }
  if (report.points.group) {
    options.push(["group", report.points.class.length ? "most probable class" : "most probable component"]);
  }
  if (options.length === 1) {
    return [];
  }
  const select = el("select", { on: { change: () => { state.colours = select.value || null; update(); } } },
    options.map(([v, text]) => el("option", { value: v, selected: (state.colours ?? "") === v }, shorten(text, 30))));
  return [el("label", { class: "control" }, "coloured by ", select)];
}

// One feature: the density and the probability at a value.
function single(report, density, line) {
  const said = el("p", { class: "said", role: "status" });
  const name = density.features[0];
  const sum = (v) => (density.mixture ? density.mixture.cdf(v) : null);
  const control = slider(name, density.ranges[0], line.quantiles([0.5])[0], (v) => tell(v));
  const tell = (v) => {
    const p = line.at(v);
    said.textContent = `At ${name} = ${number(v)}: density ${number(p)} a unit, ${number(Math.log(p))} nats${sum(v) === null ? "" : `; ${percent(sum(v))} of the probability lies below`}.`;
    said.dataset.density = String(p);
  };
  tell(control.value);
  return el("div", { class: "give" }, el("div", { class: "give-head" }, el("strong", {}, name), control.box), control.range, said);
}

// ---- one feature given the others ----

function predicted(report, density) {
  const inputs = density.inputs();
  const target = density.features[density.target];
  const state = { input: inputs[0] };
  const said = el("p", { class: "said", role: "status" });
  const middle = report.density.medians[report.shown[state.input]];
  let value = middle;
  const main = figure("", () => `Quantiles of ${target} along ${density.features[state.input]} over the rows.`, (width) => bands(width, {
    rows: density.bands(state.input, SHARES), x: { label: density.features[state.input], range: density.ranges[state.input] },
    y: { label: target, range: density.ranges[density.target] }, points: pointsOf(report, state.input, density.target, null), mark: value }), { class: "wide" });
  const small = figure("", () => `Density of ${target} at the given value.`, (width) => curve(width, { line: density.line(state.input, value),
    x: { label: target, range: density.ranges[density.target] }, height: 260, yLabel: report.density.counts ? "probability" : "density" }), {});
  const holder = el("div", {});
  const update = () => {
    const q = density.line(state.input, value).quantiles([0.05, 0.5, 0.95]);
    main.redraw();
    small.redraw();
    said.textContent = `${density.features[state.input]} = ${number(value)}, ${inputs.length > 1 ? "the other inputs at their medians" : "the only input"}: ${target} is ${number(q[1], 3)} in the middle, ${between(q)} in 90 of 100 cases.`;
    said.dataset.median = String(q[1]);
  };
  const place = () => {
    value = report.density.medians[report.shown[state.input]];
    const control = slider(density.features[state.input], density.ranges[state.input], value, (v) => { value = v; update(); });
    holder.replaceChildren(el("div", { class: "give" }, el("div", { class: "give-head" }, el("strong", {}, density.features[state.input]), control.box), control.range));
  };
  main.querySelector("figcaption").textContent = "The middle line is the median; the bands hold 50 and 90% of the predicted probability. Points are rows, whatever their other values";
  const [label] = choice("input", inputs.map((s) => [s, density.features[s]]), state.input, (v) => { state.input = v; place(); update(); });
  place();
  setTimeout(update, 0);
  return { node: el("div", { class: "explore" }, el("div", {}, inputs.length > 1 ? el("div", { class: "controls" }, label) : null, main),
    el("div", { class: "gives" }, el("h3", {}, "What if"), holder, said, small)), show: null };
}

// ---- classes given the features ----

function classes(report, density) {
  const names = density.features;
  const state = { input: density.inputs()[0], value: 0 };
  const said = el("p", { class: "said", role: "status" });
  const main = figure(el("span", {}, density.levels.map((l, k) => el("span", { class: "key" }, el("span", { class: "swatch", style: `background:${colour(k)}` }), shorten(l, 24)))),
    () => `Probabilities of the classes along ${names[state.input]}.`, (width) => classLines(width, { rows: density.lines(state.input), levels: density.levels,
      x: { label: names[state.input], range: density.ranges[state.input] }, mark: state.value }), { class: "wide" });
  const holder = el("div", {});
  const update = () => {
    main.redraw();
    const p = density.at(state.input, state.value);
    const order = density.levels.map((l, k) => ({ l, p: p[k] })).sort((a, b) => b.p - a.p).slice(0, 4);
    said.textContent = `${names[state.input]} = ${number(state.value)}, ${names.length > 1 ? "the other features at their medians" : "the only feature"}: ${order.map((o) => `${shorten(o.l, 24)} ${percent(o.p)}`).join(", ")}.`;
  };
  const place = () => {
    state.value = report.density.medians[report.shown[state.input]];
    const control = slider(names[state.input], density.ranges[state.input], state.value, (v) => { state.value = v; update(); });
    holder.replaceChildren(el("div", { class: "give" }, el("div", { class: "give-head" }, el("strong", {}, names[state.input]), control.box), control.range));
  };
  const [label] = choice("feature", names.map((n, s) => [s, n]), state.input, (v) => { state.input = v; place(); update(); });
  place();
  setTimeout(update, 0);
  return { node: el("div", { class: "explore" }, el("div", {}, names.length > 1 ? el("div", { class: "controls" }, label) : null, main), el("div", { class: "gives" }, el("h3", {}, "What if"), holder, said)), show: null };
}

export function exploreSection(report, density) {
  const predicts = density instanceof ConditionalDensity || density instanceof ClassDensity;
  const part = density instanceof ClassDensity ? classes(report, density) : density instanceof ConditionalDensity ? predicted(report, density) : joint(report, density);
  const hidden = report.model.columns.length - report.shown.length;
  const note = hidden > 0 ? el("p", { class: "note" }, `${report.shown.length} of ${report.model.columns.length} features are drawn; likely report --features chooses others. ${predicts ? "" : "The others are integrated out."}`) : null;
  return { node: section("density", predicts ? "What it predicts" : "The density", part.node, note), show: part.show };
}

// Each pair of features, small.
export function pairsSection(report, density, show) {
  const names = density.features.slice(0, 6);
  if (names.length < 3 || density instanceof ConditionalDensity || density instanceof ClassDensity) {
    return null;
  }
  const figures = [];
  for (let b = 1; b < names.length; b++) {
    for (let a = 0; a < b; a++) {
      const few = () => { const all = pointsOf(report, a, b, report.points.class.length ? "class" : null); const step = Math.ceil(all.length / 250); return all.filter((_, i) => i % step === 0); };
      const button = show ? el("button", { type: "button", class: "link", on: { click: () => { show(a, b); document.getElementById("density").scrollIntoView(); } } },
        `Show ${shorten(names[a], 18)} and ${shorten(names[b], 18)} above`) : `${shorten(names[a], 18)} and ${shorten(names[b], 18)}`;
      figures.push(figure(button, `Density of ${names[a]} and ${names[b]} over rows.`, (width) => plane(width, { grid: density.pair(a, b, new Map(), 44), points: few(), radius: 1.4, height: 260,
        x: { label: names[a], range: density.ranges[a] }, y: { label: names[b], range: density.ranges[b] } })));
    }
  }
  const left = density.features.length - names.length;
  return section("pairs", "Pairs of features", left > 0 ? el("p", { class: "note" }, `The first ${names.length} of the features that are drawn.`) : null, el("div", { class: "small-multiples" }, figures));
}
