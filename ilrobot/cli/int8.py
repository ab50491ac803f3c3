"""Weights of 8 bits, shipped only where they do the task as well as full precision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ilrobot.errors import UserError, WorkFailed

if TYPE_CHECKING:
    from ilrobot.control.contract_parts import Quantized
    from ilrobot.evaluate import Evaluation
    from ilrobot.spec import Spec

#: Seeds from here on, which neither recording nor evaluating takes by itself.
FIRST_SEED = 500_000
#: In fewer the interval of full precision is so wide that nearly anything would lie within it.
LEAST_EPISODES = 50


def check_int8(policy: Path, spec: Spec, episodes: int) -> None:
    """Refuse what could not be tried.

    Args:
        policy: The run, for the message.
        spec: What it was trained on.
        episodes: How many are asked for.

    Raises:
        UserError: No task is known, it cannot be made, or the number is out of range.
    """
    from ilrobot.cli.actors import TaskForPolicy
    from ilrobot.cli.seeds import check_seeds
    from ilrobot.env import make_env

    check_seeds(episodes, FIRST_SEED)
    if episodes < LEAST_EPISODES:
        raise UserError(
            f"--episodes {episodes} would show little about --int8; give at least {LEAST_EPISODES}"
        )
    if not spec.task:
        raise UserError(
            f"--int8 is written only if it does the task as well, and {policy} was trained on "
            "data that names no task to try it on; leave --int8 out"
        )
    chosen = TaskForPolicy.choose(spec, policy, "", {})
    make_env(chosen.task, chosen.options, rate=chosen.rate).close()


def ship_int8(full: Path, target: Path, episodes: int) -> Quantized:
    """Try a file of full precision and its quantisation on the same seeds, and write the latter.

    Args:
        full: The file of full precision; the trial's file is written beside it.
        target: Where to write.
        episodes: In how many episodes each is tried.

    Raises:
        WorkFailed: Success with int8 lies below the interval of full precision, or that never
            succeeds, or nobody judges; nothing was written.
    """
    from exports.int8 import write_int8
    from ilrobot.control.contract_parts import Quantized

    trial = full.with_name("int8.onnx")
    task = write_int8(full, trial).spec.task
    reference, tried = _evaluate(full, episodes), _evaluate(trial, episodes)
    if not reference.judged:
        raise WorkFailed(f"nobody judges success on {task}, so int8 cannot be tried; {_NOTHING}")
    if reference.successes == 0:
        raise WorkFailed(
            f"full precision succeeds in none of {episodes} episodes of {task}, so there is "
            f"nothing to hold int8 against; {_NOTHING}"
        )
    low, high = reference.success_interval
    if tried.success_rate < low:
        raise WorkFailed(
            f"int8 succeeds in {tried.success_rate:.1%} of {episodes} episodes of {task}, full "
            f"precision in {reference.success_rate:.1%} [{low:.1%}, {high:.1%}]; {_NOTHING}"
        )
    measured = Quantized(8, task, episodes, FIRST_SEED, tried.success_rate, reference.success_rate)
    write_int8(full, target, measured)
    return measured


_NOTHING = "nothing was written; export without --int8"


def _evaluate(file: Path, episodes: int) -> Evaluation:
    from ilrobot.cli.actors import PolicyOnTask
    from ilrobot.cli.output import progress_bar
    from ilrobot.evaluate import evaluate

    with progress_bar() as progress:
        bar = progress.add_task(f"trying {file.stem}", total=episodes, note="")
        return evaluate(
            PolicyOnTask(file),
            range(FIRST_SEED, FIRST_SEED + episodes),
            on_episode=lambda _: progress.advance(bar),
        )
