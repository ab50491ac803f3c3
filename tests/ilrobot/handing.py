"""A person and a novice who hand control to each other."""

from __future__ import annotations

import numpy as np

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.blend import Blend
from ilrobot.gates.human import HumanGate
from ilrobot.shared_control import SharedControl
from ilrobot.spec import Feature, Spec

NAMES, UNITS = ("dx", "turn", "left_gripper"), ("m/tick", "rad", "1")
SPEC = Spec((), Feature("action", (3,), names=NAMES, units=UNITS), 20.0)


def action_of(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


class Person(Actor):
    """Holds the bumper and steers by 1 where the script says ``h``; ``P`` pauses."""

    def __init__(self, script: str) -> None:
        self.script, self.told, self.tick, self.engaged = script, [], -1, False

    told: list[str]

    def reset(self, seed: int | None = None) -> None:
        self.tick = -1

    def act(self, observation: Observation, now: float) -> Decision:
        self.tick += 1
        sign = self.script[min(self.tick, len(self.script) - 1)]
        self.engaged = sign == "h"
        action = action_of(1.0 if self.engaged else 0.0, 0.0, 1.0)
        source = Source.PAUSED if sign == "P" else Source.HUMAN
        return Decision(action, source, human_action=action if self.engaged else None)

    def tell(self, message: str) -> None:
        self.told.append(message)


class Novice(Actor):
    """Wants -1; at the ticks of `mad` NaN."""

    def __init__(self, *mad: int) -> None:
        self.mad, self.tick = mad, -1
        self.seen: list[str] = []

    def observe(self, observation: Observation) -> None:
        self.tick += 1
        self.seen.append("o")

    def flush(self) -> None:
        self.seen.append("f")

    def act(self, observation: Observation, now: float) -> Decision:
        self.tick += 1
        self.seen.append("a")
        action = action_of(np.nan if self.tick in self.mad else -1.0, 0.0, 0.0)
        return Decision(action, Source.POLICY, policy_action=action)


def shared(script: str, novice: Actor) -> tuple[SharedControl, Person]:
    person = Person(script)
    gate = HumanGate(lambda: person.engaged)
    return SharedControl(novice, person, gate, blend=Blend(SPEC)), person


def letters_of(actor: Actor, ticks: int) -> tuple[str, list[Decision]]:
    actor.reset(0)
    decisions = [actor.act({}, t / 20) for t in range(ticks)]
    return "".join(d.source.value[0] for d in decisions), decisions
