"""Shared control: one actor made of a novice, an expert, and a gate that says which of them acts.

It knows no device and no learner: the expert may be a person's hand, a script or another policy.
The gates of the DAgger family differ in what they decide by; what they did is counted here, alike
for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ilrobot.actors import Action, Actor, Decision, Event, LateAnswer, Observation, Source
from ilrobot.blend import Blend
from ilrobot.errors import WorkFailed
from ilrobot.gates.doubt import Doubt
from ilrobot.gates.gate import Gate, GateContext
from ilrobot.gates.log import GateLog, Tally


class SharedControl(Actor):
    """Novice and expert under a gate.

    At takeover and at handback the novice's planned chunk is flushed, so that no action planned
    before the expert's is executed after it; its history of observations has no gap. The decision
    carries both actions as far as they were asked for; an expert that wants nothing (a hand that
    lets go) leaves the label empty. Blended steps are nobody's word: they have no label.

    An expert that is ``paused`` has the robot hold, whoever was acting, and one that asks for a
    rewind gets it. While a person is away, a novice that is late or whose answer is not finite has
    the robot hold, too: the person is told, and the next tick asks it afresh.

    A gate that decides by itself calls a person who is to help (`Actor.attends`): the robot holds
    until they have taken hold. Where they let go before the gate gives control back, the novice
    goes on if the gate would not call there, else the robot holds and calls again. What their hand
    does while the novice acts is neither executed nor a label.

    Args:
        novice: The policy that is to learn.
        expert: Whoever corrects it.
        gate: Decides who acts.
        blend: Leads over from the expert's last action at a handback, and from the command that
            held the robot after a hold (None: it switches).
        doubt: The novice's, shown at each step at which it is asked and noted at each takeover
            (None: it has none).
        on_decision: Told of each decision, so that a person sees what is executed.
    """

    def __init__(
        self,
        novice: Actor,
        expert: Actor,
        gate: Gate,
        *,
        blend: Blend | None = None,
        doubt: Doubt | None = None,
        on_decision: Callable[[Decision], None] | None = None,
    ) -> None:
        self._novice, self._expert, self._gate = novice, expert, gate
        self._blend, self._doubt, self._on_decision = blend, doubt, on_decision
        self._calls = expert.attends and not gate.expert_decides
        self._called = False
        #: Whether the novice was asked and its answer may yet come, which a flush would forget.
        self._awaited = False
        self._last: Action | None = None
        self.rewinds = expert.rewinds
        self.thinks_ahead = novice.thinks_ahead
        self.expert_acting = False
        self._last_time: float | None = None
        self._period = 0.0
        self._tally = Tally()

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode with the novice in control."""
        self._novice.reset(seed)
        self._expert.reset(seed)
        self._gate.reset(seed)
        self._forget()
        self._called = self._awaited = False
        self._last_time, self._period = None, 0.0
        self._tally = Tally()

    def prepare(
        self, observation: Observation, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        """The novice acts first."""
        self._novice.prepare(observation, stopped)

    def act(self, observation: Observation, now: float) -> Decision:
        """The action of whom the gate chooses."""
        if self._last_time is not None:
            self._period = now - self._last_time
            self._tally.context_time += self._period * self.expert_acting
        self._last_time = now
        asks_expert = self._gate.asks_expert or self.expert_acting or self._expert.attends
        if asks_expert and not (self.expert_acting or self._expert.attends):
            self._expert.flush()  # what it planned was not done
        expert = self._expert.act(observation, now) if asks_expert else None
        if expert is not None and (expert.rewind or expert.source is Source.PAUSED):
            return self._told(self._hold(observation, expert))
        helps = self.expert_acting and not (self._calls and _is_away(expert))
        waits = self._called and not self.expert_acting
        if waits and expert is not None and _is_away(expert):
            self._novice.observe(observation)
            return self._told(self._await_help(expert))
        # At the takeover itself its answer is waited for: the doubt there is what tau is made of.
        driven = self.expert_acting and self._gate.expert_decides and _wanted(expert) is not None
        policy = self._ask_novice(observation, now, driven) if self._gate.asks_novice else None
        takes = waits or self._gate.decide(
            GateContext(
                observation=observation,
                now=now,
                expert_acting=helps,
                policy_action=None if policy is None else policy.action,
                human_action=_wanted(expert),
            )
        )
        if takes and self._calls and expert is not None and _is_away(expert):
            return self._told(self._await_help(expert))
        doubt = self._doubt_about(observation, policy)
        if takes != self.expert_acting:
            self._switch(takes, doubt)
        if takes:
            acting = expert = expert or self._expert.act(observation, now)
            if not self._gate.asks_novice:
                self._novice.observe(observation)
        else:
            if not self._gate.asks_novice:
                policy = self._ask_novice(observation, now)
            if policy is None or (_is_away(expert) and not np.isfinite(policy.action).all()):
                return self._told(self._excuse(expert))
            if expert is None:
                self._expert.observe(observation)
            acting = policy
        return self._told(replace(self._decide(acting, expert, policy, takes), doubt=doubt))

    def _decide(
        self, acting: Decision, expert: Decision | None, policy: Decision | None, takes: bool
    ) -> Decision:
        label = _wanted(expert) if takes or not self._calls else None
        if takes and label is None:
            label = acting.action
        self._tally.steps += 1
        self._tally.expert_steps += takes
        self._tally.queries += label is not None
        mixed = None if takes or self._blend is None else self._blend.mix(acting.action)
        source = Source.POLICY if mixed is None else Source.BLEND
        return Decision(
            acting.action if mixed is None else mixed,
            Source.HUMAN if takes else source,
            policy_action=None if policy is None else policy.action,
            human_action=label,
            event=acting.event or (None if expert is None else expert.event),
            input_time=None if expert is None else expert.input_time,
            calls_for_help=acting.calls_for_help,
        )

    def _hold(self, observation: Observation, expert: Decision) -> Decision:
        """The expert has the robot hold, or wants to go back: nobody acts."""
        if not expert.rewind:
            self._novice.observe(observation)
        self._novice.flush()
        self._tally.switches += self.expert_acting
        self._forget()
        self._end_call()
        if not expert.rewind:
            self._lead_over(expert.action)
        return expert

    def _await_help(self, expert: Decision) -> Decision:
        """The gate wants the person to act, and they have not taken hold: the robot holds."""
        if not self._called:
            self._called = True
            self._expert.call(True)
        self._expert.tell("the robot asks for help: take over")
        self._tally.switches += self.expert_acting
        return self._excuse(expert)

    def _end_call(self) -> None:
        if self._called:
            self._called = False
            self._expert.call(False)

    def _excuse(self, expert: Decision | None) -> Decision:
        """The novice has no answer to execute; the hand at rest holds the robot."""
        if not self._awaited:
            self._novice.flush()
        if expert is None:
            raise WorkFailed("the policy does not answer, and nobody is there to hold the robot")
        self._forget()
        self._lead_over(expert.action)
        return replace(expert, source=Source.PAUSED, human_action=None)

    def _told(self, decision: Decision) -> Decision:
        self._last = decision.action
        if self._on_decision is not None:
            self._on_decision(decision)
        return decision

    def observe(self, observation: Observation) -> None:
        """See a tick at which somebody else acts."""
        self._novice.observe(observation)
        self._expert.observe(observation)

    @property
    def driven(self) -> bool:
        """Whether the expert is a person who drives or halts, or whose hand is waited for."""
        if self._called or self.halted:
            return True
        return self._expert.driven and (self.expert_acting or self._gate.expert_decides)

    @property
    def halted(self) -> bool:
        """The expert may be a person."""
        return self._expert.halted

    def hear(self, now: float) -> Event | None:
        """The expert may be a person."""
        return self._expert.hear(now)

    def flush(self) -> None:
        """Forget what either planned."""
        self._novice.flush()
        self._expert.flush()

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """Both see the past as it is now; the novice is in control."""
        self._novice.rewind(past, executed)
        self._expert.rewind(past, executed)
        self._forget()
        self._end_call()

    def cannot_rewind(self) -> None:
        """The expert wished for it."""
        self._expert.cannot_rewind()

    def saved(self) -> None:
        """The expert may be a person."""
        self._expert.saved()

    def tell(self, message: str) -> None:
        """The expert may be a person."""
        self._expert.tell(message)

    def control_log(self) -> GateLog:
        """What was done since the reset, and what the gate decided by.

        The last tick is taken to last as long as the one before it.
        """
        tally = self._tally
        if self.expert_acting:
            tally = replace(tally, context_time=tally.context_time + self._period)
        return tally.log(self._gate.thresholds(), self._gate.budget)

    def _doubt_about(self, observation: Observation, policy: Decision | None) -> float | None:
        """The novice's doubt at this tick (None: it was not asked, or has none)."""
        if self._doubt is None or policy is None:
            return None
        doubt = self._doubt(observation)
        return doubt if math.isfinite(doubt) else None

    def _ask_novice(
        self, observation: Observation, now: float, driven: bool = False
    ) -> Decision | None:
        """What the novice wants (None: it is late); the person is told of what cannot be done.

        While they drive (`driven`) its answer is only noted: their commands do not wait for it.
        """
        if self.expert_acting and not (driven and self._awaited):
            self._novice.flush()
        try:
            ask = self._novice.glance if driven else self._novice.act
            policy = ask(observation, now)
            self._awaited = False
        except LateAnswer:
            self._awaited = True
            if not driven:
                self._expert.tell("the policy does not answer")
            return None
        if not np.isfinite(policy.action).all():
            self._expert.tell("the policy's action is not finite")
        return policy

    def _forget(self) -> None:
        """Nobody hands over anything."""
        self.expert_acting = False
        self._last = None
        if self._blend is not None:
            self._blend.reset()

    def _lead_over(self, executed: Action) -> None:
        """The novice, when it acts next, begins at this command."""
        if self._blend is not None:
            self._blend.begin(executed)

    def _switch(self, takes: bool, doubt: float | None) -> None:
        self.expert_acting = takes
        self._tally.switches += 1
        self._tally.takeovers += takes
        if takes and doubt is not None:
            self._tally.doubts.append(doubt)
        if not takes:
            self._end_call()
        if self._blend is not None:
            self._blend.reset()
        if not takes and self._last is not None:
            self._lead_over(self._last)
        # At a handback after `asks_novice` its answer of this very tick is fresh: keep its chunk.
        if takes or not self._gate.asks_novice:
            self._novice.flush()
        # An expert that is asked at every tick has said what it does from here on.
        if takes and not self._gate.asks_expert:
            self._expert.flush()


def _is_away(expert: Decision | None) -> bool:
    """Whether the expert was asked and wants nothing, so that its action holds the robot."""
    return expert is not None and _wanted(expert) is None


def _wanted(expert: Decision | None) -> Action | None:
    """The expert's label; a policy as an expert means what it does, unless it is disturbed."""
    if expert is None:
        return None
    means_it = expert.source is Source.POLICY and expert.human_action is None
    return expert.action if means_it else expert.human_action
