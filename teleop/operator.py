"""A simulated person who holds a virtual pad.

It sees the task late, intends what an expert would do, and moves thumbs and fingers the way hands
do; what it does reaches the task by SDL's events, `Gamepad` and `Mapping`, as a real person's
hand does. In simulated time it is deterministic: the same seeds give the same presses.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Actor, Decision, Observation
from teleop.bindings import DIRECTIONS, Control, PadPose
from teleop.devices.base import STICK_AXES
from teleop.devices.virtual_gamepad import VirtualGamepad
from teleop.fatigue import MORE_TREMOR, MORE_WANDER, SLOWER_REACTION, SLOWER_THUMB, Fatigue
from teleop.mappings.mapping import Intent, Mapping
from teleop.motor_noise import Tremor, Wander
from teleop.profile import Profile
from teleop.takeover import Patience, Summoned, Watcher

#: Seconds; times are multiples of a period only up to rounding.
_ROUNDING = 1e-9
#: Seconds within which a person means to have corrected what they see: a crossover of 3 rad/s.
_AIM_TIME = 1 / 3


@dataclass
class _Glimpse:
    """What there was to see at one tick, and what the person would do about it."""

    time: float
    observation: Observation
    wanted: Action
    policy_action: Action | None = None


class Operator:
    """One person; whether they demonstrate or watch is decided by `patience`.

    Seeing late and intending is one: the expert is asked at every tick, and its answer reaches
    the hand a reaction time later.

    Args:
        expert: Knows what to do; asked once per tick, so it may remember.
        pad: The pad in their hands.
        mapping: How the pad is read; a person knows what their sticks do.
        profile: The range of traits that this person is drawn from.
        patience: Thresholds for taking over from a policy, or `Summoned` to answer its calls
            (None: they demonstrate, and always steer).
        seed: Who the person is, and how their hand errs.
    """

    def __init__(
        self,
        expert: Actor,
        pad: VirtualGamepad,
        mapping: Mapping,
        *,
        profile: Profile | None = None,
        patience: Patience | Summoned | None = None,
        seed: int = 0,
    ) -> None:
        self._expert, self._pad, self._mapping = expert, pad, mapping
        self._profile = profile or Profile()
        self._seed = seed
        person = np.random.default_rng([seed, 3])
        self.reaction = float(person.uniform(*self._profile.reaction))
        self.gain = float(person.uniform(*self._profile.gain))
        tiring = self._profile
        self.fatigue = Fatigue(tiring.fatigue, tiring.fatigue_time, tiring.recovery_time)
        self._watcher = Watcher(patience) if isinstance(patience, Patience) else patience
        self._period = 1.0 / mapping.spec.rate
        self.reset()

    def reset(self, seed: int | None = None) -> None:
        """Begin an episode with the hand at rest; `seed` fixes how it errs in it.

        All but its fatigue is forgotten; it has had a pause.
        """
        self._expert.reset(seed)
        self.fatigue.rest(self._profile.pause)
        generator = np.random.default_rng([self._seed, 0 if seed is None else 1 + seed, 4])
        profile = self._profile
        self._generator = generator
        self._tremor = Tremor(generator, len(STICK_AXES), profile.tremor)
        self._wander = Wander(generator, len(DIRECTIONS), profile.wander, profile.wander_time)
        self._glimpses: deque[_Glimpse] = deque()
        self._sticks = np.zeros(len(STICK_AXES))
        self._tap_since: float | None = None
        self._tap_delay = 0.0
        self._tapped: dict[str, float] = {}
        self._nudged: dict[str, float] = {}
        # Those who demonstrate need not hold the engage button.
        self._took_over = math.inf
        self._engage_delay = float(generator.uniform(*profile.press_delay))
        if self._watcher is not None:
            self._watcher.reset()
        self._take(np.zeros(len(STICK_AXES)), set())

    def move(self, observation: Observation, now: float) -> None:
        """Look, and move the pad accordingly; to be called before the pad is polled."""
        wanted = self._expert.act(observation, now).action
        self._glimpses.append(_Glimpse(now, observation, wanted))
        seen = self._seen(now)
        steers = seen is not None and self._wants_control(seen, now)
        if seen is None or not steers:
            self._tap_since = None
            self._hold(PadPose(), set(), now)
            return
        intent = self._mapping.intent(seen.wanted, seen.observation)
        buttons = self._fingers(intent, now)
        twist = self._astray(intent).tolist()
        pose = self._mapping.bindings.pose(twist)
        self._hold(pose, buttons | self._nudges(twist, pose, now), now)

    def watch(self, decision: Decision) -> None:
        """See what is executed at this tick, and what the policy wanted."""
        if self._glimpses:
            self._glimpses[-1].policy_action = decision.policy_action

    def call(self, needed: bool) -> None:
        """The robot needs help, or needs it no more."""
        if isinstance(self._watcher, Summoned):
            self._watcher.called = needed

    def rewind(self, past: Sequence[Observation], executed: Action | None) -> None:
        """Forget what was seen after the moment that the world has gone back to."""
        self._glimpses.clear()
        self._expert.rewind(past, executed)

    def close(self) -> None:
        """Put the pad away."""
        self._pad.close()

    def _seen(self, now: float) -> _Glimpse | None:
        """The newest glimpse that is a reaction time old; older ones are forgotten."""
        past = now - self.reaction * self.fatigue.times(SLOWER_REACTION) + _ROUNDING
        while len(self._glimpses) > 1 and self._glimpses[1].time <= past:
            self._glimpses.popleft()
        oldest = self._glimpses[0]
        return oldest if oldest.time <= past else None

    def _wants_control(self, seen: _Glimpse, now: float) -> bool:
        if self._watcher is None:
            return True
        before = self._watcher.in_control
        if isinstance(self._watcher, Summoned):
            self._watcher.answer()
        elif seen.policy_action is not None:
            mine = self._mapping.intent(seen.wanted, seen.observation)
            other = self._mapping.intent(seen.policy_action, seen.observation)
            self._watcher.look(
                now,
                np.asarray(mine.twist),
                np.asarray(other.twist),
                (mine.tap, mine.hold) != (other.tap, other.hold),
            )
        if self._watcher.in_control and not before:
            self._took_over = now
            self._engage_delay = float(self._generator.uniform(*self._profile.press_delay))
        return self._watcher.in_control

    def _fingers(self, intent: Intent, now: float) -> set[str]:
        """Buttons to hold now: the engage button, a choice, a tap that has begun."""
        buttons = set() if intent.hold is None else {intent.hold}
        # While that finger goes down, the thumb leans on the stick already.
        if now - self._took_over >= self._engage_delay - _ROUNDING:
            buttons.add(self._mapping.bindings.buttons(Control.ENGAGE)[0])
        if intent.tap is None or self._tapped:
            self._tap_since = None
        elif self._tap_since is None:
            self._tap_since = now
            self._tap_delay = float(self._generator.uniform(*self._profile.press_delay))
        elif now - self._tap_since >= self._tap_delay - _ROUNDING:
            self._tapped[intent.tap] = now
        return buttons

    def _nudges(self, twist: Sequence[float], pose: PadPose, now: float) -> set[str]:
        """Buttons to tap that steer at a fixed speed, where to hold them would go too far.

        A tap is worth it where it leaves less to correct, and is not repeated before what it did
        has been seen. Who demonstrates does without: what they do from the beginning needs no more
        than the sticks, and a tap is an outlier that a mean squared error learns before all else.
        """
        if self._watcher is None or not self._mapping.steers_speed:
            return set()
        tap = self._profile.press_time
        pause = tap + self.reaction * self.fatigue.times(SLOWER_REACTION)
        for pair in self._mapping.bindings.pairs:
            ends = (pair.negative, pair.positive)
            last = max(self._nudged.get(end, -math.inf) for end in ends)
            free = pose.held.isdisjoint(ends) and now - last >= pause - _ROUNDING
            steered = twist[pair.direction] / pair.speed
            if free and abs(steered) * _AIM_TIME > 0.5 * tap:
                self._nudged[ends[steered > 0]] = now
        return {end for end, at in self._nudged.items() if now - at < tap - _ROUNDING}

    def _astray(self, intent: Intent) -> NDArray[np.float64]:
        """The twist that the hand means to give, with its gain and its slow error."""
        twist = np.asarray(intent.twist)
        if self._mapping.steers_speed:
            twist = self.gain * twist
        # The error turns and stretches the motion; where nothing is meant to move nothing strays.
        strays = self._wander.advance(self._period) * self.fatigue.times(MORE_WANDER)
        steered = np.array([self._mapping.steers(i) for i in range(len(DIRECTIONS))])
        return np.clip(twist + strays * steered * float(np.linalg.norm(twist)), -1.0, 1.0)

    def _hold(self, pose: PadPose, buttons: set[str], now: float) -> None:
        goal = np.array([pose.axes.get(axis, 0.0) for axis in STICK_AXES])
        most = self._profile.stick_speed * self._period * self.fatigue.times(SLOWER_THUMB)
        self._sticks = self._sticks + np.clip(goal - self._sticks, -most, most)
        tremor = self._tremor.at(now) * self.fatigue.times(MORE_TREMOR)
        trembling = self._sticks + tremor * (self._sticks != 0.0)
        spend = self.fatigue.work if self._sticks.any() else self.fatigue.rest
        spend(self._period)
        self._tapped = {
            button: since
            for button, since in self._tapped.items()
            if now - since < self._profile.press_time - _ROUNDING
        }
        self._take(trembling, buttons | pose.held | set(self._tapped))

    def _take(self, sticks: NDArray[np.float64], buttons: set[str]) -> None:
        for axis, value in zip(STICK_AXES, sticks, strict=True):
            self._pad.set_axis(axis, float(np.clip(value, -1.0, 1.0)))
        for button in sorted(buttons - self._pad.held):
            self._pad.press(button)
        for button in sorted(self._pad.held - buttons):
            self._pad.release(button)
