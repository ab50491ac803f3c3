"""Shared control: one actor made of a novice, an expert, and a gate that says which of them acts.

It knows no device and no learner: the expert may be a person's hand, a script or another policy.
The gates of the DAgger family differ in `Gate.decide` and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ilrobot.actors import Action, Actor, ControlSummary, Decision, Observation, Source


@dataclass(frozen=True)
class GateContext:
    """What a gate may decide by.

    Attributes:
        observation: This tick's observation.
        now: The time of the loop's clock in seconds.
        expert_acting: Whether the expert acted at the tick before.
        policy_action: What the novice wants now (None: not asked yet, see `Gate.asks_novice`).
        human_action: What the expert wants now (None: not asked yet, or it wants nothing).
    """

    observation: Observation
    now: float
    expert_acting: bool
    policy_action: Action | None
    human_action: Action | None


class Gate(Protocol):
    """Says at each tick who acts.

    Attributes:
        asks_novice: The novice is asked at every tick, before the gate decides. While the expert
            acts, each of its answers is planned afresh: it is what the novice would do if it were
            given control now. Otherwise it is asked only where it acts.
        asks_expert: Likewise for the expert.
    """

    asks_novice: bool
    asks_expert: bool

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode; `seed` fixes what the gate draws."""

    def decide(self, context: GateContext) -> bool:
        """True: the expert acts at this tick."""


class SharedControl(Actor):
    """Novice and expert under a gate.

    At takeover and at handback the novice's planned chunk is flushed, so that no action planned
    before the expert's is executed after it; its history of observations has no gap. The decision
    carries both actions as far as they were asked for; an expert that wants nothing (a hand that
    lets go) leaves the label empty.

    Args:
        novice: The policy that is to learn.
        expert: Whoever corrects it.
        gate: Decides who acts.
        on_decision: Told of each decision, so that a person sees what is executed.
    """

    def __init__(
        self,
        novice: Actor,
        expert: Actor,
        gate: Gate,
        *,
        on_decision: Callable[[Decision], None] | None = None,
    ) -> None:
        self._novice, self._expert, self._gate = novice, expert, gate
        self._on_decision = on_decision
        self.expert_acting = False
        self._switches = self._expert_steps = self._expert_queries = 0

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode with the novice in control."""
        self._novice.reset(seed)
        self._expert.reset(seed)
        self._gate.reset(seed)
        self.expert_acting = False
        self._switches = self._expert_steps = self._expert_queries = 0

    def act(self, observation: Observation, now: float) -> Decision:
        """The action of whom the gate chooses."""
        policy = self._ask_novice(observation, now) if self._gate.asks_novice else None
        expert = self._expert.act(observation, now) if self._gate.asks_expert else None
        takes = self._gate.decide(
            GateContext(
                observation=observation,
                now=now,
                expert_acting=self.expert_acting,
                policy_action=None if policy is None else policy.action,
                human_action=None if expert is None else expert.human_action,
            )
        )
        if takes != self.expert_acting:
            self._switch(takes)
        if takes:
            acting = expert = expert or self._expert.act(observation, now)
            if policy is None:
                self._novice.observe(observation)
        else:
            acting = policy = policy or self._novice.act(observation, now)

        label = None if expert is None else expert.human_action
        if takes and label is None:
            label = acting.action
        self._expert_steps += takes
        self._expert_queries += label is not None
        decision = Decision(
            acting.action,
            Source.HUMAN if takes else Source.POLICY,
            policy_action=None if policy is None else policy.action,
            human_action=label,
            event=acting.event or (None if expert is None else expert.event),
            input_time=None if expert is None else expert.input_time,
        )
        if self._on_decision is not None:
            self._on_decision(decision)
        return decision

    def observe(self, observation: Observation) -> None:
        """See a tick at which somebody else acts."""
        self._novice.observe(observation)
        self._expert.observe(observation)

    def flush(self) -> None:
        """Forget what either planned."""
        self._novice.flush()
        self._expert.flush()

    def control_summary(self) -> ControlSummary:
        """Switches, steps and queries since the reset."""
        return ControlSummary(self._switches, self._expert_steps, self._expert_queries)

    def _ask_novice(self, observation: Observation, now: float) -> Decision:
        if self.expert_acting:
            self._novice.flush()
        return self._novice.act(observation, now)

    def _switch(self, takes: bool) -> None:
        self.expert_acting = takes
        self._switches += 1
        # At a handback after `asks_novice` its answer of this very tick is fresh: keep its chunk.
        if takes or not self._gate.asks_novice:
            self._novice.flush()
        # An expert that is asked at every tick is up to date; another may hold an old plan.
        if takes and not self._gate.asks_expert:
            self._expert.flush()


class HumanGate:
    """The person decides: HG-DAgger (Kelly et al. 2019, arXiv:1810.02890).

    Both are asked at every tick: the hand, because it may take over or declare something at any
    moment, and the novice, so that the recording tells what it would have done.

    Args:
        engaged: Whether the person wants control at this tick.
    """

    asks_novice = True
    asks_expert = True

    def __init__(self, engaged: Callable[[], bool]) -> None:
        self._engaged = engaged

    def reset(self, seed: int | None = None) -> None:
        """Nothing to do: the person remembers."""

    def decide(self, context: GateContext) -> bool:
        """Whether the person holds on to control."""
        return self._engaged()


class BetaGate:
    """The expert acts with probability β, drawn at each step, and labels every step.

    The mixture β π* + (1 - β) π of DAgger (Ross, Gordon and Bagnell 2011, section 3); how β falls
    from round to round is decided by whoever makes the gate.

    Args:
        beta: Probability 0 … 1 of the expert acting.
        seed: Seed of the draws where an episode gives none.

    Raises:
        ValueError: β is no probability.
    """

    asks_novice = False
    asks_expert = True

    def __init__(self, beta: float, seed: int = 0) -> None:
        if not 0.0 <= beta <= 1.0:
            raise ValueError(f"beta must be in [0, 1], not {beta}")
        self.beta = beta
        self._seed = seed
        self._generator = np.random.default_rng(seed)

    def reset(self, seed: int | None = None) -> None:
        """Draw anew; the same seed gives the same draws."""
        # A key of our own, or the draws would repeat those of an environment of the same seed.
        self._generator = np.random.default_rng([self._seed, 0 if seed is None else 1 + seed, 2])

    def decide(self, context: GateContext) -> bool:
        """One Bernoulli draw."""
        return bool(self._generator.random() < self.beta)
