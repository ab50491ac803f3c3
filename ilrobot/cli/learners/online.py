"""What every learner that tries its policy in a task has on the command line, and does with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro

from ilrobot.cli.learners.tried_task import TriedInTask
from ilrobot.cli.usage import optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.learners.config import TrainConfig
    from ilrobot.learners.online import OnlineLearner
    from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
    from ilrobot.policies.policy import Policy
    from ilrobot.run_description import DataUsed
    from ilrobot.spec import Spec
    from ilrobot.task_env import TaskEnv

#: Of the episodes that a run without demonstrations records at its end; what is cloned from them is
#: evaluated on others.
_ATTEMPTS_SEED = 400_000
#: More copies than these share no work but only memory.
_MOST_COPIES = 1_024
#: Stands for the number of steps where a time says how long.
_UNBOUNDED = 10**9
_FROM = tyro.conf.arg(name="from", metavar="RUN", help_behavior_hint="(default: a new policy)")
#: What is done without --steps.
STEPS = 1_000_000


@dataclass(kw_only=True)
class OnlineOptions(TriedInTask):
    """Options of every learner that steps copies of a task."""

    output: Path
    """Folder of the run; it must not exist yet, except with --resume."""

    steps: Annotated[int | None, optional("INT", f"{STEPS}")] = None
    """Environment steps, of all copies together, with those that a resumed run has made."""

    time_budget: Annotated[str | None, optional("TIME", "--steps says how long")] = None
    """How long training may take, such as 90s, 10m or 1h: as many steps as fit on this machine."""

    copies: int = 8
    """Copies of the environment that are stepped together."""

    seed: int = 0
    """Seed of everything drawn at random."""

    resume: bool = False
    """Go on with the run in --output where it stopped (the same options again, or more --steps)."""

    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where to compute; the CPU is faster for policies of this size."""

    json: bool = False
    """Print one JSON object as the last line."""

    usual_steps: ClassVar[int] = STEPS
    """What is done without --steps."""

    @property
    def _steps(self) -> int:
        return self.usual_steps if self.steps is None else self.steps

    def check(self) -> None:
        """Refuse what needs no look at anything, as `UserError`."""
        if not 1 <= self.copies <= _MOST_COPIES:
            raise UserError(f"--copies must be from 1 to {_MOST_COPIES}, not {self.copies}")

    def train_config(self, **changes: Any) -> TrainConfig:
        """How long, from which seed and where; as long as a run to go on with, if none is said.

        Raises:
            UserError: Something is out of range.
        """
        from ilrobot.cli.duration import time_budget
        from ilrobot.learners.config import TrainConfig
        from ilrobot.run import RUN_FILE, Run

        budget = time_budget(self.time_budget, self.steps)
        steps = _UNBOUNDED if budget is not None else self._steps
        unsaid = self.steps is None and budget is None
        if unsaid and self.resume and (self.output / RUN_FILE).exists():
            known = Run.read(self.output).description.config.train
            steps, budget = known.steps, known.time_budget
        config = TrainConfig(
            steps=steps, seed=self.seed, device=self.device, time_budget=budget, **changes
        )
        config.check()
        return config

    def check_learns(self, first: int) -> None:
        """Refuse a run that would end before its policy learns anything.

        It comes after all other refusals: more steps shall not be what makes them known.

        Args:
            first: Environment steps that go by before it does.

        Raises:
            UserError: There are no more than these.
        """
        if self.time_budget is None and self._steps <= first:
            raise UserError(
                f"the policy learns nothing in the first {first} steps, and --steps is "
                f"{self._steps}; give more"
            )

    def make_envs(
        self,
        begun: Policy | None = None,
        *,
        rollout: int | None = None,
        success_only: bool = False,
        reads: Spec | None = None,
    ) -> tuple[TaskVectorEnv, Callable[[], TaskEnv]]:
        """Copies of the task, and what makes one more.

        Args:
            begun: The policy that is begun with; its task is the default.
            rollout: Steps of all copies that are played at once (None: tick by tick).
            success_only: See `TaskVectorEnv`.
            reads: Whose observations they give (None: those of the policy that is begun with, else
                all).

        Raises:
            UserError: There is no such task, it does not fit the policy, or none is named.
        """
        from ilrobot.cli.cores import cores
        from ilrobot.compatibility import check_policy_fits
        from ilrobot.learners.reinforcement.sharing import fastest_processes
        from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv

        make = self.maker(begun)
        ticks = 1 if rollout is None else max(1, rollout // self.copies)
        processes = fastest_processes(make, self.copies, cores(), ticks=ticks)
        if reads is None and begun is not None:
            reads = begun.spec
        envs = TaskVectorEnv(
            make,
            self.copies,
            self.seed,
            success_only=success_only,
            reads=None if reads is None else reads.observation_names,
            processes=processes,
        )
        if begun is not None:
            try:
                check_policy_fits(begun.spec, envs.task, "the policy of --from")
            except UserError:
                envs.close()
                raise
        return envs, make

    def train(
        self,
        name: str,
        learner: OnlineLearner,
        settings: dict[str, Any],
        make: Callable[[], TaskEnv],
        config: TrainConfig,
        *,
        dataset: DataUsed | None = None,
        initial: str | None = None,
    ) -> int:
        """Let it learn, and say what came of it; the exit code.

        Args:
            name: Of the learner.
            learner: New.
            settings: See `ilrobot.learners.online.describe_online`.
            make: Makes the task.
            config: By `train_config`.
            dataset: What it learns from or began with (None: nothing was demonstrated).
            initial: 16 hex digits over the policy that it began as (None: from scratch).
        """
        known = {"copies": self.copies, **settings}
        return learn(self, name, learner, known, make, config, dataset=dataset, initial=initial)


def learn(
    verb: Any,
    name: str,
    learner: OnlineLearner,
    settings: dict[str, Any],
    make: Callable[[], TaskEnv],
    config: TrainConfig,
    *,
    dataset: DataUsed | None = None,
    initial: str | None = None,
    counted: str = "steps",
    last: int = 10,
    told: str = "while exploring",
    growing: str | None = None,
    together: int = 1,
) -> int:
    """Let a learner learn, and say what came of it; the exit code.

    Args:
        verb: As it was typed: a dataclass with ``output``, ``resume`` and ``json``.
        name: Of the learner.
        learner: New.
        settings: See `ilrobot.learners.online.describe_online`.
        make: Makes the task.
        config: How long, from which seed and where.
        dataset: What it learns from or began with (None: nothing was demonstrated).
        initial: 16 hex digits over the policy that it began as (None: from scratch).
        counted: What its steps are.
        last: How many of the last reports its result is a mean over.
        told: What these are of.
        growing: See `ilrobot.learners.online.train_online`.
        together: See `ilrobot.learners.online.OnlineLearning`.
    """
    from ilrobot.cli.command import telling_how_to_resume
    from ilrobot.cli.learners.online_result import print_online_result
    from ilrobot.cli.output import progress_bar
    from ilrobot.cli.training_progress import TrainingProgress
    from ilrobot.data.recordings import Recordings
    from ilrobot.learners.online import describe_online, train_online
    from ilrobot.learners.reinforcement.attempts import record_attempts

    def record(policy: Policy, folder: Path) -> Recordings:
        return record_attempts(policy, folder, make, seed=_ATTEMPTS_SEED)

    output: Path = verb.output
    described = describe_online(name, learner.policy, config, settings, output, dataset, initial)
    with telling_how_to_resume(verb), progress_bar() as bars:
        train_online(
            learner,
            described,
            output,
            resume=verb.resume,
            record=record,
            on_progress=TrainingProgress(bars, config.steps, counted),
            growing=growing,
            together=together,
        )
    print_online_result(output, counted, json=verb.json, last=last, told=told)
    return 0


def trained_on(path: Path) -> DataUsed | None:
    """What the policy of --from was trained on, as far as it is known."""
    from ilrobot.run import RUN_FILE, Run, run_of

    run = run_of(path)
    return Run.read(run).description.dataset if (run / RUN_FILE).exists() else None


@dataclass(kw_only=True)
class WarmStart:
    """Option of learners that may begin with a policy."""

    from_: Annotated[Path | None, _FROM] = None
    """Run of the policy to begin with, such as a clone."""
