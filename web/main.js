// A report: reads the numbers beside it and lays out its parts; a part that does not apply is left out.
import { densityOf } from "./density.js";
import { el } from "./dom.js";
import { exploreSection, pairsSection } from "./explore.js";
import { componentSection, strangeSection } from "./groups.js";
import { commandSection, dataSection, heading, navigation } from "./overview.js";
import { trustSection } from "./trust.js";

const report = JSON.parse(document.getElementById("data").textContent);
const density = densityOf(report);

function parts() {
  const explore = density ? exploreSection(report, density) : null;
  return [explore?.node, density ? pairsSection(report, density, explore.show) : null, componentSection(report, density), trustSection(report),
    strangeSection(report), dataSection(report), commandSection(report)].filter(Boolean);
}

const root = document.getElementById("report");
const sections = parts();
const reasons = ["density", "strange"].filter((p) => report.absent[p]).map((p) => `${p === "density" ? "The density" : "The strangest rows"}: ${report.absent[p]}.`);
root.append(heading(report), navigation(sections), ...(reasons.length ? [el("p", { class: "note left-out" }, `Left out. ${reasons.join(" ")}`)] : []), ...sections);
// For the curious, and for tests: the numbers, and the density as the page evaluates it.
window.likely = { report, density };
