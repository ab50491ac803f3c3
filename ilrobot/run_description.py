"""What ``run.json`` says: how a run was made, on what, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from ilrobot.gates.log import GateLog
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.heeded import heeded
from ilrobot.spec import Spec

#: Of a run that was begun without demonstrations: what its policy did when it was done.
ATTEMPTS = "dataset"

#: Settings that may change when a run goes on.
_FREE = frozenset({"checkpoint_seconds", "device"})


@dataclass(frozen=True)
class DataUsed:
    """Which recordings.

    Attributes:
        path: Where they lay then.
        content_hash: Over all their values, see `ilrobot.data.dataset.Dataset.content_hash`.
        episodes: How many there were.
        frames: How many ticks in all.
        frame_weights: 16 hex digits over the weights of the frames (None: all alike).
        besides: How many more there were that lie elsewhere, see `MemoryRecordings`.
    """

    path: str
    content_hash: str
    episodes: int
    frames: int
    frame_weights: str | None = None
    besides: int = 0


@dataclass(frozen=True)
class Config:
    """How the policy is made and how it is trained."""

    policy: PolicyConfig
    train: TrainConfig

    def settings(self) -> dict[str, Any]:
        """All that must stay the same when a run goes on, as words and values.

        What the policy takes no notice of is left out: its defaults may be others by then.
        """
        both = {**heeded(self.policy.to_json()), **self.train.to_json()}
        return {_words(name): value for name, value in both.items() if name not in _FREE}


@dataclass(frozen=True)
class Description:
    """What every run says of itself.

    Attributes:
        kind: Which kind of run.
        status: Whether the policy is ready; of one that learnt by trying also, whether that failed.
        version: Of ilrobot, at the beginning.
        seconds: Time spent on training so far.
        spec: Observations and action.
        config: How the policy is made and trained.
        dataset: What the policy was trained on.
        parameters: Number of the policy's weights.
    """

    kind: str
    status: Literal["running", "done", "failed"]
    version: str
    seconds: float
    spec: Spec
    config: Config
    dataset: DataUsed
    parameters: int

    def fixed(self) -> Mapping[str, Any]:
        """All that must stay the same when the run goes on, as words and values."""
        raise NotImplementedError

    def resumed(self, wanted: Self) -> Self:
        """This with whatever `wanted` may change."""
        return self


@dataclass(frozen=True)
class Result:
    """What training came to.

    Attributes:
        steps: Optimiser steps done.
        validation_loss: Of the weights that are the result (None: nothing was held out).
        loss: Mean training loss of the last steps (None: not known).
        early: Whether it stopped because held-out episodes no longer improved.
    """

    steps: int
    validation_loss: float | None
    loss: float | None = None
    early: bool = False


@dataclass(frozen=True)
class TrainDescription(Description):
    """Of a run of ``train``; `result` is there when it is done.

    Attributes:
        result: What it came to.
        initial: 16 hex digits over the weights that it began with (None: from scratch).
        perturbation: What changed the batches, as its `repr` (None: nothing).
        teacher: 16 hex digits over the policy that was distilled and its weights (None: none).
        learner: What it was learnt by; ``bc`` is cloning.
        settings: Of that learner, beside those of `config`.
    """

    learner: str = "bc"
    settings: dict[str, Any] = field(default_factory=dict)
    result: Result | None = None
    initial: str | None = None
    perturbation: str | None = None
    teacher: str | None = None

    def fixed(self) -> Mapping[str, Any]:
        """See `Description`."""
        return {
            "--learner": self.learner,  # first, for of another one all else may differ, too
            **self.config.settings(),
            "data of content hash": self.dataset.content_hash,
            "frame weights of hash": self.dataset.frame_weights,
            "perturbation": self.perturbation,
            "initial weights of hash": self.initial,
            "a teacher of hash": self.teacher,
            **{_words(name): value for name, value in self.settings.items()},
        }


@dataclass(frozen=True)
class DaggerPlan:
    """How much of everything.

    Attributes:
        rounds: Rounds of collecting and fitting.
        episodes: Episodes in each round.
        seed: Seed of the first episode; the next ones count up from it.
    """

    rounds: int
    episodes: int
    seed: int

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.episodes < 1 or self.seed < 0:
            raise ValueError("a plan has at least 1 round of at least 1 episode and a seed from 0")

    def seeds(self, number: int) -> range:
        """Seeds of the episodes of round `number`, counted from 1."""
        first = self.seed + (number - 1) * self.episodes
        return range(first, first + self.episodes)


@dataclass(frozen=True)
class RoundSummary:
    """What one round of collection came to.

    Attributes:
        round: Counted from 1.
        episodes: Episodes rolled out and kept.
        successes: Episodes in which the task was done, with or without help.
        autonomous: Episodes in which it was done without any help.
        interventions: How often the expert took over.
        human_steps: Steps that the expert drove.
        steps: All steps.
        log: The sum of what the gate logged, rewound steps included (None: nobody kept count).
    """

    round: int
    episodes: int
    successes: int
    autonomous: int
    interventions: int
    human_steps: int
    steps: int
    log: GateLog | None = None


@dataclass(frozen=True)
class InitialPolicy:
    """The policy that acts in the first round: where its run lay, and SHA-256 of its file."""

    path: str
    policy_hash: str


@dataclass(frozen=True)
class DaggerDescription(Description):
    """Of a run of ``dagger``; `config`, `dataset` and `parameters` are of its latest policy.

    Attributes:
        plan: How much of everything.
        setting: Where and how corrections are collected: task, gate, device and their options.
        demonstrations: What it began with; these are the first episodes of its own dataset.
        initial: The policy that it began with.
        rounds: The rounds done.
        warm_start: Whether each fit begins with the weights of the policy that acted.
        aggregate: Whether the attempts are added to the demonstrations themselves, not to a copy.
    """

    plan: DaggerPlan
    setting: dict[str, Any]
    demonstrations: DataUsed
    initial: InitialPolicy
    rounds: tuple[RoundSummary, ...]
    warm_start: bool = False
    aggregate: bool = False

    def recordings(self, folder: Path) -> Path:
        """The dataset that it began with and grows, for a run in this folder."""
        return Path(self.demonstrations.path) if self.aggregate else folder / "dataset"

    def fixed(self) -> Mapping[str, Any]:
        """See `Description`."""
        settings = self.config.settings()
        return {
            **self.setting,
            "episodes": self.plan.episodes,
            "seed": self.plan.seed,
            "warm start": self.warm_start,
            "aggregate": self.aggregate,
            "demonstrations of content hash": self.demonstrations.content_hash,
            **{f"a policy of {name}": value for name, value in settings.items()},
            "a policy of hash": self.initial.policy_hash,
        }

    def resumed(self, wanted: Self) -> Self:
        """More rounds may be asked for; those that are done stay. What it began with may lie
        elsewhere by now."""
        rounds = max(wanted.plan.rounds, len(self.rounds))
        return replace(
            self,
            plan=replace(self.plan, rounds=rounds),
            initial=wanted.initial,
            demonstrations=replace(self.demonstrations, path=wanted.demonstrations.path),
            status="done" if rounds == len(self.rounds) else "running",
        )


KINDS: dict[str, type[Description]] = {"train": TrainDescription, "dagger": DaggerDescription}


def _words(name: str) -> str:
    return {"n_obs": "history"}.get(name, name.replace("_", " "))
