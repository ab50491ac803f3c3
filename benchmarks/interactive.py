r"""Interactive imitation against cloning: success against what the person had to do.

    python -m benchmarks.interactive --task PandaPegInsert --seeds 5 --output runs/interactive
    python -m benchmarks.interactive --policy bc-chunk --frame auto --start 20 --sizes 40 \
        --output runs/framed

The study `interventions` on one task at a scale where methods differ: policies that train longer
(of more members, or those of a preset), more demonstrations, more and longer rounds, each of them
measured. A second call goes on where the first one stopped. HG-DAgger is held against BC by all
that the expert drove, demonstrations included; a gate of the robot against HG-DAgger by what the
expert drove in the rounds, since both begin with the same demonstrations. Of several rounds the
most successful counts that is cheap enough. One JSON line is the result.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from benchmarks import row
from ilrobot.cli.cores import cores
from ilrobot.cli.dagger_gate import BUDGETS, NEED_DOUBT
from ilrobot.cli.studies.interventions import PEG, SETTINGS, jobs, measure
from ilrobot.cli.studies.interventions_job import GATES, Scale, Setting
from ilrobot.cli.studies.page import print_row
from ilrobot.data.lessons import Weighting
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.config import PRESETS, TrainConfig
from ilrobot.report.interventions import HEADERS, InterventionRow, intervention_rows

LEAST_SUCCESS = 0.9
"""Goal: HG-DAgger's success without help."""
GREATEST_SHARE = 0.5
"""Goal: of BC's expert steps for HG-DAgger, and of HG-DAgger's in its rounds for a robot's gate."""
MARGIN = 0.03
"""Goal: how much less successful than HG-DAgger a gate of the robot may be."""


def novices(small: Setting) -> dict[str, Setting]:
    """By name, the setting of the study on a task with what learns there in place of its own.

    ``bc`` is the study's network as an ensemble, trained for longer, ``bc-chunk`` and ``flow`` are
    the presets of these names, the former with a loss that rare taps on a button do not dominate.
    """
    clone = replace(small.policy, members=5, head="log-cosh")
    chunks, training = PRESETS["bc-chunk"]
    return {
        "bc": replace(small, policy=clone, training=small.training.with_steps(2_000)),
        "bc-chunk": replace(small, policy=replace(chunks, head="l1"), training=training),
        "flow": replace(small, policy=PRESETS["flow"][0], training=PRESETS["flow"][1]),
    }


