"""Runs side by side: how good their policies are, and what the expert had to give for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from ilrobot.contenders import Contender, Learnt
from ilrobot.intervals import runs_interval, t_interval

_SEED_MARKS = "-_. 0123456789"


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
    values = means if len(scores) > 1 else scores[0].returns
    return t_interval(values) if len(values) > 1 else None


def _folder_name(runs: Sequence[Contender]) -> str:
    names = [run.path.resolve().name for run in runs]
    same = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    return "".join(letters[0] for letters in same).rstrip(_SEED_MARKS) or names[0]
