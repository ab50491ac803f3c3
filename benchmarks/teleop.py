"""Taking over, handing back and reversing: by how much commands jump, and how soon the robot turns.

A jump is the greatest difference between two successive commands in any element that moves, in full
steps: the action's limits where actions are steps, what full stick moves a target by where they are
absolute. The reference is the same without ramp and blend. The takeovers are those of a
simulated person who guards a policy that goes astray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import row
from ilrobot.actors import Action, Actor, Decision, Observation, Source
from ilrobot.blend import Blend
from ilrobot.control.clock import SimulatedClock
from ilrobot.data.episode import MemoryRecorder
from ilrobot.env import make_env
from ilrobot.gates.human import HumanGate
from ilrobot.rollout import rollout
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv
from sims.experts import make_expert
from teleop.actor import TeleopActor
from teleop.bindings import TeleopCommand
from teleop.clutch import Ramp, most_jump
from teleop.devices.base import Device, DeviceState
from teleop.hands import make_hand
from teleop.mappings.making import make_mapping
from teleop.mappings.mapping import Mapping

TASKS = ("ilrobot/PandaLift-v0", "ilrobot/PushT-v0")
EPISODES = 30
#: When the hand that pushes sideways turns round, s: the arm's hand would be 1 m past its
#: workspace, which is 0.35 m wide to either side, at 0.4 m/s.
TURN = (0.35 + 1.0) / 0.4


def run() -> list[dict[str, Any]]:
    """Rows of the jumps and of the reversals."""
    rows = []
    for task in TASKS:
        rows += _jumps(task)
        rows.append(_reversal(task))
    return rows


class _Astray(Actor):
    """The expert, but of every 1.5 s it goes its own straight way for 1.1 s."""

    def __init__(self, expert: Actor, env: TaskEnv, step: NDArray[np.float64]) -> None:
        self._expert, self._env, self._step = expert, env, step
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int | None = None) -> None:
        self._expert.reset(seed)
        self._rng = np.random.default_rng([seed or 0, 5])
        self._way: Action | None = None

    def act(self, observation: Observation, now: float) -> Decision:
        wanted = self._expert.act(observation, now).action
        if now % 1.5 < 0.4:
            self._way = None
        elif self._way is None:
            self._way = self._own_way(wanted)
        action = wanted if self._way is None else self._way
        return Decision(action, Source.POLICY, policy_action=action)

    def _own_way(self, wanted: Action) -> Action:
        low, high = self._env.spec.action.low, self._env.spec.action.high
        assert low is not None
        assert high is not None
        drawn = self._rng.uniform(low, high).astype(wanted.dtype)
        return np.where(np.isfinite(self._step), drawn, wanted).astype(wanted.dtype)


@dataclass
class _Jumps:
    """Greatest jump at each takeover and at each handback, in full steps."""

    takeovers: list[float]
    handbacks: list[float]


def _jumps(task: str) -> list[dict[str, Any]]:
    ours, others = _shared(task, smooth=True), _shared(task, smooth=False)
    name = task.split("/")[1]
    rows = []
    for what, mine, theirs in (
        ("takeover", ours.takeovers, others.takeovers),
        ("handback", ours.handbacks, others.handbacks),
    ):
        rows.append(
            row(
                f"{name}: greatest jump of the command at {len(mine)} {what}s "
                f"(reference: without ramp and blend)",
                max(mine),
                "steps",
                reference=max(theirs),
                at_most=1.0,
            )
        )
        rows.append(
            row(
                f"{name}: mean jump of the command at a {what} (reference: without)",
                float(np.mean(mine)),
                "steps",
                reference=float(np.mean(theirs)),
            )
        )
    return rows


def _shared(task: str, *, smooth: bool) -> _Jumps:
    env = make_env(task)
    expert, own = (ScriptedActor(make_expert(env.env), env) for _ in range(2))
    hand = make_hand("operator", env.spec, expert=expert, engage="hold", seed=1)
    step = hand.mapping.action_step
    assert step is not None
    if not smooth:
        hand._ramp = Ramp(None)
    novice = _Astray(own, env, step)
    actor = SharedControl(
        novice,
        hand,
        HumanGate(lambda: hand.engaged),
        blend=Blend(env.spec, most=most_jump(step)) if smooth else None,
        on_decision=hand.watch,
    )
    recorder = MemoryRecorder(env.spec, env.state_size)
    found = _Jumps([], [])
    try:
        for seed in range(EPISODES):
            rollout(env, actor, seed=seed, recorder=recorder, max_steps=200)
            _measure(recorder.episodes.pop().columns, step, Blend(env.spec).ticks, found)
    finally:
        hand.close()
        env.close()
    return found


def _measure(
    columns: dict[str, NDArray[Any]], step: NDArray[np.float64], ticks: int, found: _Jumps
) -> None:
    """Over as many ticks after each change as a blend takes, its own and the one after it."""
    human = columns["control.source"] == Source.HUMAN
    apart = np.abs(np.diff(columns["action"].astype(np.float64), axis=0)) / step
    jump = apart.max(axis=1)
    for tick in np.flatnonzero(human[1:] != human[:-1]):
        after = jump[tick : tick + ticks + 1]
        # Until control changes hands again.
        again = np.flatnonzero(human[tick + 2 : tick + ticks + 2] != human[tick + 1])
        after = after[: again[0] + 1] if again.size else after
        (found.takeovers if human[tick + 1] else found.handbacks).append(float(after.max()))


class _Trace(Device):
    """A stick that is pushed sideways, and then the other way."""

    name = "trace"

    def __init__(self, turn: float) -> None:
        self._turn = turn

    def poll(self, now: float) -> DeviceState:
        return DeviceState(axes={"leftx": 1.0 if now < self._turn else -1.0}, stamp=now)

    def close(self) -> None:
        """Nothing is held."""


def _reversal(task: str) -> dict[str, Any]:
    """Seconds from reversing the stick to the robot's moving back."""
    env = make_env(task)
    mapping = make_mapping(env.spec)
    place = 1 if "Panda" in task else 0
    name = task.split("/")[1]
    try:
        ours = _seconds_to_turn(env, TeleopActor(_Trace(TURN), mapping).act, place)
        without = _seconds_to_turn(env, _unleashed(env, mapping), place)
    finally:
        env.close()
    return row(
        f"{name}: pushed for {TURN:.1f} s, 1 m past the workspace, and reversed: until the robot "
        "moves back (reference: without leash)",
        ours,
        "s",
        reference=without,
        at_most=0.25,
    )


