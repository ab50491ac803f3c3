// The page of inverse reinforcement learning: paths in, the reward that explains them out.

import { drawGaps, drawMap, place } from "./boards.js";
import { $, busy, Link, range, showState } from "./link.js";
import { Paths } from "./paths.js";

let found = null;

const paths = new Paths({
  changed: () => {
    $("back").disabled = $("clear").disabled = !paths?.shown.length;
    $("next").disabled = !paths?.path.length;
    forget();
  },
  refused: (words) => showState("wrong", words),
  pointed: read,
});
const side = range("side", (value) => paths.resize(value));
const slip = range("slip", () => forget());

const link = new Link({
  hello: (limits) => {
    side.limit(limits.side);
    paths.limits = limits;
  },
  answer: show,
  state: (state, words) => {
    // What is shown answers another question than the one that got no answer.
    if (["wrong", "failed"].includes(state)) document.body.classList.toggle("old", found !== null);
    showState(state, state === "done" ? "done" : words);
  },
});

// Something else is set now: what is shown, or being worked out, is of another question.
function forget() {
  document.body.classList.toggle("old", found !== null);
  if (busy()) link.stop();
  else if (["done", "wrong", "failed"].includes(document.body.dataset.state)) showState("ready", "");
}

function show(answer) {
  found = answer;
  document.body.classList.remove("old");
  const common = { side: answer.side, goal: paths.goal, pointed: read };
  drawMap($("recovered"), { ...common, kind: "reward", values: answer.recovered, policy: answer.policy, moves: answer.moves, name: "recovered reward" });
  drawMap($("expert"), { ...common, kind: "visits", values: answer.expert, name: "share of the expert's time" });
  drawMap($("learner"), { ...common, kind: "visits", values: answer.learner, name: "share of the learner's time" });
  $("iterations").textContent = answer.iterations;
  $("gap").textContent = answer.gap.toPrecision(2);
  $("correlation").textContent = answer.correlation === null ? "none: it is the same everywhere" : answer.correlation.toFixed(2);
  $("seconds").textContent = `${answer.seconds.toFixed(2)} s`;
  $("numbers").hidden = false;
  drawGaps($("gaps"), answer.history);
  $("remark").hidden = !answer.remark;
  $("remark").textContent = answer.remark;
}

// What all maps say of one cell.
function read(state) {
  const goal = state === paths.goal ? 1 : 0;
  let words = `${place(state, paths.side)}: true reward ${goal}`;
  if (found && found.side === paths.side && !document.body.classList.contains("old")) {
    const share = (value) => `${(100 * value).toFixed(1)} %`;
    words += `, recovered ${found.recovered[state].toFixed(2)}, expert ${share(found.expert[state])} of the time, learner ${share(found.learner[state])}`;
  }
  $("readout").textContent = words;
}

$("question").addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy()) link.stop();
  else link.ask({
    side: paths.side,
    slip: slip.value,
    goal: paths.goal === null ? null : paths.cell(paths.goal),
    paths: paths.shown.map((path) => path.map((state) => paths.cell(state))),
    method: document.querySelector("[name=method]:checked").value,
  });
});
document.querySelectorAll("[name=method]").forEach((choice) => choice.addEventListener("change", forget));
$("back").addEventListener("click", () => paths.back());
$("next").addEventListener("click", () => paths.next());
$("more").addEventListener("click", () => paths.more(10));
$("clear").addEventListener("click", () => paths.clear());
paths.resize(side.value);
