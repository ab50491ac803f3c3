"""AggreVaTe: DAgger with the expert's cost-to-go in place of its label.

    for i = 1 … N, for each episode:
        t ~ U{1 … T};  roll in with π_i = β_i π* + (1-β_i) π̂_i up to step t-1
        at o_t take an action a of one's own choice; the expert finishes: Q̂ = Σ_{t'=t}^T c
        D ← D ∪ {(o_t, t, a, Q̂)};   π̂_{i+1} ← cost-sensitive fit to D

Ross and Bagnell 2014, "Reinforcement and imitation learning via interactive no-regret learning",
arXiv:1406.5979, algorithm AggreVaTe.

The paper tries one action in each episode. A simulator whose state can be restored can try several
at the same o_t, which takes out what the costs of different states have to do with it: the
expert's own, and others drawn over the action's whole range (for choices: all of them). The
cost-sensitive problem is then reduced to a weighted one, which every head and chunk can be fitted
to: the label is the cheapest action tried, its weight what a mistake there costs, which is the
mean cost of the actions tried beyond the least. With two actions to choose from that is the same
problem; with more, or with actions that are numbers, it is an approximation, which does not tell a
dear mistake from a cheap one at the same o_t. What the expert did after the cheapest one completes
the label's chunk.

The policy returned last need not be the best of all rounds; the paper validates them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ilrobot.actors import Action, Actor, Observation, Source
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome, frame_columns, stack_frames
from ilrobot.erring import action_limits
from ilrobot.errors import UserError, WorkFailed
from ilrobot.gates.beta import BetaGate, BetaSchedule, indicator
from ilrobot.learners.interactive.interaction import NOBODY, Interaction
from ilrobot.policies.combined import Acting
from ilrobot.spec import Spec
from ilrobot.task_env import Step, TaskEnv

Cost = Callable[[Step], float]
_Frame = dict[str, Any]


def negative_reward(step: Step) -> float:
    """The usual cost."""
    return -step.reward


def aggrevate(
    interaction: Interaction,
    rounds: int,
    horizon: int,
    *,
    tried: int = 4,
    chunk: int = 1,
    beta: BetaSchedule | None = None,
    cost: Cost = negative_reward,
) -> list[Acting]:
    """The policy of each round, the last one fitted to all that was tried.

    Args:
        interaction: World, expert and learner; each of its episodes gives one label.
        rounds: N, at least 1.
        horizon: T; an episode that ends before the step drawn for it gives no label.
        tried: Actions tried at a step, the expert's among them; at least 2. Of choices all are.
        chunk: Actions in a chunk of the policy that is fitted; the expert's complete it.
        beta: β of each round (None: `indicator`).
        cost: Of a step.

    Raises:
        UserError: The task's state cannot be restored, its action has no limits, an argument is
            out of range, or a cost is not finite.
        WorkFailed: No episode of a round was long enough, or all actions cost the same everywhere.
    """
    _check(interaction.env, rounds, horizon, tried, chunk)
    schedule = beta or indicator()
    generator = np.random.default_rng([interaction.seed, 7])
    novice: Acting = NOBODY
    episodes: list[Episode] = []
    weights: list[float] = []
    learnt: list[Acting] = []
    for number in range(1, rounds + 1):
        share = 1.0 if number == 1 else schedule(number)  # nobody else has learnt anything
        driver = interaction.shared(novice.actor(), BetaGate(share))
        for seed in interaction.seeds(number):
            step = int(generator.integers(1, horizon + 1))
            trial = _Trial(interaction.env, driver, interaction.expert, seed, horizon)
            if not trial.roll_in(step - 1):
                continue
            candidates = _candidates(interaction.env.spec, tried, generator)
            episode, weight = trial.explore(candidates, cost, chunk)
            if not weight:  # every action is as good there
                continue
            episodes.append(episode)
            weights += [*(0.0,) * (step - 1), weight, *(0.0,) * (len(episode) - step)]
        if not episodes:
            raise WorkFailed(
                f"round {number} of AggreVaTe learnt no cost: no episode reached the step drawn "
                f"for it out of {horizon}, or every action cost the same; give a shorter horizon "
                "or a cost that tells actions apart"
            )
        novice = interaction.fit(interaction.recordings(episodes), np.array(weights))
        learnt.append(novice)
    return learnt


class _Trial:
    """One episode: rolled in, then several actions tried from the same moment."""

    def __init__(self, env: TaskEnv, driver: Actor, expert: Actor, seed: int, horizon: int) -> None:
        self._env, self._driver, self._expert = env, driver, expert
        self._seed, self._horizon = seed, horizon
        self._time = 0.0
        self._past: list[Observation] = []
        self._frames: list[_Frame] = []

    def roll_in(self, steps: int) -> bool:
        """Drive to the moment; False where the episode is over before."""
        self._observation = self._env.reset(self._seed)
        self._driver.reset(self._seed)
        for _ in range(steps):
            action = self._driver.act(self._observation, self._time).action
            step = self._env.step(action)
            self._note(self._frames, self._observation, action, step, taught=False)
            self._past.append(self._observation)
            self._observation = step.observation
            self._time += 1 / self._env.spec.rate
            if step.terminated or step.truncated:
                return False
        return True

    def explore(self, candidates: list[Action], cost: Cost, chunk: int) -> tuple[Episode, float]:
        """The episode up to the label's chunk, and what a mistake costs there."""
        moment = self._env.snapshot()
        expert = self._ask()
        others = [action for action in candidates if not np.array_equal(action, expert)]
        costs, endings = [], []
        for action in [expert, *others]:
            self._env.restore(moment)
            total, frames = self._finish(action, cost)
            costs.append(total)
            endings.append(frames)
        best = int(np.argmin(costs))
        spec = self._env.spec
        info = EpisodeInfo(spec.task, spec.rate, outcome=Outcome.UNKNOWN, seed=self._seed)
        columns = stack_frames([*self._frames, *endings[best][:chunk]], frame_columns(spec))
        return Episode(info, columns), float(np.mean(costs) - costs[best])

    def _ask(self) -> Action:
        """What the expert does at the moment."""
        self._expert.rewind(self._past, self._frames[-1]["action"] if self._frames else None)
        return self._expert.act(self._observation, self._time).action

    def _finish(self, action: Action, cost: Cost) -> tuple[float, list[_Frame]]:
        """One action, then the expert's to the end."""
        self._ask()  # its memory ends at the moment, whatever was tried before
        self._expert.flush()
        frames: list[_Frame] = []
        observation, time, total = self._observation, self._time, 0.0
        while True:
            step = self._env.step(action)
            total += cost(step)
            self._note(frames, observation, action, step, taught=True)
            observation, time = step.observation, time + 1 / self._env.spec.rate
            over = len(self._frames) + len(frames) >= self._horizon
            if step.terminated or step.truncated or over:
                if not math.isfinite(total):
                    raise UserError(
                        f"the cost of a step must be finite; an episode came to {total}"
                    )
                return total, frames
            action = self._expert.act(observation, time).action

    def _note(
        self,
        frames: list[_Frame],
        observation: Observation,
        action: Action,
        step: Step,
        *,
        taught: bool,
    ) -> None:
        nothing = np.full(self._env.spec.action.shape, np.nan)
        frames.append(
            {
                **observation,
                "action": action,
                "next.reward": step.reward,
                "next.done": step.terminated or step.truncated,
                "next.success": step.success,
                "next.terminated": step.terminated,
                "intervention": taught,
                "control.source": (Source.HUMAN if taught else Source.POLICY).value,
                "control.policy_action": nothing,
                "control.human_action": action if taught else nothing,
                "control.intervention_id": int(taught),
                "control.branch": 0,
                "control.discarded": False,
                "time.observed": self._time,
                "time.input": self._time,
                "time.applied": self._time,
                "time.missed_deadline": False,
            }
        )


def _candidates(spec: Spec, tried: int, generator: np.random.Generator) -> list[Action]:
    feature = spec.action
    if spec.choices is not None:
        return [np.asarray(choice, dtype=feature.dtype) for choice in range(spec.choices)]
    low, high = action_limits(spec)
    return [generator.uniform(low, high).astype(feature.dtype) for _ in range(tried - 1)]


def _check(env: TaskEnv, rounds: int, horizon: int, tried: int, chunk: int) -> None:
    if not env.can_restore:
        raise UserError(
            f"AggreVaTe tries several actions from the same moment, and the state of "
            f"{env.spec.task} cannot be restored (it has no get_state and set_state); take DAgger, "
            "or a task of ilrobot's"
        )
    for what, value, least in (
        ("rounds", rounds, 1),
        ("horizon", horizon, 1),
        ("chunk", chunk, 1),
        ("tried", tried, 2),
    ):
        if value < least:
            raise UserError(f"AggreVaTe's {what} must be at least {least}, not {value}")
    if env.spec.choices is None:
        action_limits(env.spec)
