// The sine path with what a learner was taught beside it and where it drives; distances by round.

import { element } from "./link.js";

const TOP = 1.8, BOTTOM = -1.8;
const PER_LABEL = 0.07;       // m of a stroke for 1 m/s²

const line = (points) => `M${points.map(([x, y]) => `${x} ${-y}`).join("L")}`;
const beside = (path, off) => path.map(([x, y]) => [x, y + off]);

// `taught`: episodes of {states, labels} up to the round that is shown; `shown`: which layers.
export function drawDrive(svg, { world, name, taught, driven, shown, words }) {
  const right = world.path.at(-1)[0];
  svg.setAttribute("viewBox", `0 ${-TOP} ${right} ${TOP - BOTTOM}`);
  svg.setAttribute("aria-label", words);
  svg.removeAttribute("hidden");
  svg.replaceChildren();
  const { path, corridor, kerb } = world;
  element("path", { class: "corridor", d: `${line([...beside(path, corridor), ...beside(path, -corridor).reverse()])}Z` }, svg);
  for (const off of [kerb, -kerb]) element("path", { class: "kerb", d: line(beside(path, off)) }, svg);
  if (shown.taught) {
    const dots = taught.flatMap(({ states }) => states).map(([x, y]) => `M${x} ${-y}h0`);
    element("path", { class: "taught", d: dots.join("") }, svg);
  }
  if (shown.labels) {
    const strokes = taught.flatMap(({ states, labels }) => states.map(([x, y], step) => `M${x} ${-y}v${(-PER_LABEL * labels[step]).toFixed(3)}`));
    element("path", { class: "label", d: strokes.join("") }, svg);
  }
  element("path", { class: "path", d: line(path) }, svg);
  if (shown.driven) for (const episode of driven) element("path", { class: `driven ${name}`, d: line(episode) }, svg);
}

// `series`: name to mean distance of each round; `here`: the round that is shown, from 1.
export function drawDistances(svg, series, rounds, here) {
  const most = Math.max(...Object.values(series).flat(), 0.1);
  const at = (round, value) => [40 + 250 * (rounds > 1 ? (round - 1) / (rounds - 1) : .5), 105 - 88 * value / most];
  svg.replaceChildren();
  svg.removeAttribute("hidden");
  const now = at(here, 0)[0];
  element("line", { class: "here", x1: now, x2: now, y1: 14, y2: 105 }, svg);
  element("line", { class: "axis", x1: 40, x2: 294, y1: 105, y2: 105 }, svg);
  element("text", { x: 36, y: 21, "text-anchor": "end", text: most.toFixed(2) }, svg);
  element("text", { x: 36, y: 109, "text-anchor": "end", text: "0 m" }, svg);
  element("text", { x: 40, y: 124, text: "round 1" }, svg);
  if (rounds > 1) element("text", { x: 290, y: 124, "text-anchor": "end", text: rounds }, svg);
  for (const [name, values] of Object.entries(series)) {
    const points = values.map((value, index) => at(index + 1, value));
    element("path", { class: `line ${name}`, d: `M${points.join("L")}` }, svg);
    for (const [x, y] of points) {
      const dot = element("circle", { cx: x, cy: y, r: 3 }, svg);
      dot.style.fill = `var(--${name})`;
    }
  }
  svg.setAttribute("aria-label", `mean distance from the path by round: ${Object.entries(series).map(([name, values]) => `${name} ${values.map((value) => value.toFixed(2)).join(", ")}`).join("; ")}`);
}