def _seconds_to_turn(
    env: TaskEnv, act: Callable[[Observation, float], Decision], place: int
) -> float:
    clock = SimulatedClock(env.spec.rate)
    observation = env.reset(0)
    clock.start()
    rested: float | None = None
    while clock.now() < TURN + 10.0:
        observation = env.step(act(observation, clock.now()).action).observation
        at = float(observation["observation.state"][place])
        clock.wait()
        if clock.now() < TURN:
            rested = at
        elif rested is not None and abs(at - rested) > 0.004 * max(abs(rested), 0.5):
            return clock.now() - TURN
    return float("inf")


def _unleashed(env: TaskEnv, mapping: Mapping) -> Callable[[Observation, float], Decision]:
    """What a target that is only added up comes to: it runs far ahead, and must come back."""
    step = mapping.action_step
    assert step is not None
    place = 1 if "Panda" in env.spec.task else 0
    device = _Trace(TURN)
    target: list[float] = []

    def act(observation: Observation, now: float) -> Decision:
        command: TeleopCommand = mapping.bindings.command(device.poll(now))
        at = float(observation["observation.state"][place])
        if not target:
            target.append(at)
        target[0] += float(command.twist[place]) * float(step[place])
        if env.spec.semantics == "delta":
            sideways = float(np.clip((target[0] - at) / step[place], -1.0, 1.0))
            still = replace(command, twist=(0.0, sideways, 0.0, 0.0, 0.0, 0.0))
            return Decision(mapping.action(still, observation), Source.DEMO)
        action = observation["observation.state"][:2].astype(np.float32)
        action[place] = np.clip(target[0], 0.0, 512.0)
        return Decision(action, Source.DEMO)

    return act


if __name__ == "__main__":
    for measured in run():
        print(", ".join(f"{key}: {value}" for key, value in measured.items()))
