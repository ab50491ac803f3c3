// The page of drift: a clone and DAgger, round by round.

import { $, busy, Link, range, showState } from "./link.js";
import { drawDistances, drawDrive } from "./plot.js";

const NAMES = { bc: "behavioural cloning", dagger: "DAgger" };
const LAYERS = ["taught", "labels", "driven"];
const SETTINGS = ["rounds", "episodes", "ridge"];

const ranges = Object.fromEntries(SETTINGS.map((id) => [id, range(id)]));
let answers = [];             // one per round
let judged = 0;

const link = new Link({
  hello: (message) => {
    for (const id of SETTINGS) ranges[id].limit(message.ranges[id]);
    [$("seed").min, $("seed").max] = message.ranges.seed;
    judged = message.judged;
    $("judged").textContent = judged;
  },
  answer: (answer) => {
    // Who looks at an earlier round goes on looking at it.
    const following = Number($("show").value) === answers.length || !answers.length;
    answers.push(answer);
    $("show").max = answers.length;
    $("show").disabled = false;
    show(following ? answers.length : Number($("show").value));
  },
  state: (state, words) => showState(state, state === "done" ? "done" : state === "working" ? `round ${answers.length + 1}…` : words),
});

function show(round) {
  $("show").value = round;
  $("before").disabled = round <= 1;
  $("after").disabled = round >= answers.length;
  if (!answers.length) return;
  $("shown").textContent = `round ${round} of ${answers[0].rounds}`;
  const answer = answers[round - 1];
  const shown = Object.fromEntries(LAYERS.map((layer) => [layer, $(`with-${layer}`).checked]));
  for (const name of Object.keys(NAMES)) {
    const learner = answer.learners[name];
    const kept = `${learner.kept} of ${judged}`;
    drawDrive($(name), {
      world: answer, name, shown, driven: learner.driven,
      taught: answers.slice(0, round).flatMap((before) => before.learners[name].taught),
      words: `${NAMES[name]}, round ${round}: ${learner.labels} labels, ${kept} episodes kept to the path, mean distance ${learner.distance.toFixed(3)} m`,
    });
    const cells = [learner.labels, kept, learner.distance.toFixed(3)];
    $(`row-${name}`).querySelectorAll("td").forEach((cell, index) => { cell.textContent = cells[index]; });
  }
  const series = Object.fromEntries(Object.keys(NAMES).map((name) => [name, answers.map(({ learners }) => learners[name].distance)]));
  drawDistances($("distances"), series, answer.rounds, round);
}

$("question").addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy()) {
    link.stop();
    return;
  }
  answers = [];
  link.ask({ ...Object.fromEntries(SETTINGS.map((id) => [id, ranges[id].value])), seed: Math.round(Number($("seed").value)) });
});
$("show").addEventListener("input", () => show(Number($("show").value)));
$("before").addEventListener("click", () => show(Number($("show").value) - 1));
$("after").addEventListener("click", () => show(Number($("show").value) + 1));
for (const layer of LAYERS) $(`with-${layer}`).addEventListener("change", () => show(Number($("show").value)));
