"""Interactive imitation against cloning: success against what the person had to do.

    python -m benchmarks.interactive --task PandaPegInsert --seeds 5 --output runs/interactive

A simulated operator demonstrates; BC learns from more and more of it. HG-DAgger and the gates of
the robot begin with a few of these demonstrations, and the same operator helps. Everything is done
by the verbs ``record``, ``train``, ``dagger`` and ``compare``, a folder for each seed and method; a
second call goes on where the first one stopped. Expert steps are all that the operator drove,
demonstrations that failed included. One JSON line is the result.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import row
from ilrobot.cli.cores import cores
from ilrobot.cli.dagger_gate import ASK_ALWAYS, NEED_DOUBT
from ilrobot.data.dataset import Dataset
from ilrobot.errors import UserError, WorkFailed
from ilrobot.run import Run
from ilrobot.run_description import DaggerDescription

LEAST_SUCCESS = 0.9
"""Goal: HG-DAgger's success without help."""
GREATEST_SHARE = 0.5
"""Goal: of BC's expert steps for HG-DAgger, and of HG-DAgger's for a gate of the robot."""
MARGIN = 0.03
"""Goal: how much less successful than HG-DAgger a gate of the robot may be."""

RECIPE = (
    "--policy bc --steps 10000 --batch-size 128 --history 2 --horizon 16 --execute 8 "
    "--observation-noise 0.01 --dropout 0.1 --held-out 0.1"
)
MEMBERS = 5
"""Of the ensembles of those gates that ask for doubt."""
_SEEDS_APART = 1000
"""Of the first episodes of two runs; 0 to 499 demonstrate, from 500 on the policy tries."""


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        task: Gymnasium id.
        seeds: How many runs of each method.
        sizes: Numbers of demonstrations of BC.
        start: Demonstrations with which the interactive methods begin.
        rounds: Of these.
        episodes: In a round.
        gates: Which of these; ``human`` is HG-DAgger.
        recipe: Options of ``train``.
        evaluation: Fresh seeds for each policy.
        workers: Processes for them.
        output: Folder of everything.
    """

    task: str
    seeds: int
    sizes: tuple[int, ...]
    start: int
    rounds: int
    episodes: int
    gates: tuple[str, ...]
    recipe: str
    evaluation: int
    workers: int
    output: Path


@dataclass(frozen=True)
class Point:
    """A method at one amount of the expert's work, over all runs.

    Attributes:
        method: ``bc`` or the gate.
        demonstrations: Episodes that it began with.
        round: Rounds of interaction since.
        runs: How many.
        success: Without help, in [0, 1].
        interval: 95 %.
        expert_steps: Mean over runs, demonstrations included.
        switches: Mean over runs, of control, in all rounds so far.
    """

    method: str
    demonstrations: int
    round: int
    runs: int
    success: float
    interval: tuple[float, float]
    expert_steps: float
    switches: float


def measure(plan: Plan) -> list[Point]:
    """Make what is not made yet, and compare.

    Raises:
        WorkFailed: A verb failed.
    """
    for seed in range(plan.seeds):
        for size in plan.sizes:
            _train(plan, seed, size)
        for gate in plan.gates:
            _interact(plan, seed, gate)
    points = []
    for size in plan.sizes:
        points += _points(plan, "bc", size, [_bc(plan, seed, size) for seed in range(plan.seeds)])
    for gate in plan.gates:
        runs = [_folder(plan, seed) / gate for seed in range(plan.seeds)]
        points += _points(plan, gate, plan.start, runs)
    return points


def goals(points: list[Point]) -> list[dict[str, Any]]:
    """Rows that compare BC's best, HG-DAgger and the best gate of the robot."""
    by_bc = [p for p in points if p.method == "bc"]
    by_person = [p for p in points if p.method == "human" and p.round > 0]
    by_robot = [p for p in points if p.method not in ("bc", "human") and p.round > 0]
    found = []
    if by_bc and by_person:
        best = max(by_bc, key=lambda p: (p.success, -p.expert_steps))
        person = _enough(by_person, best.expert_steps)
        found += [
            row(
                f"HG-DAgger, round {person.round}: success without help",
                *(person.success, "1"),
                reference=best.success,
                at_least=LEAST_SUCCESS,
            ),
            row(
                f"HG-DAgger's expert steps (of BC's at its best, {best.demonstrations} episodes)",
                *(person.expert_steps, "steps"),
                reference=best.expert_steps,
                at_most=GREATEST_SHARE,
                of="ratio",
            ),
        ]
        if by_robot:
            robot = _enough(by_robot, person.expert_steps)
            found += [
                row(
                    f"{robot.method}, round {robot.round}: success without help",
                    *(robot.success, "1"),
                    reference=person.success,
                    at_least=person.success - MARGIN,
                ),
                row(
                    f"{robot.method}'s expert steps (of HG-DAgger's)",
                    *(robot.expert_steps, "steps"),
                    reference=person.expert_steps,
                    at_most=GREATEST_SHARE,
                    of="ratio",
                ),
            ]
    return found


def _enough(points: list[Point], steps: float) -> Point:
    """The most successful for at most half of these steps; of none so cheap the most successful."""
    cheap = [p for p in points if p.expert_steps <= GREATEST_SHARE * steps]
    return max(cheap or points, key=lambda p: (p.success, -p.expert_steps))


# What each seed has: demos-N, bc-N, bc-N-ensemble, and a folder for each gate ----------------


