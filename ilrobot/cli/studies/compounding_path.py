"""The half of `compounding` that is no table: real networks on PointPath, driven by the one loop.

PointPath without its ridge (``instability`` 0), where nothing pushes the point off the path. The
learner errs with probability ε per step: its action is replaced by one of the two greatest
(`ErringActor`), which throws the point off. A step further than `LEAST_OFF` from the path costs 1.
The clone has only seen the path itself and does not come back, so it goes on paying to the end:
that is what makes its bound tight. Who was taught in its own states pays for a few steps only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from ilrobot.actors import Actor, Decision
from ilrobot.cli.people import scripted_expert
from ilrobot.data.memory import Recordings
from ilrobot.env import Step, TaskEnv, make_env
from ilrobot.erring import ErringActor
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.fitting import Weights, fit_policy
from ilrobot.learners.interactive.aggrevate import aggrevate
from ilrobot.learners.interactive.forward import forward_training
from ilrobot.learners.interactive.interaction import Interaction, dagger
from ilrobot.learners.interactive.smile import smile
from ilrobot.policies.combined import Acting
from ilrobot.policies.config import PolicyConfig
from ilrobot.report.compounding_path import PathRegrets
from ilrobot.rollout import rollout
from ilrobot.workers import Workers

TASK = "ilrobot/PointPath-v0"
#: Distance from the path beyond which a step costs 1, m.
LEAST_OFF = 0.05


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    Attributes:
        epsilon: Probability of a wrong action at a step.
        horizons: T, steps; at the longest εT is 0.4, and regret far from its ceiling.
        labelled: Steps with labels per round.
        judged: Steps by which each method is judged at each horizon.
        training: Optimiser steps of a fit.
    """

    epsilon: float = 0.006
    horizons: tuple[int, ...] = (16, 25, 40, 64)
    labelled: int = 4_000
    judged: int = 12_000
    training: int = 1_000


PLAN = Plan()
_JUDGED_FROM = 1_000_000

_POLICY = PolicyConfig(width=128, blocks=1)


def _training(steps: int) -> TrainConfig:
    return TrainConfig(
        steps=steps,
        learning_rate=5e-3,
        warmup=50,
        ema=0.99,
        held_out=0.0,
        patience=0,
        device="cpu",
    )


@dataclass(frozen=True)
class _Erring:
    """A learner that errs with ε, while it is taught and when it is judged."""

    policy: Acting
    env: TaskEnv
    epsilon: float

    def actor(self) -> Actor:
        return ErringActor(self.policy.actor(), self.env.spec, self.epsilon)


class _World:
    """A path of one length, its expert, and the plan."""

    def __init__(self, plan: Plan, horizon: int) -> None:
        self.plan, self.horizon = plan, horizon
        self.env = make_env(TASK, {"horizon": horizon, "instability": 0.0})
        self.env.reset(0)
        self.expert = scripted_expert(self.env)

    def interaction(self, episodes: int | None = None, *, share: float = 1.0) -> Interaction:
        """With so many episodes a round, and so much of the plan's training."""
        training = _training(max(1, round(share * self.plan.training)))

        def fit(recordings: Recordings, frame_weights: Weights | None = None) -> Acting:
            policy = fit_policy(recordings, _POLICY, training, frame_weights)
            return _Erring(policy, self.env, self.plan.epsilon)

        count = episodes or max(1, self.plan.labelled // self.horizon)
        return Interaction(self.env, self.expert, fit, count)

    def cost(self, actor: Actor, seed: int) -> float:
        """Steps off the path in one episode."""
        off = 0

        def count(_: Decision, step: Step) -> None:
            nonlocal off
            off += -step.reward > LEAST_OFF

        rollout(self.env, actor, seed=seed, on_tick=count)
        return float(off)


def _clone(world: _World) -> Acting:
    return dagger(world.interaction(), rounds=1)[-1]


def _dagger(world: _World) -> Acting:
    return dagger(world.interaction(), rounds=4)[-1]


def _forward(world: _World) -> Acting:
    block = 5
    episodes = max(1, world.plan.labelled // (4 * block))
    return forward_training(world.interaction(episodes, share=0.5), world.horizon, block)


def _smile(world: _World) -> Acting:
    return smile(world.interaction(), rounds=6, alpha=0.3)


def _aggrevate(world: _World) -> Acting:
    # An episode gives one label, and has several endings.
    episodes = max(1, world.plan.labelled // 10)
    return aggrevate(world.interaction(episodes), 4, world.horizon, tried=6)[-1]


#: Method → how it learns.
METHODS: dict[str, Callable[[_World], Acting]] = {
    "bc": _clone,
    "forward": _forward,
    "smile": _smile,
    "dagger": _dagger,
    "aggrevate": _aggrevate,
}


def regrets_on_the_path(plan: Plan | None = None) -> PathRegrets:
    """Learn and judge each method at each horizon, on all cores.

    Args:
        plan: How much of everything (None: `PLAN`).
    """
    plan = plan or PLAN
    pieces = [(plan, name, horizon) for horizon in reversed(plan.horizons) for name in METHODS]
    cores = min(os.cpu_count() or 1, len(pieces))
    with Workers(cores, _nothing, purpose="the study", cure="free some memory") as workers:
        regrets = dict(zip(pieces, workers.map(_regrets, pieces), strict=True))
    return PathRegrets(
        plan.epsilon,
        plan.horizons,
        {name: [regrets[plan, name, horizon] for horizon in plan.horizons] for name in METHODS},
    )


def _nothing() -> None:
    """The workers need no setup."""


def _regrets(_: None, piece: tuple[Plan, str, int]) -> list[float]:
    """The cost of each judged episode beyond the expert's on the same seed."""
    plan, name, horizon = piece
    world = _World(plan, horizon)
    learnt = METHODS[name](world).actor()
    seeds = range(_JUDGED_FROM, _JUDGED_FROM + max(2, plan.judged // horizon))
    return [world.cost(learnt, seed) - world.cost(world.expert, seed) for seed in seeds]