def goals(rows: Sequence[InterventionRow]) -> list[dict[str, Any]]:
    """Rows that compare BC's best, HG-DAgger and the best gate of the robot."""
    by_bc = [r for r in rows if r.method == "bc"]
    by_person = [r for r in rows if r.method == "human"]
    by_robot = [r for r in rows if r.method not in ("bc", "human")]
    found = []
    if by_bc and by_person:
        best = max(by_bc, key=lambda r: (r.success, -r.expert_steps))
        person = _enough(by_person, best.expert_steps, _all_steps)
        found += [
            row(
                f"HG-DAgger, round {person.came_to.round}: success without help",
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
            robot = _enough(by_robot, _round_steps(person), _round_steps)
            found += [
                row(
                    f"{robot.title}, round {robot.came_to.round}: success without help",
                    *(robot.success, "1"),
                    reference=person.success,
                    at_least=person.success - MARGIN,
                ),
                row(
                    f"{robot.title}'s expert steps in its rounds (of HG-DAgger's)",
                    *(_round_steps(robot), "steps"),
                    reference=_round_steps(person),
                    at_most=GREATEST_SHARE,
                    of="ratio",
                ),
            ]
    return found


def _all_steps(row: InterventionRow) -> float:
    return row.expert_steps


def _round_steps(row: InterventionRow) -> float:
    return row.came_to.expert_steps


def _enough(
    rows: Sequence[InterventionRow], steps: float, cost: Callable[[InterventionRow], float]
) -> InterventionRow:
    """The most successful that cost at most half of these; of none so cheap the most successful."""
    cheap = [r for r in rows if cost(r) <= GREATEST_SHARE * steps]
    return max(cheap or rows, key=lambda r: (r.success, -cost(r)))


def run() -> list[dict[str, Any]]:
    """Rows of the goals, by one person and few of the demonstrations that BC could have."""
    with tempfile.TemporaryDirectory() as folder:
        place, scale = plan(["--seeds", "1", "--sizes", "100", "--output", folder])
        return goals(measure(place, scale))


def main() -> None:
    """Measure what the options ask for; print its table, its goals and one JSON line."""
    place, scale = plan()
    try:
        rows = measure(place, scale, _Count(len(jobs(scale))))
    except (UserError, WorkFailed) as error:
        sys.exit(f"interactive: {error}")
    for r, (title, *cells) in zip(rows, intervention_rows(rows), strict=True):
        if r is rows[0]:
            print_row("", *(f"{name:>12}" for name in HEADERS[1:]))
        after = "" if r.method == "bc" else f", round {r.came_to.round}"
        print_row(title + after, *(f"{cell:>12}" for cell in cells))
    compared = goals(rows)
    for found in compared:
        met = "met" if found["met"] else "missed"
        print(f"{found['what']}: {found['value']:.4g}, {found['goal']}: {met}")
    print(json.dumps({"rows": [r.to_json() for r in rows], "goals": compared}))


class _Count:
    """Tells on stderr how many runs are done."""

    def __init__(self, total: int) -> None:
        self._done, self._total = 0, total

    def __call__(self) -> None:
        self._done += 1
        print(f"{self._done} of {self._total} runs", file=sys.stderr, flush=True)


def plan(words: Sequence[str] | None = None) -> tuple[Path, Scale]:
    """Where it goes and how much is done, from the command line or from `words`."""
    tasks = {task.removeprefix("ilrobot/").removesuffix("-v0"): task for task in SETTINGS}
    names = {task: name for name, task in tasks.items()}
    parser = argparse.ArgumentParser(description="Interactive imitation against cloning.")
    parser.add_argument("--task", choices=tasks, default=names[PEG])
    parser.add_argument("--seeds", type=_positive, default=5, help="simulated persons")
    parser.add_argument(
        "--sizes", type=_positive, nargs="*", default=[100, 200], help="demonstrations of BC"
    )
    parser.add_argument("--start", type=_positive, default=50, help="of all others, and BC's least")
    parser.add_argument("--rounds", type=_positive, default=6)
    parser.add_argument("--episodes", type=_positive, default=25, help="in a round")
    parser.add_argument("--gates", nargs="*", choices=GATES, default=["human", "benefit"])
    parser.add_argument("--policy", choices=novices(SETTINGS[PEG]), default="bc")
    parser.add_argument(
        "--frame",
        choices=("none", "auto"),
        default="none",
        help="auto: policies are told the frame that the task states",
    )
    parser.add_argument("--members", type=_positive, help="by default 5 of bc, else 1")
    parser.add_argument(
        "--steps",
        type=_positive,
        help="of each training; by default 2,000 of bc, else as the preset of that name says",
    )
    parser.add_argument(
        "--epochs", type=float, help="of each training; by default as the preset of --policy says"
    )
    parser.add_argument("--budget", type=float, default=0.02, help="of ThriftyDAgger")
    parser.add_argument(
        "--calls", type=float, default=BUDGETS["benefit"], help="attempts that call, by benefit"
    )
    parser.add_argument("--weighting", choices=get_args(Weighting), default="plain")
    parser.add_argument("--attempts", type=_positive, default=100, help="fresh, for each policy")
    parser.add_argument("--workers", type=_positive, default=cores())
    parser.add_argument("--output", type=Path, required=True, help="a second call goes on there")
    asked = parser.parse_args(words)
    task = tasks[asked.task]
    novice = novices(SETTINGS[task])[asked.policy]
    members = asked.members or novice.policy.members
    if members < 2 and (doubting := NEED_DOUBT.intersection(asked.gates)):
        parser.error(
            f"--gates {min(doubting)} needs a policy that knows how sure it is, and --policy "
            f"{asked.policy} is a single net; add --members 5"
        )
    setting = replace(
        novice,
        start=asked.start,
        more=tuple(size for size in dict.fromkeys(asked.sizes) if size != asked.start),
        rounds=asked.rounds,
        episodes=asked.episodes,
        training=_training(novice.training, asked.steps, asked.epochs),
        budgets={"thrifty": asked.budget, "benefit": asked.calls},
        weighting=asked.weighting,
        policy=replace(novice.policy, members=members, frame=_frame(task, asked.frame)),
    )
    scale = Scale(
        asked.seeds,
        asked.attempts,
        {task: setting},
        tuple(dict.fromkeys(asked.gates)),
        asked.workers,
        every_round=True,
    )
    return asked.output, scale


def _training(preset: TrainConfig, steps: int | None, epochs: float | None) -> TrainConfig:
    if epochs is not None:
        preset = replace(preset, epochs=epochs)
    return preset if steps is None else preset.with_steps(steps)


def _frame(task: str, asked: str) -> tuple[str, ...]:
    if asked == "none":
        return ()
    with closing(make_env(task)) as env:
        return env.spec.task_frame


def _positive(word: str) -> int:
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


if __name__ == "__main__":
    main()
