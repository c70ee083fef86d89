// Numbers for people: few digits, units, no raw output of a machine.

const MINUS = "\u2212";
const SUPERSCRIPT = "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079";

function exponential(v, digits) {
  const [mantissa, exponent] = v.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  const raised = [...String(Math.abs(power))].map((c) => SUPERSCRIPT[Number(c)]).join("");
  return `${Number(mantissa)}\u00d710${power < 0 ? "\u207b" : ""}${raised}`;
}

// A number of so many significant digits; "–" for one that is not there.
export function number(v, digits = 4) {
  if (v === null || v === undefined || Number.isNaN(v)) {
    return "\u2013";
  }
  if (!Number.isFinite(v)) {
    return v > 0 ? "\u221e" : `${MINUS}\u221e`;
  }
  const size = Math.abs(v);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) {
    return exponential(v, digits).replace("-", MINUS);
  }
  const wanted = size >= 10 ** digits ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: digits };
  return v.toLocaleString("en-US", { ...wanted, useGrouping: size >= 10000 }).replace("-", MINUS);
}

// A whole number of things.
export function count(n, one, many = `${one}s`) {
  const text = Math.round(n).toLocaleString("en-US");
  return one === undefined ? text : `${text} ${n === 1 ? one : many}`;
}

export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) {
    return "\u2013";
  }
  const v = 100 * share;
  if (v > 0 && v < 0.1) {
    return "< 0.1%";
  }
  if (v < 100 && v > 99.9) {
    return "> 99.9%";
  }
  return `${Number(v.toFixed(1))}%`;
}

export function probability(p) {
  return p === null || p === undefined ? "\u2013" : p < 0.0001 ? "< 0.0001" : number(p, 2);
}

// What stands beside an axis with numbers from low to high.
export function tickFormat(low, high) {
  const most = Math.max(Math.abs(low), Math.abs(high));
  return most >= 1e4 || (most > 0 && most < 1e-3) ? "~s" : undefined;
}

// A name that is too long for where it stands.
export function shorten(text, most = 24) {
  const letters = [...text];
  return letters.length > most ? `${letters.slice(0, most - 1).join("")}\u2026` : text;
}
