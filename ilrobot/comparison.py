"""Runs side by side: how good each policy is, and what the expert had to give for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Source
from ilrobot.data.dataset import Dataset
from ilrobot.data.labels import labels
from ilrobot.data.memory import Recordings
from ilrobot.errors import UserError
from ilrobot.evaluate import mean_interval
from ilrobot.intervals import runs_interval, t_interval
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

_SEED_MARKS = "-_. 0123456789"


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
class Score:
    """What a policy came to over some seeds.

    Attributes:
        successes: In how many episodes the task was done (None: nobody judged).
        returns: Sum of rewards of each episode.
    """

    successes: int | None
    returns: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """A method after a number of rounds, over all its runs.

    Attributes:
        method: Its name.
        round: Rounds of interactive learning so far.
        runs: How many runs it is about.
        labels: Mean number of the expert's labels that were learnt from (None: not known).
        success: Success without help, in [0, 1] (None: nobody judged).
        success_interval: 95 %, see `runs_interval`.
        mean_return: Mean sum of rewards.
        return_interval: 95 % over runs, over the episodes of one (None: of a single episode).
        helped: Success in the collection of this round, with help where it was called for
            (None: nothing was collected).
        helped_interval: 95 %, see `runs_interval`.
        expert_steps: Mean number of steps that the expert drove, in all rounds so far.
        takeovers: Mean number of takeovers, in all rounds so far.
        switches: Mean number of switches of control, in all rounds so far (None: not counted).
        policies: Folders of the runs of training that hold its policies; the first policy of a run
            of dagger is in another's.
    """

    method: str
    round: int
    runs: int
    labels: float | None
    success: float | None
    success_interval: tuple[float, float] | None
    mean_return: float
    return_interval: tuple[float, float] | None
    helped: float | None
    helped_interval: tuple[float, float] | None
    expert_steps: float
    takeovers: float
    switches: float | None
    policies: tuple[str, ...] = ()

    @classmethod
    def over(cls, method: str, policies: Sequence[Learnt], scores: Sequence[Score]) -> Row:
        """The row of the policies of one round, one of each run.

        Args:
            method: Its name.
            policies: At least one.
            scores: Of each, over the same seeds.
        """
        given = [p.labels for p in policies if p.labels is not None]
        rates = [s.successes / len(s.returns) for s in scores if s.successes is not None]
        judged = len(rates) == len(scores)
        means = [float(np.mean(s.returns)) for s in scores]
        last = [p.collected[-1] for p in policies if p.collected]
        collected = [row for p in policies for row in p.collected]
        helped = [row.successes / row.episodes for row in last]
        switches = [row.log.switches for row in collected if row.log is not None]
        return cls(
            method=method,
            round=policies[0].round,
            runs=len(policies),
            labels=float(np.mean(given)) if len(given) == len(policies) else None,
            success=float(np.mean(rates)) if judged else None,
            success_interval=runs_interval(rates, len(scores[0].returns)) if judged else None,
            mean_return=float(np.mean(means)),
            return_interval=_return_interval(scores, means),
            helped=sum(r.successes for r in last) / sum(r.episodes for r in last) if last else None,
            helped_interval=runs_interval(helped, last[0].episodes) if last else None,
            expert_steps=sum(row.human_steps for row in collected) / len(policies),
            takeovers=sum(row.interventions for row in collected) / len(policies),
            switches=sum(switches) / len(policies) if len(switches) == len(collected) else None,
            policies=tuple(str(policy.folder) for policy in policies),
        )


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


def rows(name: str, runs: Sequence[Contender], score: Callable[[Learnt], Score]) -> list[Row]:
    """A row for each round that any of the runs has done.

    Args:
        name: What the runs are called together.
        runs: Runs of one method.
        score: What a policy came to.
    """
    rounds = sorted({policy.round for run in runs for policy in run.policies})
    found = []
    for number in rounds:
        policies = [p for run in runs for p in run.policies if p.round == number]
        found.append(Row.over(name, policies, [score(policy) for policy in policies]))
    return found


def expert_labels(data: Recordings) -> NDArray[np.int64]:
    """How many actions of each episode the expert gave: demonstrated, or asked for.

    Returns:
        Shape (num_episodes,).
    """
    given, _ = labels(data)
    if data.has_column("control.source"):
        demonstrated = data.column("control.source") == Source.DEMO.value
        wanted = data.column("control.human_action").reshape(data.num_frames, -1)
        given = given & (demonstrated | np.isfinite(wanted).all(axis=1))
    return np.add.reduceat(given.astype(np.int64), data.starts[:-1])


def group(contenders: Sequence[Contender]) -> dict[str, list[Contender]]:
    """Runs that differ by their seeds alone together, by a name that tells the groups apart.

    A group is named by its method, and by its folders too where another has the same.
    """
    alike: dict[str, list[Contender]] = {}
    for contender in contenders:
        alike.setdefault(contender.alike, []).append(contender)
    methods = [runs[0].method for runs in alike.values()]
    named: dict[str, list[Contender]] = {}
    for runs in alike.values():
        name = runs[0].method
        if methods.count(name) > 1:
            name = f"{name} ({_folder_name(runs)})"
        while name in named:
            name += "'"
        named[name] = runs
    return named


def _return_interval(scores: Sequence[Score], means: Sequence[float]) -> tuple[float, float] | None:
    if len(scores) > 1:
        return t_interval(means)
    returns = scores[0].returns
    return mean_interval(returns) if len(returns) > 1 else None


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
        **{f"of the learner: {name}": value for name, value in known.settings.items()},
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


def _folder_name(runs: Sequence[Contender]) -> str:
    names = [run.path.resolve().name for run in runs]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in same).rstrip(_SEED_MARKS) or names[0]
