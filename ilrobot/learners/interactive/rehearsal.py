"""What a policy comes to alone before a round: attempts that cost nobody's time."""

from __future__ import annotations

from pathlib import Path

from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import UNCOUNTED, EpisodeInfo
from ilrobot.learners.interactive.collect import Collector, Round
from ilrobot.run import policy_hash
from ilrobot.run_description import DaggerPlan
from ilrobot.task_env import TaskEnv

#: Apart of the seeds of a round and of its rehearsal, which must not be the same attempts: a gate
#: would know how each of them ends.
_APART = 2**30


def rehearsal_folder(run: Path, number: int) -> Path:
    """What was recorded before a round, counted from 1, in the folder of a run of dagger."""
    return run / f"rehearsal-{number}"


def rehearse(
    collector: Collector,
    env: TaskEnv,
    run: Path,
    number: int,
    policy_run: Path,
    plan: DaggerPlan,
    count: int,
) -> None:
    """Record attempts of the policy alone before a round, as far as they are not there yet.

    Args:
        collector: Runs them.
        env: The world.
        run: Folder of the run of dagger.
        number: Of the round, from 1.
        policy_run: Run of the policy that acts in it.
        plan: Of the run.
        count: How many.

    Raises:
        WorkFailed: The disk is full, or a worker process died.
    """
    path = rehearsal_folder(run, number)
    with DatasetRecorder(path, env.spec, state_size=env.state_size, resume=True) as recorder:
        begun = recorder.num_episodes > 0
    infos = Dataset.open(path).infos if begun else ()
    kept = {i.seed for i in infos if i.seed is not None and i.outcome not in UNCOUNTED}
    first = (plan.seed + _APART + (number - 1) * count) % (2 * _APART - count)
    info = EpisodeInfo(env.spec.task, env.spec.rate, policy_hash=policy_hash(policy_run))
    alone = Round(number, range(first, first + count), policy_run, info, alone=True)
    collector.collect(path, alone, kept, lambda kept: None)
