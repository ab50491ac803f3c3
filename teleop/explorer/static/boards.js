// Maps of numbers over the cells: rewards and visits as colours, a policy as arrows.

import { element } from "./link.js";

export const place = (state, side) => `row ${Math.floor(state / side) + 1}, column ${(state % side) + 1}`;

const STEPS = { up: [0, -1], right: [1, 0], down: [0, 1], left: [-1, 0] };
const LEAST_SHOWN = 0.1;      // an action that is less likely has no arrow

const WRITTEN = {
  reward: (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)),
  visits: (value) => `${(100 * value).toFixed(value && value < .1 ? 1 : 0)} %`,
};

// `kind`: "reward", from the least to the greatest, or "visits", from 0, colours by cube root.
// `policy`: for each cell the probabilities of `moves`. `pointed(state)` hears which cell is meant.
export function drawMap(parent, { kind, values, side, goal, policy, moves, name, pointed }) {
  const written = WRITTEN[kind];
  const low = kind === "visits" ? 0 : Math.min(...values);
  const high = Math.max(...values);
  const most = values.indexOf(high);
  const svg = element("svg", {
    class: "map", viewBox: `0 0 ${side} ${side}`, role: "img",
    "aria-label": `${name}: ${written(low)} to ${written(high)}, most at ${place(most, side)}`,
  });
  values.forEach((value, state) => {
    const part = high > low ? (value - low) / (high - low) : 0;
    const share = kind === "visits" ? Math.cbrt(part) : part;
    const cell = element("rect", {
      x: state % side, y: Math.floor(state / side), width: 1, height: 1, "data-value": value,
    }, svg);
    const full = kind === "visits" ? "--visits" : "--heat";
    cell.style.fill = `color-mix(in oklab, var(${full}) ${(100 * share).toFixed(1)}%, var(--cold))`;
    cell.addEventListener("pointerenter", () => pointed(state));
  });
  if (goal !== null) {
    element("rect", { class: "goal", x: goal % side + .05, y: Math.floor(goal / side) + .05, width: .9, height: .9, rx: .08 }, svg);
  }
  if (policy) policy.forEach((likely, state) => drawPolicy(svg, state, side, likely, moves));
  const scale = element("div", { class: `scale ${kind}`, "aria-hidden": "true" });
  element("span", { text: written(low) }, scale);
  element("i", {}, scale);
  element("span", { text: written(kind === "visits" ? high / 8 : (low + high) / 2) }, scale);
  element("i", {}, scale);
  element("span", { text: written(high) }, scale);
  parent.replaceChildren(svg, scale);
}

function drawPolicy(svg, state, side, likely, moves) {
  const x = state % side + .5;
  const y = Math.floor(state / side) + .5;
  likely.forEach((share, index) => {
    if (share < LEAST_SHOWN) return;
    const step = STEPS[moves[index]];
    if (!step) {
      element("circle", { class: "stay", cx: x, cy: y, r: .05 + .1 * share }, svg);
      return;
    }
    const [right, down] = step.map((one) => one * (.12 + .28 * share));
    const head = .11 * share + .03;
    const [sx, sy] = step;
    const tip = [x + right, y + down];
    const arrow = element("path", {
      class: "arrow",
      d: `M${x} ${y}L${tip}M${tip[0] - head * (sx + sy)} ${tip[1] - head * (sy + sx)}`
        + `L${tip}L${tip[0] - head * (sx - sy)} ${tip[1] - head * (sy - sx)}`,
    }, svg);
    arrow.style.opacity = .25 + .75 * share;
  });
}

// The gap after each iteration, over a logarithmic axis where there is anything to see.
export function drawGaps(svg, history) {
  svg.replaceChildren();
  const seen = history.map((gap, index) => [index, gap]).filter(([, gap]) => gap > 0);
  svg.toggleAttribute("hidden", seen.length < 3);
  if (seen.length < 3) return;
  const logs = seen.map(([, gap]) => Math.log10(gap));
  const low = Math.min(...logs), high = Math.max(Math.max(...logs), low + 1e-9);
  const points = seen.map(([index], at) => [
    4 + 392 * index / (history.length - 1), 18 + 36 * (high - logs[at]) / (high - low),
  ]);
  element("path", { d: `M${points.join("L")}` }, svg);
  element("text", { x: 4, y: 11, text: `feature gap ${seen[0][1].toPrecision(2)} → ${seen.at(-1)[1].toPrecision(2)}` }, svg);
  element("text", { x: 396, y: 67, "text-anchor": "end", text: `iteration ${history.length}` }, svg);
  svg.setAttribute("aria-label", `feature gap from ${seen[0][1].toPrecision(2)} to ${seen.at(-1)[1].toPrecision(2)} in ${history.length} iterations, logarithmic`);
}