def _folder(plan: Plan, seed: int) -> Path:
    return plan.output / f"seed-{seed}"


def _bc(plan: Plan, seed: int, size: int, members: int = 1) -> Path:
    return _folder(plan, seed) / (f"bc-{size}" if members == 1 else f"bc-{size}-ensemble")


def _demonstrations(plan: Plan, seed: int, size: int) -> Path:
    data = _folder(plan, seed) / f"demos-{size}"
    if not (data / "meta" / "info.json").exists() or Dataset.open(data).num_episodes < size:
        options = f"--device operator --episodes {size} --seed {_SEEDS_APART * seed} --resume"
        _verb("record", f"--task {plan.task} {options}", output=data)
    return data


def _train(plan: Plan, seed: int, size: int, members: int = 1) -> Path:
    run, data = _bc(plan, seed, size, members), _demonstrations(plan, seed, size)
    options = f"{plan.recipe} --seed {seed} --resume"
    if members > 1:
        options += f" --members {members}"
    if not _done(run):
        _verb("train", options, dataset=data, output=run)
    return run


def _interact(plan: Plan, seed: int, gate: str) -> None:
    run = _folder(plan, seed) / gate
    if _done(run, plan.rounds):
        return
    members = MEMBERS if gate in NEED_DOUBT else 1
    policy = _train(plan, seed, plan.start, members)
    device = "expert" if gate in ASK_ALWAYS else "operator"
    first = _SEEDS_APART * seed + _SEEDS_APART // 2
    _verb(
        "dagger",
        f"--task {plan.task} --gate {gate} --device {device} --rounds {plan.rounds} "
        f"--episodes {plan.episodes} --seed {first} --resume",
        dataset=_demonstrations(plan, seed, plan.start),
        policy=policy,
        output=run,
    )


def _points(plan: Plan, method: str, size: int, runs: list[Path]) -> list[Point]:
    found = _verb(
        "compare",
        f"{shlex.join(map(str, runs))} --episodes {plan.evaluation} --workers {plan.workers} "
        "--json",
        output=plan.output / "compare" / f"{method}-{size}",
    )
    steps = [
        Dataset.open(_demonstrations(plan, seed, size)).num_frames for seed in range(plan.seeds)
    ]
    return [
        Point(
            method=method,
            demonstrations=size,
            round=r["round"],
            runs=r["runs"],
            success=r["success"],
            interval=(r["success_interval"][0], r["success_interval"][1]),
            expert_steps=sum(steps) / len(steps) + r["expert_steps"],
            switches=r["switches"],
        )
        for r in found["rows"]
    ]


def _done(run: Path, rounds: int = 0) -> bool:
    if not (run / "run.json").exists():
        return False
    known = Run.read(run).description
    there = len(known.rounds) if isinstance(known, DaggerDescription) else 0
    return known.status == "done" and there >= rounds


def _verb(verb: str, options: str, **folders: Path) -> dict[str, Any]:
    """Call it in a process of its own; its ``--json`` line where it was asked for."""
    words = [sys.executable, "-m", "ilrobot", verb, *shlex.split(options)]
    for name, folder in folders.items():
        words += [f"--{name}", str(folder)]
    print(shlex.join(words[2:]), file=sys.stderr, flush=True)
    called = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if called.returncode != 0:
        raise WorkFailed(f"it failed with exit code {called.returncode}: {shlex.join(words[2:])}")
    if "--json" not in words:
        return {}
    answer: dict[str, Any] = json.loads(called.stdout.splitlines()[-1])
    return answer


def _print(points: list[Point]) -> None:
    print("method    demos  round  runs  success without help  expert steps  switches")
    for p in points:
        low, high = p.interval
        score = f"{100 * p.success:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        print(
            f"{p.method:8}  {p.demonstrations:5}  {p.round:5}  {p.runs:4}  {score:>20}  "
            f"{p.expert_steps:12,.0f}  {p.switches:8.1f}"
        )


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        plan = _plan(["--seeds", "1", "--sizes", "20", "100", "--output", folder])
        return goals(measure(plan))


def main() -> None:
    try:
        points = measure(_plan())
    except (UserError, WorkFailed) as error:
        sys.exit(f"interactive: {error}")
    _print(points)
    rows = goals(points)
    for found in rows:
        met = "met" if found["met"] else "missed"
        print(f"{found['what']}: {found['value']:.4g}, {found['goal']}: {met}")
    print(json.dumps({"points": [asdict(p) for p in points], "goals": rows}))


def _plan(words: list[str] | None = None) -> Plan:
    parser = argparse.ArgumentParser(description="Interactive imitation against cloning.")
    parser.add_argument("--task", default="PandaPegInsert", help="or PandaLift, or a whole id")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each method")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 20, 50, 100, 200])
    parser.add_argument("--start", type=int, default=20, help="demonstrations to begin with")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--episodes", type=int, default=10, help="in a round")
    parser.add_argument("--gates", nargs="*", default=["human", "thrifty"])
    parser.add_argument("--recipe", default=RECIPE, help="options of ilrobot train")
    parser.add_argument("--evaluation", type=int, default=100, help="fresh seeds")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--output", type=Path, required=True, help="a second call goes on there")
    chosen = vars(parser.parse_args(words))
    if "/" not in chosen["task"]:
        chosen["task"] = f"ilrobot/{chosen['task']}-v0"
    tuples = {name: tuple(chosen[name]) for name in ("sizes", "gates")}
    return Plan(**{**chosen, **tuples})


if __name__ == "__main__":
    main()
