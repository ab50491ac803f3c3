// The grid on which paths are drawn: by click, drag and keys.

import { $, element } from "./link.js";
import { place } from "./boards.js";

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

// `changed()`: paths, goal or size are others. `refused(words)`: what was asked for cannot be.
// `pointed(state)`: which cell is meant.
export class Paths {
  constructor({ changed, refused, pointed }) {
    this.changed = changed;
    this.refused = refused;
    this.pointed = pointed;
    this.limits = { paths: 1, longest: 1 };
    this.drawing = false;
    const board = $("cells");
    board.addEventListener("pointerdown", (event) => this.press(event));
    board.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { this.drawing = false; });
    board.addEventListener("keydown", (event) => this.key(event));
    board.addEventListener("focusin", ({ target }) => this.pointed(Number(target.dataset.state)));
  }

  get tool() { return document.querySelector("[name=tool]:checked").value; }
  get path() { return this.paths.at(-1); }
  get shown() { return this.paths.filter((path) => path.length); }
  cell(state) { return [Math.floor(state / this.side), state % this.side]; }

  resize(side) {
    this.side = side;
    this.goal = side * side - 1;
    this.paths = [[]];
    const board = $("cells");
    board.replaceChildren();
    for (let row = 0; row < side; row += 1) {
      const line = element("div", { role: "row" }, board);
      for (let column = 0; column < side; column += 1) {
        element("div", { class: "cell", role: "gridcell", tabindex: row + column ? -1 : 0, "data-state": row * side + column }, line);
      }
    }
    this.cells = [...board.querySelectorAll(".cell")];
    this.draw();
  }

  press(event) {
    const state = this.under(event);
    if (state === null || event.button || !event.isPrimary) return;
    event.preventDefault();
    this.focus(state);
    this.drawing = this.set(state) && this.tool === "path";
  }

  drag(event) {
    const state = this.under(event);
    if (state === null) return;
    this.pointed(state);
    // A quick finger is seen in every few cells only: the way between is walked along.
    while (this.drawing && this.path.at(-1) !== state && this.path.length < this.limits.longest) {
      const [row, column] = this.cell(this.path.at(-1));
      const [down, right] = [this.cell(state)[0] - row, this.cell(state)[1] - column];
      const along = Math.abs(down) > Math.abs(right) ? [Math.sign(down), 0] : [0, Math.sign(right)];
      this.add((row + along[0]) * this.side + column + along[1]);
    }
  }

  under({ clientX, clientY }) {
    const cell = document.elementFromPoint(clientX, clientY)?.closest(".cell");
    return cell ? Number(cell.dataset.state) : null;
  }

  key(event) {
    const state = Number(event.target.dataset.state);
    const [row, column] = this.cell(state);
    if (event.key in ARROWS) {
      const [down, right] = ARROWS[event.key];
      const [r, c] = [row + down, column + right];
      if (Math.min(r, c) >= 0 && Math.max(r, c) < this.side) {
        const next = r * this.side + c;
        if (!event.shiftKey || (this.path.length || this.add(state)) && this.add(next)) this.focus(next);
      }
    } else if (event.key === "Enter" || event.key === " ") this.set(state);
    else if (event.key === "Backspace") this.back();
    else if (event.key === "g" || event.key === "G") this.setGoal(state);
    else return;
    event.preventDefault();
  }

  focus(state) {
    for (const cell of this.cells) cell.tabIndex = -1;
    this.cells[state].tabIndex = 0;
    this.cells[state].focus();
  }

  set(state) { return this.tool === "goal" ? this.setGoal(state) : this.add(state); }

  setGoal(state) {
    this.goal = this.goal === state ? null : state;
    this.draw();
    return true;
  }

  add(state) {
    const last = this.path.at(-1);
    if (last === state) return true;
    if (this.path.length >= this.limits.longest) return this.no(`a path has at most ${this.limits.longest} cells`);
    if (last !== undefined) {
      const [[r, c], [row, column]] = [this.cell(last), this.cell(state)];
      if (Math.abs(r - row) + Math.abs(c - column) !== 1) {
        return this.no(`${place(state, this.side)} does not touch the end of the path: take a cell beside it, or a new path`);
      }
    }
    this.path.push(state);
    this.draw();
    return true;
  }

  no(words) {
    this.refused(words);
    return false;
  }

  back() {
    if (!this.path.length && this.paths.length > 1) this.paths.pop();
    this.path.pop();
    this.draw();
  }

  next() {
    if (!this.path.length) return;
    if (this.paths.length >= this.limits.paths) this.no(`there are ${this.limits.paths} paths already`);
    else this.paths.push([]);
    this.draw();
  }

  // Shortest paths to the goal from cells drawn at random, as an expert without habits walks.
  more(count) {
    if (this.goal === null) return this.no("there is no goal: choose 'goal' and a cell");
    const room = this.limits.paths - this.shown.length;
    if (!room) return this.no(`there are ${this.limits.paths} paths already`);
    const drawn = Array.from({ length: Math.min(count, room) }, () => this.shortest(Math.floor(Math.random() * this.side ** 2)));
    this.paths = [...this.shown, ...drawn];
    return this.draw();
  }

  shortest(state) {
    const path = [state];
    const [goalRow, goalColumn] = this.cell(this.goal);
    while (path.at(-1) !== this.goal) {
      const [row, column] = this.cell(path.at(-1));
      const [down, right] = [goalRow - row, goalColumn - column];
      const vertical = Math.random() * (Math.abs(down) + Math.abs(right)) < Math.abs(down);
      path.push(path.at(-1) + (vertical ? Math.sign(down) * this.side : Math.sign(right)));
    }
    return path;
  }

  clear() {
    this.paths = [[]];
    this.draw();
  }

  draw() {
    const svg = $("paths");
    svg.setAttribute("viewBox", `0 0 ${this.side} ${this.side}`);
    svg.replaceChildren();
    const steps = new Map();
    for (const path of this.shown) {
      const present = path === this.path ? "present" : "";
      const at = path.map((state) => [state % this.side + .5, Math.floor(state / this.side) + .5]);
      element("polyline", { class: present, points: at.join(" ") }, svg);
      element("circle", { class: present, cx: at[0][0], cy: at[0][1], r: .2 }, svg);
      path.forEach((state, step) => steps.set(state, `step ${step + 1} of a path`));
    }
    if (this.goal !== null) {
      element("text", { x: this.goal % this.side + .5, y: Math.floor(this.goal / this.side) + .5, text: "★" }, svg);
    }
    this.cells.forEach((cell, state) => {
      cell.classList.toggle("goal", state === this.goal);
      const parts = [place(state, this.side), state === this.goal ? "goal" : "", steps.get(state) ?? ""];
      cell.setAttribute("aria-label", parts.filter(Boolean).join(", "));
    });
    this.changed();
  }
}
