// The page of likely report in a real browser: figures are there, sliders move the density to the library's values, nothing is empty or false, no
// script runs but its own, axe-core finds no fault, nothing overflows from 360 to 1600 pixels, and it prints.
// node page_in_browser.mjs LIKELY SOURCE [PICTURES]; PICTURES: a folder for screenshots. Ends with "N passed, N failed".
import { execFileSync, spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [likely, source, pictures] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "likely-page-"));
const place = (name) => join(folder, name);
const data = (name) => join(source, "examples", "data", name);
const BROWSER = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const all = ["density", "pairs", "components", "trust", "strange", "data", "again"];
let passed = 0;
let failed = 0;

function expect(what, good, detail = "") {
  passed += good ? 1 : 0;
  failed += good ? 0 : 1;
  if (!good) {
    console.log(`FAILED: ${what} ${typeof detail === "string" ? detail : JSON.stringify(detail)}`);
  }
}

function run(...words) {
  return execFileSync(likely, words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 28 });
}

function make(name, csv, fit, report = []) {
  const model = place(`${name}.lk`);
  run("fit", csv, ...fit, "-q", "-o", model);
  run("report", model, csv, ...report, "-q", "-o", place(`${name}.html`));
  return { name, model, file: place(`${name}.html`) };
}

async function open(context, made, width, scheme = "light") {
  const page = await context.newPage();
  const said = [];
  page.on("console", (m) => said.push(`${m.type()}: ${m.text()}`));
  page.on("pageerror", (e) => said.push(`error: ${e.message}`));
  page.on("request", (r) => !r.url().startsWith("file:") && !r.url().startsWith("data:") && said.push(`request: ${r.url()}`));
  await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
  await page.setViewportSize({ width, height: 900 });
  await page.goto(pathToFileURL(made.file).href);
  await page.waitForFunction(() => window.likely && [...document.querySelectorAll("figure .stage")].every((s) => s.querySelector("svg")), null, { timeout: 20000 });
  return { page, said };
}

