"""The half of `compounding` that is no table: real networks on PointPath, driven by the one loop.

PointPath without its ridge (``instability`` 0), where nothing pushes the point off the path. The
learner errs with probability ε per step: its action is replaced by one of the two greatest
(`ErringActor`), which throws the point off. A step further than `LEAST_OFF` from the path costs 1.
The clone has only seen the path itself and does not come back, so it goes on paying to the end:
that is what makes its bound tight. Who was taught in its own states pays for a few steps only.

The theory compares horizons at the same error per step. So the path is observed within its period,
or a longer one would be more to learn; and the shortest episode is some three recoveries long, or
it would end before an error is paid for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ilrobot.actors import Actor, Decision
from ilrobot.cli.cores import cores
from ilrobot.cli.people import scripted_expert
from ilrobot.data.recordings import Recordings
from ilrobot.env import make_env
from ilrobot.erring import ErringActor
from ilrobot.gates.gate import Gate
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.fitting import Weights, fit_policy
from ilrobot.learners.interactive.aggrevate import aggrevate
from ilrobot.learners.interactive.dagger_in_memory import dagger
from ilrobot.learners.interactive.forward import forward_training
from ilrobot.learners.interactive.interaction import Interaction
from ilrobot.learners.interactive.smile import smile
from ilrobot.policies.combined import Acting
from ilrobot.policies.config import PolicyConfig
from ilrobot.report.compounding_path import PathRegrets
from ilrobot.rollout import rollout
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import Step
from ilrobot.workers import Workers, no_setup

TASK = "ilrobot/PointPath-v0"
#: Distance from the path beyond which a step costs 1, m.
LEAST_OFF = 0.05


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    Attributes:
        epsilon: Probability of a wrong action at a step.
        horizons: T, steps; at the longest εT is 0.6, and regret far from its ceiling.
        seeds: Trainings of each method at each horizon.
        labelled: Steps with labels per round.
        judged: Episodes with an error by which each training is judged, and a quarter as many
            without.
        training: Optimiser steps of a fit.
    """

    epsilon: float = 0.004
    horizons: tuple[int, ...] = (32, 54, 94, 160)
    seeds: int = 2
    labelled: int = 3_000
    judged: int = 60
    training: int = 600


PLAN = Plan()

#: Between the seeds of one training's episodes and of the next one's, and where judging begins.
_SEEDS_APART, _JUDGED_FROM = 10_000_000, 1_000_000

_POLICY = PolicyConfig(width=64, blocks=1)


def _training(steps: int, seed: int) -> TrainConfig:
    return TrainConfig(
        steps=steps,
        seed=seed,
        batch_size=256,
        learning_rate=1e-2,
        warmup=50,
        ema=0.99,
        held_out=0.0,
        patience=0,
        device="cpu",
    )


@dataclass(frozen=True)
class _ErringInteraction(Interaction):
    """The learner errs with ε while it is taught, too."""

    epsilon: float = 0.0

    def shared(self, novice: Actor, gate: Gate) -> SharedControl:
        """The novice errs, its expert does not."""
        return super().shared(ErringActor(novice, self.env.spec, self.epsilon), gate)


