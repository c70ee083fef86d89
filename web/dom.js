// Elements made from texts that are never read as HTML.

const SVG = "http://www.w3.org/2000/svg";

// el("p", {class: "note"}, "text", child, ...): attributes by name, `on` as an object of listeners; null children are left out.
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        node.addEventListener(event, listener);
      }
    } else if (value === true) {
      node.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, String(value));
    }
  }
  node.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

// A small picture drawn by hand: svg("path", {d: ...}).
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    node.setAttribute(name, String(value));
  }
  node.append(...children.flat());
  return node;
}

// A table whose first column heads its rows. head: texts; rows: arrays of texts or nodes; numeric: places of columns of numbers.
// `stack` sets the cells below one another where it is narrow.
export function table(caption, head, rows, numeric = [], stack = false) {
  const side = (i) => (numeric.includes(i) ? "number" : null);
  const box = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", { class: stack ? "stack" : null },
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, head.map((h, i) => el("th", { scope: "col", class: side(i) }, h)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) => (
        i === 0 ? el("th", { scope: "row", class: side(i) }, cell) : el("td", { class: side(i), "data-head": head[i] }, cell))))))));
  return box;
}

let figures = 0;
const drawn = [];

// A figure whose picture follows its width: draw(width) gives an SVG. `text` says in words what is seen.
export function figure(caption, text, draw, options = {}) {
  const id = `figure-${++figures}`;
  const stage = el("div", { class: "stage" });
  const node = el("figure", { class: options.class ?? null, id }, stage, el("figcaption", {}, caption));
  let width = 0;
  const redraw = () => {
    if (width < 40) {
      return;
    }
    const picture = draw(width);
    const said = typeof text === "function" ? text() : text;
    picture.querySelectorAll("[aria-label]").forEach((part) => part.removeAttribute("aria-label")); // names of marks, for a program
    const inner = picture.tagName === "svg" ? picture : picture.querySelector("svg") ?? picture;
    inner.setAttribute("role", "img");
    inner.setAttribute("aria-label", said);
    stage.replaceChildren(picture);
  };
  new ResizeObserver((entries) => {
    const now = Math.floor(entries[0].contentRect.width);
    if (Math.abs(now - width) >= 1) {
      width = now;
      redraw();
    }
  }).observe(stage);
  drawn.push(redraw);
  node.redraw = redraw;
  return node;
}

export function section(id, title, ...children) {
  return el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title` }, title), ...children);
}
