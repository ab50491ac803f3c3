"""A tick as a recording keeps it, whoever runs the loop: a rollout, or a robot's controller."""

from __future__ import annotations

from typing import Any

import numpy as np

from ilrobot.actors import Action, Decision, Event, Observation, Source
from ilrobot.data.episode import Judge, Outcome


def frame(
    observation: Observation,
    action: Action,
    decision: Decision | None,
    *,
    reward: float,
    done: bool,
    success: bool,
    terminated: bool,
    takeover: int,
    branch: int,
    observed: float,
    applied: float,
    missed: bool,
) -> dict[str, Any]:
    """The columns of a frame, `sim.state` aside.

    Args:
        observation: What the decision was made on.
        action: What was executed.
        decision: Who chose it (None: nobody, the robot was held).
        reward: What it brought.
        done: Whether the episode ended with it.
        success: Whether the task counted as done at it.
        terminated: Whether the task itself ended with it, and not its time or a person's patience.
        takeover: Number of the takeover that it belongs to (-1: none).
        branch: How often the world went back before it.
        observed: When it was observed, in seconds of the loop's clock.
        applied: When the action was sent.
        missed: Whether the tick began after its deadline.
    """
    missing = np.full(np.shape(action), np.nan)
    source = Source.PAUSED if decision is None else decision.source
    wanted = None if decision is None else decision.policy_action
    human = None if decision is None else decision.human_action
    told = None if decision is None else decision.input_time
    return {
        **observation,
        "action": action,
        "next.reward": reward,
        "next.done": done,
        "next.success": success,
        "next.terminated": terminated,
        "intervention": source is Source.HUMAN,
        "control.source": source.value,
        "control.policy_action": missing if wanted is None else wanted,
        "control.human_action": missing if human is None else human,
        "control.intervention_id": takeover,
        "control.branch": branch,
        "control.discarded": False,
        "time.observed": observed,
        "time.input": observed if told is None else told,
        "time.applied": applied,
        "time.missed_deadline": missed,
    }


def judged(
    declared: Event | None, success: bool | None, *, terminated: bool
) -> tuple[Outcome, Judge]:
    """How an episode ended, and who said so; a person's word counts before the task's.

    Args:
        declared: What a person declared (None: nothing).
        success: Whether the task counted as done at any tick (None: it does not judge).
        terminated: Whether the task ended it, and not its time limit.
    """
    if declared is Event.DISCARD:
        return Outcome.DISCARDED, Judge.PERSON
    if declared is Event.SUCCESS:
        return Outcome.SUCCESS, Judge.PERSON
    if declared is Event.FAILURE:
        return Outcome.FAILURE, Judge.PERSON
    if success:
        return Outcome.SUCCESS, Judge.ENVIRONMENT
    if success is None:
        return Outcome.UNKNOWN, Judge.NOBODY
    return (Outcome.FAILURE if terminated else Outcome.TIMEOUT), Judge.ENVIRONMENT