// What must hold of every page.
async function sound(context, made, sections) {
  expect(`${made.name}: below 3 MB`, statSync(made.file).size < 3e6);
  for (const [width, scheme] of [[360, "dark"], [768, "light"], [1600, "light"]]) {
    const { page, said } = await open(context, made, width, scheme);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(`${made.name}: no overflow at ${width}`, wide <= 0, wide);
    const found = await page.evaluate(() => [...document.querySelectorAll("section")].map((s) => s.id));
    expect(`${made.name}: its parts`, found.join() === sections.join(), found);
    const empty = await page.evaluate(() => [...document.querySelectorAll("figure svg")].filter((s) => s.querySelectorAll("path, rect, circle, line, text").length < 2 || s.getBoundingClientRect().height < 20 || /NaN/.test(s.outerHTML)).length);
    expect(`${made.name}: no empty figure`, empty === 0, empty);
    const words = await page.evaluate(() => document.body.innerText);
    expect(`${made.name}: no raw output`, !/\b(NaN|undefined|null|Infinity|\[object)\b|\d\.\d{9}/.test(words.replace(/likely report [^\n]*/g, "")), words.match(/.{30}(NaN|undefined|null|Infinity|\[object|\d\.\d{9}).{0,30}/)?.[0]);
    if (width !== 768) {
      await page.evaluate(axe);
      const faults = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120)).slice(0, 2).join(" | ")}`)));
      expect(`${made.name}: accessible, ${width} ${scheme}`, faults.length === 0, faults);
    }
    expect(`${made.name}: nothing in the console, no request`, said.length === 0, said);
    if (pictures) {
      await page.screenshot({ path: join(pictures, `${made.name}-${width}-${scheme}.png`), fullPage: true });
    }
    await page.close();
  }
}

const near = (a, b) => Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(b));

function medianOf(model, given, target) {
  writeFileSync(place("given.csv"), `${Object.keys(given).join(",")}\n${Object.values(given).join(",")}\n`);
  const [head, row] = run("predict", model, place("given.csv"), "--target", target, "--quantiles", ".5", "-q").trim().split("\n").map((l) => l.split(","));
  return Number(row[head.indexOf(`${target}_q0.5`)]);
}

// By keyboard and by mouse, what is given moves the others to what the library says.
async function moves(context, made) {
  const { page, said } = await open(context, made, 1280);
  const slider = page.getByRole("slider", { name: "value of Petal.Length", exact: true });
  const widthOf = (name) => page.locator(".give", { hasText: name }).first();
  const before = await page.locator("#density .wide svg").first().innerHTML();
  await slider.focus();
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("ArrowRight");
  }
  const value = Number(await slider.inputValue());
  const median = Number(await widthOf("Petal.Width").getAttribute("data-median"));
  expect("a key gives a value: the median of another feature is the library's", near(median, medianOf(made.model, { "Petal.Length": value }, "Petal.Width")), [value, median]);
  expect("the picture moved", before !== await page.locator("#density .wide svg").first().innerHTML());
  expect("what is given is said", (await page.locator("#density .said").innerText()).includes("Petal.Length ="));
  const spark = widthOf("Sepal.Width").locator(".stage");
  const box = await spark.boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.62, box.y + 20, { steps: 4 });
  await page.mouse.up();
  const text = await page.locator("#density .said").innerText();
  expect("a drag gives a second value", text.includes("Sepal.Width =") && text.includes("Petal.Length ="), text);
  const typed = page.getByRole("spinbutton", { name: "value of Sepal.Width, typed" });
  await typed.fill("3.1");
  await typed.press("Enter");
  const both = Number(await widthOf("Petal.Width").getAttribute("data-median"));
  expect("two given values: the median is the library's", near(both, medianOf(made.model, { "Petal.Length": value, "Sepal.Width": 3.1 }, "Petal.Width")), both);
  const density = await page.evaluate(([v, w]) => { const { density } = window.likely; const f = (n) => density.features.indexOf(n);
    return Math.log(density.line(f("Petal.Width"), new Map([[f("Petal.Length"), v], [f("Sepal.Width"), w]])).at(1.4)); }, [value, 3.1]);
  run("condition", made.model, "--given", `Petal.Length=${value},Sepal.Width=3.1`, "-q", "-o", place("c.lk"));
  run("marginal", place("c.lk"), "--features", "Petal.Width", "-q", "-o", place("cm.lk"));
  writeFileSync(place("at.csv"), "Petal.Width\n1.4\n");
  expect("the density in the browser is the library's", near(density, Number(run("density", place("cm.lk"), place("at.csv"), "-q").trim().split("\n")[1])), density);
  await page.getByRole("button", { name: "Give nothing" }).click();
  expect("and all is taken back", (await page.locator("#density .said").innerText()).startsWith("Nothing is given"));
  await page.getByRole("button", { name: "Dark colours" }).click();
  expect("dark colours by the button", await page.evaluate(() => getComputedStyle(document.body).backgroundColor) === "rgb(16, 20, 26)");
  await page.emulateMedia({ media: "print" });
  const pdf = await page.pdf({ preferCSSPageSize: true, path: pictures ? join(pictures, `${made.name}.pdf`) : undefined });
  const boxes = [...pdf.toString("latin1").matchAll(/\/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/g)].map((m) => [Number(m[1]), Number(m[2])]);
  expect("prints on A4", boxes.length > 1 && boxes.every(([w, h]) => Math.abs(w - 595) < 2 && Math.abs(h - 842) < 2), boxes.slice(0, 2));
  expect("nothing in the console", said.length === 0, said);
  await page.close();
}

// Two values given to a kernel density: what is drawn for a third feature is the library's.
async function kernelMoves(context, made) {
  const { page, said } = await open(context, made, 1280);
  for (const [name, value] of [["Petal.Length", "4.5"], ["Sepal.Width", "3.1"]]) {
    const typed = page.getByRole("spinbutton", { name: `value of ${name}, typed` });
    await typed.fill(value);
    await typed.press("Enter");
  }
  const words = await page.locator("#density .said").innerText();
  expect("kernels: two values are given at once", words.includes("Petal.Length = 4.5") && words.includes("Sepal.Width = 3.1"), words);
  const got = await page.evaluate(() => { const { density } = window.likely; const f = (n) => density.features.indexOf(n);
    return Math.log(density.line(f("Petal.Width"), new Map([[f("Petal.Length"), 4.5], [f("Sepal.Width"), 3.1]])).at(1.4)); });
  run("condition", made.model, "--given", "Petal.Length=4.5,Sepal.Width=3.1", "-q", "-o", place("c.lk"));
  run("marginal", place("c.lk"), "--features", "Petal.Width", "-q", "-o", place("cm.lk"));
  writeFileSync(place("at.csv"), "Petal.Width\n1.4\n");
  const wanted = Number(run("density", place("cm.lk"), place("at.csv"), "-q").trim().split("\n")[1]);
  expect("kernels: the density in the browser is the library's", near(got, wanted), [got, wanted]);
  const median = Number(await page.locator(".give", { hasText: "Petal.Width" }).first().getAttribute("data-median"));
  const told = medianOf(made.model, { "Petal.Length": 4.5, "Sepal.Width": 3.1 }, "Petal.Width");
  expect("kernels: the median is the library's", near(median, told), [median, told]);
  expect("kernels: nothing in the console", said.length === 0, said);
  await page.close();
}

// One feature: the slider says the density there.
async function single(context, made) {
  const { page } = await open(context, made, 1000);
  await page.getByRole("slider").focus();
  await page.keyboard.press("End");
  for (let i = 0; i < 70; i++) {
    await page.keyboard.press("ArrowLeft");
  }
  const value = await page.getByRole("slider").inputValue();
  writeFileSync(place("at.csv"), `waiting\n${value}\n`);
  const wanted = Math.exp(Number(run("density", made.model, place("at.csv"), "-q").trim().split("\n")[1]));
  const got = Number(await page.locator("#density .said").getAttribute("data-density"));
  expect("one feature: the density at the slider is the library's", near(got, wanted), [value, got, wanted]);
  await page.close();
}

// Names, levels and values that would be HTML or script, if anything read them so.
const EVIL = ["</script><script>window.pwned=1</script>", "<img src=x onerror=window.pwned=1>", "\"'`&amp;<b>", "\u2028 \u00e4\u00f6\u4e2d\ud83d\ude00", "--><svg onload=window.pwned=1>"];

async function harmless(context) {
  const quote = (s) => `"${s.replace(/"/g, '""')}"`;
  const rows = Array.from({ length: 80 }, (_, i) => [Math.sin(i) + (i % 2) * 4, Math.cos(i * 1.7), i % 7 ? Math.sin(i * 0.3) : "", EVIL[i % 3], EVIL[(i + 2) % 5]]);
  writeFileSync(place("evil.csv"), `${[EVIL[0], EVIL[1], EVIL[3], EVIL[2], "name"].map(quote).join(",")}\n${rows.map((r) => r.map((v) => (typeof v === "string" && v ? quote(v) : v)).join(",")).join("\n")}\n`);
  const made = make("evil", place("evil.csv"), ["--label", EVIL[2], "-k", "1"], ["--title", EVIL[0], "--name-column", "name"]);
  const { page, said } = await open(context, made, 1000);
  expect("no script of the data runs", await page.evaluate(() => window.pwned === undefined && document.scripts.length === 2 && document.images.length === 0));
  const words = await page.evaluate(() => document.body.textContent);
  expect("names are shown as they are", words.includes(EVIL[0]) && words.includes("<img src=x"), "");
  expect("the title is text", await page.title() === EVIL[0], await page.title());
  expect("nothing in the console", said.length === 0, said);
  await page.close();
  return made;
}

// Reports of five real data sets, where LIKELY_DATA names them; the parts that each of them has.
function fiveReports() {
  const made = spawnSync(process.env.PYTHON ?? "/usr/bin/python3", [join(source, "tests", "web", "five_reports.py"), likely, folder], { encoding: "utf8" });
  console.log(made.stdout.trim() + made.stderr);
  if (made.status === 77) {
    return [];
  }
  expect("five reports are made", made.status === 0);
  return [["diamonds", all], ["penguins", all], ["housing", all], ["mnist", all], ["changes", all.filter((p) => p !== "pairs" && p !== "components")]];
}

if (!existsSync(BROWSER)) {
  console.log(`skip: there is no browser at ${BROWSER}`);
  process.exit(77);
}
if (pictures) {
  mkdirSync(pictures, { recursive: true });
}
const context = await chromium.launchPersistentContext(place("profile"), { executablePath: BROWSER, headless: true, args: FLAGS });
try {
  const without = (...parts) => all.filter((p) => !parts.includes(p));
  const iris = make("iris", data("iris.csv"), ["-k", "3", "--ignore", "Species"]);
  await sound(context, iris, all);
  await moves(context, iris);
  await sound(context, make("classes", data("iris.csv"), ["--label", "Species", "--holdout", ".3"]), all);
  writeFileSync(place("waiting.csv"), readFileSync(data("faithful.csv"), "utf8").split("\n").map((l) => l.split(",")[1] ?? "").join("\n").trim() + "\n");
  const waiting = make("waiting", place("waiting.csv"), ["-k", "2", "--noise"]);
  await sound(context, waiting, without("pairs"));
  await single(context, waiting);
  const kernels = make("kernels", data("iris.csv"), ["-m", "kde", "--ignore", "Species"]);
  await sound(context, kernels, without("components"));
  await kernelMoves(context, kernels);
  await sound(context, make("net", data("iris.csv"), ["-m", "net", "--target", "Petal.Width", "--ignore", "Species", "--steps", "300"]), without("pairs", "components"));
  await sound(context, make("counts", data("faithful.csv"), ["-m", "net", "--target", "waiting", "--law", "poisson", "--steps", "300"]), without("pairs", "components"));
  await sound(context, make("told", data("iris.csv"), ["-m", "net", "--label", "Species", "--steps", "300"]), without("pairs", "components", "strange"));
  await sound(context, await harmless(context), all);
  for (const [name, parts] of fiveReports()) {
    await sound(context, { name, file: place(`${name}.html`) }, parts);
  }
} finally {
  await context.close();
  rmSync(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