class _World:
    """A path of one length, its expert, and the plan; each seed has its own episodes."""

    def __init__(self, plan: Plan, horizon: int, seed: int = 0) -> None:
        self.plan, self.horizon, self.seed = plan, horizon, seed
        options = {"horizon": horizon, "instability": 0.0, "periodic": True}
        self.env = make_env(TASK, options)
        self.env.reset(0)
        self.expert = scripted_expert(self.env)

    def interaction(self, episodes: int | None = None, *, share: float = 1.0) -> Interaction:
        """With so many episodes a round, and so much of the plan's training."""
        training = _training(max(1, round(share * self.plan.training)), self.seed)

        def fit(recordings: Recordings, frame_weights: Weights | None = None) -> Acting:
            return fit_policy(recordings, _POLICY, training, frame_weights)

        return _ErringInteraction(
            self.env,
            self.expert,
            fit,
            episodes or max(1, self.plan.labelled // self.horizon),
            seed=self.seed * _SEEDS_APART,
            epsilon=self.plan.epsilon,
        )

    def regret(self, learnt: Actor) -> float:
        """Mean cost of an episode, the learner erring, beyond the expert's on the same seed.

        Most short episodes have no error and nothing happens in them. Those with and those without
        are two strata, whose shares are known: 1 - (1-ε)^T and the rest.
        """
        erring = ErringActor(learnt, self.env.spec, self.plan.epsilon)
        first = self.seed * _SEEDS_APART + _JUDGED_FROM
        clean = (1 - self.plan.epsilon) ** self.horizon
        strata = ((1 - clean, True, self.plan.judged), (clean, False, self.plan.judged // 4))
        total = 0.0
        for share, errs, count in strata:
            if not share or not count:
                continue
            seeds = (s for s in itertools.count(first) if self._errs(erring, s) == errs)
            lost = [
                self.cost(erring, s) - self.cost(self.expert, s)
                for s in itertools.islice(seeds, count)
            ]
            total += share * float(np.mean(lost))
        return total

    def cost(self, actor: Actor, seed: int) -> float:
        """Steps off the path in one episode."""
        off = 0

        def count(_: Decision, step: Step) -> None:
            nonlocal off
            off += -step.reward > LEAST_OFF

        rollout(self.env, actor, seed=seed, on_tick=count)
        return float(off)

    def _errs(self, erring: ErringActor, seed: int) -> bool:
        return erring.errs_within(self.horizon, seed)


def _expert(world: _World) -> Actor:
    return world.expert


def _clone(world: _World) -> Actor:
    return dagger(world.interaction(), rounds=1)[-1].actor()


def _dagger(world: _World) -> Actor:
    return dagger(world.interaction(), rounds=3)[-1].actor()


def _forward(world: _World) -> Actor:
    block = 16
    episodes = max(1, world.plan.labelled // (4 * block))
    learnt = forward_training(world.interaction(episodes, share=0.5), world.horizon, block)
    return learnt.actor()


def _smile(world: _World) -> Actor:
    return smile(world.interaction(), rounds=4, alpha=0.3).actor()


def _aggrevate(world: _World) -> Actor:
    # An episode gives one label, and has several endings.
    episodes = max(1, world.plan.labelled // 15)
    return aggrevate(world.interaction(episodes), 3, world.horizon, tried=3)[-1].actor()


#: Method → how it learns. The expert has nothing to learn, and errs as they do.
METHODS: dict[str, Callable[[_World], Actor]] = {
    "expert": _expert,
    "bc": _clone,
    "forward": _forward,
    "smile": _smile,
    "dagger": _dagger,
    "aggrevate": _aggrevate,
}


def regrets_on_the_path(
    plan: Plan | None = None, on_training: Callable[[int], None] = lambda _: None
) -> PathRegrets:
    """Learn and judge each method at each horizon, on all cores.

    Args:
        plan: How much of everything (None: `PLAN`).
        on_training: Called after each training with how many there are to be.
    """
    plan = plan or PLAN
    pieces = [
        (plan, name, horizon, seed)
        for horizon in sorted(plan.horizons, reverse=True)  # the longest first
        for name in METHODS
        for seed in range(plan.seeds)
    ]
    count = min(cores(), len(pieces))
    regrets = {}
    with Workers(count, no_setup, purpose="the study", cure="free some memory") as workers:
        for piece, regret in zip(pieces, workers.map(_regret, pieces), strict=True):
            regrets[piece] = regret
            on_training(len(pieces))
    return PathRegrets(
        plan.epsilon,
        plan.horizons,
        {
            name: [
                [regrets[plan, name, horizon, seed] for seed in range(plan.seeds)]
                for horizon in plan.horizons
            ]
            for name in METHODS
        },
    )


def _regret(_: None, piece: tuple[Plan, str, int, int]) -> float:
    """Of one training."""
    plan, name, horizon, seed = piece
    world = _World(plan, horizon, seed)
    return world.regret(METHODS[name](world))
