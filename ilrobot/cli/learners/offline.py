"""Learners from recorded transitions with rewards: what each has on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ilrobot.cli.usage import optional

if TYPE_CHECKING:
    from ilrobot.learners.config import TrainConfig
    from ilrobot.learners.offline.learner import OfflineMethod


@dataclass(kw_only=True)
class OfflineOptions:
    """Options of every offline learner."""

    dataset: Path
    """Folder of the dataset; every step that was not discarded is learnt from."""

    output: Path
    """Folder of the run; it must not exist yet, except with --resume."""

    reward: Literal["recorded", "success"] = "recorded"
    """What a step brings: its recorded reward, or 1 where the task was done and 0 elsewhere."""

    steps: Annotated[int | None, optional("INT", "100000")] = None
    """Optimiser steps."""

    time_budget: Annotated[str | None, optional("TIME", "--steps says how long")] = None
    """How long training may take, such as 90s, 10m or 1h: as many steps as fit on this machine."""

    batch_size: int = 256
    """Transitions in a batch."""

    learning_rate: float = 1e-3
    """Of Adam; the policy's falls to 0 by half a cosine."""

    width: int = 128
    """Features of the policy's layers."""

    blocks: int = 1
    """Residual blocks of the policy."""

    keep_checkpoints: int = 0
    """Keep the policy as it is at so many evenly spaced steps, for eval and compare."""

    seed: int = 0
    """Seed of everything drawn at random; the same seed gives the same weights."""

    resume: bool = False
    """Go on with the run in --output where it stopped (give the same options again)."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""

    json: bool = False
    """Print one JSON object as the last line."""

    def method(self) -> OfflineMethod:
        """The learner's settings."""
        raise NotImplementedError

    def run(self) -> int:
        """Learn and say what to do next."""
        from ilrobot.cli.command import telling_how_to_resume
        from ilrobot.cli.output import console, progress_bar
        from ilrobot.cli.training_progress import TrainingProgress
        from ilrobot.cli.training_result import print_result
        from ilrobot.data.dataset import Dataset
        from ilrobot.learners.offline.train import offline_policy, train_offline

        data = Dataset.open(self.dataset)
        method, config = self.method(), self._config()
        with telling_how_to_resume(self), progress_bar() as bars:
            policy = train_offline(
                data,
                method,
                offline_policy(method, width=self.width, blocks=self.blocks),
                config,
                self.output,
                reward=self.reward,
                resume=self.resume,
                on_progress=TrainingProgress(bars, config.steps),
                on_note=partial(console.print, soft_wrap=True, markup=False),
            )
        print_result(self.output, policy, data.spec.cameras, json=self.json)
        return 0

    def _config(self) -> TrainConfig:
        from ilrobot.cli.duration import time_budget
        from ilrobot.learners.offline.train import offline_config

        chosen: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("batch_size", "learning_rate", "keep_checkpoints", "seed", "device")
        }
        if self.steps is not None:
            chosen["steps"] = self.steps
        return offline_config(**chosen, time_budget=time_budget(self.time_budget, self.steps))


@dataclass(kw_only=True)
class Td3Bc(OfflineOptions):
    """Learn from recorded rewards by TD3+BC: twin critics, and a policy near what was done.

    Fujimoto and Gu 2021. For mixed data with rewards at most steps; filtered-bc comes first.

    Example: ilrobot train --learner td3-bc --dataset data/hopper --output runs/td3bc
    """

    alpha: float = 2.5
    """How much the critic counts beside what was done."""

    discount: float = 0.99
    """Worth of a reward one step later."""

    def method(self) -> OfflineMethod:
        """See `OfflineOptions`."""
        from ilrobot.learners.offline.td3_bc import Td3BcMethod

        return Td3BcMethod(alpha=self.alpha, discount=self.discount)


@dataclass(kw_only=True)
class Iql(OfflineOptions):
    """Learn from recorded rewards by IQL: clone what turned out better than expected.

    Kostrikov, Nair and Levine 2022. For mixed data, and where good parts of different episodes are
    to be put together; no action is ever asked for that was not done.

    Example: ilrobot train --learner iql --dataset data/hopper --output runs/iql
    """

    expectile: float = 0.7
    """Expectile of the value: 0.5 is the mean of what was done, 1 its best."""

    beta: float = 3.0
    """How sharply better steps are preferred."""

    discount: float = 0.99
    """Worth of a reward one step later."""

    def method(self) -> OfflineMethod:
        """See `OfflineOptions`."""
        from ilrobot.learners.offline.iql import IqlMethod

        return IqlMethod(expectile=self.expectile, beta=self.beta, discount=self.discount)


@dataclass(kw_only=True)
class Cql(OfflineOptions):
    """Learn from recorded rewards by CQL: critics held down where nothing was done.

    Kumar, Zhou, Tucker and Levine 2020. Takes some ten times as long a step as the others; the
    policy's learning rate is a tenth of the critics'.

    Example: ilrobot train --learner cql --dataset data/hopper --output runs/cql
    """

    alpha: float = 10.0
    """Weight of the conservative term."""

    actions: int = 10
    """Actions drawn for the integral, from each of three distributions."""

    learning_rate: float = 3e-4
    """Of Adam, for the critics; the policy's is a tenth, and falls to 0 by half a cosine."""

    discount: float = 0.99
    """Worth of a reward one step later."""

    def method(self) -> OfflineMethod:
        """See `OfflineOptions`."""
        from ilrobot.learners.offline.cql import CqlMethod

        return CqlMethod(alpha=self.alpha, actions=self.actions, discount=self.discount)


@dataclass(kw_only=True)
class FilteredBc(OfflineOptions):
    """Clone the best episodes, whoever acted in them; with --best 100 all.

    The baseline to beat for whatever learns from rewards.

    Example: ilrobot train --learner filtered-bc --best 10 --dataset data/hopper --output runs/best
    """

    best: float = 10.0
    """Per cent of the steps to clone: the episodes of greatest return, ties included."""

    def method(self) -> OfflineMethod:
        """See `OfflineOptions`."""
        from ilrobot.learners.offline.weighted_bc import FilteredBcMethod

        return FilteredBcMethod(best=self.best)


@dataclass(kw_only=True)
class WeightedBc(OfflineOptions):
    """Clone all episodes, the better ones more often.

    Hong et al. 2023.

    Example: ilrobot train --learner weighted-bc --dataset data/hopper --output runs/weighted
    """

    temperature: float = 0.1
    """In ranges of the returns: the best episode is drawn e times as often as one so far below."""

    def method(self) -> OfflineMethod:
        """See `OfflineOptions`."""
        from ilrobot.learners.offline.weighted_bc import WeightedBcMethod

        return WeightedBcMethod(temperature=self.temperature)
