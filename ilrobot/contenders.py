"""A run as it takes part in a comparison: its policies, and what the expert gave for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.data.labels import labels
from ilrobot.data.recordings import Recordings, lives
from ilrobot.errors import UserError
from ilrobot.round_attempts import round_folder
from ilrobot.run import POLICY_FILE, Run, policy_hash, run_of
from ilrobot.run_description import (
    ATTEMPTS,
    DaggerDescription,
    Description,
    InitialPolicy,
    RoundSummary,
    TrainDescription,
)


@dataclass(frozen=True)
class Learnt:
    """One policy of a run.

    Attributes:
        folder: The run of training that holds it, or its file where the run kept it.
        round: After how many rounds of interactive learning; 0 for the first policy.
        labels: Actions of the expert that it learnt from (None: its recordings are gone).
        collected: The rounds of which it learnt.
    """

    folder: Path
    round: int
    labels: int | None
    collected: tuple[RoundSummary, ...] = ()


@dataclass(frozen=True)
class Contender:
    """The policies of one run, in the order in which they were learnt.

    Attributes:
        path: The run's folder, or the file of a policy that it kept.
        method: What it is called: its gate or its loss, and the step of a policy that was kept.
        alike: The same for runs that differ by nothing but their seeds.
        policies: At least one.
    """

    path: Path
    method: str
    alike: str
    policies: tuple[Learnt, ...]

    @classmethod
    def read(cls, path: Path) -> Contender:
        """Look at a run.

        A first policy that was moved, deleted or trained anew since is left out.

        Raises:
            UserError: There is no run, or it has no policy yet.
        """
        known = Run.read(run_of(path)).description
        if isinstance(known, DaggerDescription):
            method = str(known.setting.get("gate", "dagger"))
            alike = {
                **known.setting,
                **_settings(known),
                "episodes": known.plan.episodes,
                "demonstrations": known.demonstrations.episodes,
                "warm start": known.warm_start,
                "aggregate": known.aggregate,
                "first policy": _first_settings(known.initial),
            }
            policies = _rounds(path, known)
        else:
            assert isinstance(known, TrainDescription)
            cloned = known.learner == "bc"
            method = known.config.policy.head if cloned else known.learner
            alike = _trained_settings(known)
            policies = _trained(path, known)
            if path.is_file():
                method, alike = f"{method}, {path.stem}", {**alike, "kept": path.stem}
        if not policies and known.status == "done":
            raise UserError(f"{path} is done and holds no policy; leave it out")
        if not policies:
            raise UserError(f"{path} has no policy yet; let it finish, or leave it out")
        return cls(path, method, str(sorted(alike.items(), key=str)), policies)


def expert_labels(data: Recordings) -> NDArray[np.int64]:
    """How many actions of each episode the expert gave: demonstrated, or asked for.

    Corrections count whether they teach or not: they were given.

    Returns:
        Shape (num_episodes,).
    """
    given, _ = labels(data)
    if data.has_column("control.source"):
        demonstrated = data.column("control.source") == Source.DEMO.value
        wanted = data.column("control.human_action").reshape(data.num_frames, -1)
        kept = np.repeat([i.outcome is not Outcome.DISCARDED for i in data.infos], data.lengths)
        corrected = lives(data) & kept & np.isfinite(wanted).all(axis=1)
        given = np.where(demonstrated, given, corrected)
    return np.add.reduceat(given.astype(np.int64), data.starts[:-1])


def _settings(known: Description) -> dict[str, Any]:
    """How a policy is made and trained, but for the seed."""
    return {k: v for k, v in known.config.settings().items() if k != "seed"}


def _trained_settings(known: TrainDescription) -> dict[str, Any]:
    return {
        **_settings(known),
        "demonstrations": known.dataset.episodes,
        "perturbation": known.perturbation,
        "warm start": known.initial is not None,
        "learner": known.learner,
        # Its seed is the training's, as well; RAFT's settings name it.
        **{f"of the learner: {k}": v for k, v in known.settings.items() if k != "seed"},
    }


def _first_settings(initial: InitialPolicy) -> dict[str, Any] | None:
    """Of the policy that a run of dagger began with (None: it is no longer there)."""
    path = Path(initial.path)
    if not _is_there(initial):
        return None
    first = Run.read(path).description
    return _trained_settings(first) if isinstance(first, TrainDescription) else _settings(first)


def _is_there(initial: InitialPolicy) -> bool:
    """Whether its folder still holds this very policy."""
    path = Path(initial.path)
    return (path / POLICY_FILE).exists() and policy_hash(path) == initial.policy_hash


def _trained(path: Path, known: TrainDescription) -> tuple[Learnt, ...]:
    if not (path.is_file() or (path / POLICY_FILE).exists()):
        return ()
    data = Path(known.dataset.path)
    if known.learner != "bc" and data == (path / ATTEMPTS).resolve():
        return (Learnt(path, 0, 0),)
    return (Learnt(path, 0, _at(_cumulative(data), known.dataset.episodes)),)


def _rounds(path: Path, known: DaggerDescription) -> tuple[Learnt, ...]:
    given = _cumulative(known.recordings(path))
    first = Path(known.initial.path)
    policies = []
    if _is_there(known.initial):
        policies.append(Learnt(first, 0, _at(given, known.demonstrations.episodes)))
    for done in known.rounds:
        folder = round_folder(path, done.round)
        fitted = Run.read(folder).description.dataset.episodes
        collected = tuple(row for row in known.rounds if row.round <= done.round)
        policies.append(Learnt(folder, done.round, _at(given, fitted), collected))
    return tuple(policies)


def _cumulative(path: Path) -> NDArray[np.int64] | None:
    if not (path / "meta" / "info.json").exists():
        return None
    return np.concatenate(([0], np.cumsum(expert_labels(Dataset.open(path)))))


def _at(given: NDArray[np.int64] | None, episodes: int) -> int | None:
    return None if given is None or episodes >= len(given) else int(given[episodes])
