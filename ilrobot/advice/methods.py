"""From the evidence to methods, the one to reach for first: a short rule for each, in order.

A rule looks at the evidence alone, gives its reasons as the numbers that it looked at, and the
commands that follow from them.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ilrobot.advice.evidence import Evidence

#: With fewer demonstrations than this a clone has seldom seen enough.
FEW = 10
#: From here on, in ticks, a new episode is mostly where nobody has been.
FAR = 5.0
#: A single second of driving wrong already leads where nobody was; from so many ticks on it counts.
LONG = 50.0
#: From this share of explained actions on the present observation says what was done next.
_EXPLAINED = 0.8
#: Corrections matter from this share of what teaches on.
_CORRECTED = 0.02

#: The preset that predicts single ticks.
_SINGLE = "bc"


@dataclass(frozen=True)
class Advice:
    """One method.

    Attributes:
        method: Its name.
        why: What speaks for it, with the numbers.
        commands: What to type, in order.
    """

    method: str
    why: str
    commands: tuple[str, ...]


Rule = Callable[[Evidence, str], Advice | None]


def recommend(evidence: Evidence, dataset: Path | str) -> list[Advice]:
    """The methods that suit, the one to reach for first.

    Args:
        evidence: What was found.
        dataset: The dataset's folder, for the commands.
    """
    given = (rule(evidence, shlex.quote(str(dataset))) for rule in _RULES)
    return [advice for advice in given if advice is not None]


def _offline_first(e: Evidence, data: str) -> Advice | None:
    return _offline(e, data) if not _clone_sorts(e) or e.facts.teaching < FEW else None


def _offline_later(e: Evidence, data: str) -> Advice | None:
    return _offline(e, data) if _clone_sorts(e) and e.facts.teaching >= FEW else None


def _clone_sorts(e: Evidence) -> bool:
    """Whether a clone leaves out what was bad: it can where any was judged."""
    return e.facts.success_rate is not None


def _offline(e: Evidence, data: str) -> Advice | None:
    facts = e.facts
    if not facts.mixed or facts.choices is not None:
        return None
    if facts.success_rate is not None:
        by_flag = facts.known - facts.judged
        flag = f" ({by_flag} by next.success)" if by_flag else ""
        why = (
            f"{facts.success_rate:.0%} of {facts.known} judged episodes succeeded{flag}, and a "
            f"clone is taught by {facts.teaching} of all {facts.episodes}. Offline RL learns "
            "from what failed, too"
        )
        reward = " --reward success"
    else:
        low, middle, high = facts.returns  # type: ignore[misc]
        why = (
            f"returns go from {low:.4g} over {middle:.4g} to {high:.4g} (10, 50, 90 %): the "
            "quality is mixed, and a clone would copy the average. Offline RL weights what led to "
            "more"
        )
        reward = ""
    return Advice(
        "iql",
        f"{why}; it asks neither an expert nor a simulator",
        (
            f"ilrobot train --learner iql --dataset {data}{reward} --output runs/iql",
            *_eval(e, "runs/iql"),
        ),
    )


def _few(e: Evidence, data: str) -> Advice | None:
    if not _needs_adversary(e) or e.facts.episodes >= FEW:
        return None
    return _adversarial(e, data)


def _clone(e: Evidence, data: str) -> Advice:
    facts, modes = e.facts, e.modes
    policy, reasons = clone_of(e), []
    if facts.choices is not None:
        reasons.append(f"the action is one of {facts.choices}: a classifier holds several answers")
    elif modes is None:
        reasons.append("the smallest thing that can work, to have something to compare with")
    elif modes.several:
        sure = "" if modes.gain_low > 0 else ", which is likely and not sure"
        reasons.append(
            f"at {modes.share:.0%} of the frames, most of them between {modes.begin:.0%} and "
            f"{modes.end:.0%} of an episode, what was done next is two things, not one: two "
            f"Gaussians make held-out episodes {modes.gain:.2f} nats likelier there (at least "
            f"{modes.gain_low:.2f}{sure}). Their average is neither; flow draws one of them, and "
            "its chunk of actions keeps to it"
        )
    else:
        reasons.append(
            f"one observation has one answer (two modes at {modes.share:.1%} of the frames only); "
            f"a smooth function explains {max(modes.explained, 0.0):.0%} of the next actions"
        )
        if policy == "flow":
            reasons.append(
                "the rest is often a person's delay, over which a clone of single ticks dithers "
                "and a chunk does not, since it keeps to what was begun"
            )
    weighting = ""
    taught = facts.demonstrated + facts.corrected
    if facts.corrected > _CORRECTED * max(taught, 1):
        weighting = " --weighting sirius" if facts.by_policy else " --weighting iwr"
        reasons.append(
            f"{facts.corrected} of {taught} taught frames are corrections, which should count "
            "for half of all"
        )
    if facts.mixed and _clone_sorts(e):
        reasons.append("of judged episodes it learns from those that succeeded alone")
    return Advice(
        policy,
        "; ".join(reasons),
        (
            f"ilrobot train --dataset {data} --policy {policy}{weighting} --output runs/{policy}",
            *_eval(e, f"runs/{policy}"),
        ),
    )


def _dagger(e: Evidence, data: str) -> Advice | None:
    if not e.available.simulator or e.available.expert == "none" or e.facts.choices is not None:
        return None
    scripted = e.available.expert == "scripted"
    how = "--gate beta" if scripted else "--device gamepad"
    run = f"runs/{clone_of(e)}"
    far = _far(e)
    who = "the task's script" if scripted else "the person who demonstrated"
    return Advice(
        "dagger",
        f"{far}; {who} can be asked, so corrections are made where the policy itself goes",
        (
            f"ilrobot dagger{_task(e)} --dataset {data} --policy {run} {how} --output runs/dagger",
            f"ilrobot compare {run} runs/dagger",
        ),
    )


def _many(e: Evidence, data: str) -> Advice | None:
    if not _needs_adversary(e) or e.facts.episodes < FEW:
        return None
    return _adversarial(e, data)


def _finetune(e: Evidence, data: str) -> Advice | None:
    rewarded = bool(e.facts.returns)
    if not e.available.simulator or not (rewarded or e.available.judges):
        return None
    if e.facts.choices is not None:
        return None
    run = f"runs/{clone_of(e)}"
    what = "a reward" if rewarded else "success"
    if clone_of(e) != _SINGLE:
        return Advice(
            "raft",
            f"the simulator knows {what}: let the clone try, keep the best attempts and clone them "
            "too; it works for chunks as well",
            (
                f"ilrobot train --learner raft --from {run} --dataset {data}{_task(e)} --output "
                "runs/raft",
            ),
        )
    if e.available.judges:
        return Advice(
            "residual",
            "the simulator says what succeeded: learn from that alone what to add to the clone's "
            "actions, within a bound",
            (f"ilrobot train --learner residual --from {run}{_task(e)} --output runs/residual",),
        )
    return Advice(
        "ppo",
        "the simulator knows a reward: try to go past the demonstrations from the clone, on a "
        "leash to it",
        (f"ilrobot train --learner ppo --from {run}{_task(e)} --output runs/ppo",),
    )


def _preferences(e: Evidence, data: str) -> Advice | None:
    if not e.available.simulator or e.facts.returns or e.available.judges or e.facts.choices:
        return None
    clone: tuple[str, ...] = ()
    if clone_of(e) != _SINGLE:  # PPO improves policies of single ticks alone
        clone = (f"ilrobot train --dataset {data} --policy bc --output runs/bc",)
    return Advice(
        "preferences",
        "there is a simulator, but neither a reward nor a judge of success: say of two attempts "
        "which is better, fit a reward to that, and improve a clone of single ticks by it",
        (
            *clone,
            f"ilrobot prefer runs/bc{_task(e)}",
            "ilrobot train --learner preferences --comparisons runs/bc/preferences --output "
            "runs/reward",
            f"ilrobot train --learner ppo --from runs/bc{_task(e)} --reward runs/reward "
            "--output runs/ppo",
        ),
    )


def _more(e: Evidence, data: str) -> Advice | None:
    coverage = e.coverage
    if coverage is None or coverage.gap_95 < FAR or e.available.simulator:
        return None
    return Advice(
        "more demonstrations",
        f"{_far(e)}, and there is no simulator to find out where a policy would fail: show more, "
        "above all from other beginnings and with recoveries from small mistakes",
        (),
    )


_RULES: tuple[Rule, ...] = (
    *(_offline_first, _few, _clone, _offline_later, _dagger, _many),
    *(_finetune, _preferences, _more),
)


def clone_of(e: Evidence) -> str:
    """The preset that clones such data."""
    if e.facts.choices is not None or e.modes is None:
        return _SINGLE
    return "flow" if e.modes.several or e.modes.explained < _EXPLAINED else _SINGLE


def _needs_adversary(e: Evidence) -> bool:
    return (
        e.available.simulator
        and e.available.expert == "none"
        and e.facts.choices is None
        and not e.facts.mixed
        and (e.facts.episodes < FEW or e.facts.typical >= LONG)
    )


def _adversarial(e: Evidence, data: str) -> Advice:
    facts = e.facts
    lengths = ""
    if facts.lengths_vary:
        lengths = (
            f". Episodes end after {facts.shortest:.0f} to {facts.longest:.0f} ticks: mind the "
            "termination bias (docs/adversarial.md)"
        )
    return Advice(
        "gail",
        f"{facts.episodes} demonstrations of {facts.typical:.0f} ticks, nobody to ask, and a "
        "simulator: adversarial imitation needs few demonstrations and many steps of the "
        f"simulator, in which the policy learns to come back to what was shown{lengths}",
        (
            f"ilrobot train --learner gail --dataset {data}{_task(e)} --output runs/gail",
            *_eval(e, "runs/gail"),
        ),
    )


def _far(e: Evidence) -> str:
    if e.coverage is None:
        return f"episodes of {e.facts.typical:.0f} ticks, in which errors add up"
    place = "often where nobody has been" if e.coverage.gap_95 >= FAR else "near what was shown"
    return (
        f"an episode of {e.facts.typical:.0f} ticks is {place} ({e.coverage.gap:.1f} ticks from "
        f"the nearest other episode at the median, {e.coverage.gap_95:.1f} at one moment in twenty)"
    )


def _task(e: Evidence) -> str:
    return f" --task {shlex.quote(e.available.task)}"


def _eval(e: Evidence, run: str) -> tuple[str, ...]:
    if not e.available.simulator:
        return ()
    return (f"ilrobot eval --policy {run}{_task(e)} --episodes 50",)
