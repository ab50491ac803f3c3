"""A session in real time with a person in front of a window or a page."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from ilrobot.actors import Actor, Decision, Observation
from ilrobot.control.clock import RealTimeClock
from ilrobot.data.episode import UNCOUNTED, EpisodeInfo, Recorder
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.task_env import Step, TaskEnv
from teleop.actor import TeleopActor
from teleop.bindings import Control
from teleop.display import Display, Pictures
from teleop.help import help_line
from teleop.hud import HudState
from teleop.session import Stage

#: Buttons of which one begins an episode.
READY = frozenset({"start", "a"})


class LiveStage:
    """Shows the task and the HUD, and waits for the person before each episode.

    Args:
        display: Where it is shown.
        env: Made with ``render_mode=rgb_array``.
        hand: The person's.
        wanted: How many episodes there shall be (0: as many as the person likes).
    """

    def __init__(self, display: Display, env: TaskEnv, hand: TeleopActor, wanted: int) -> None:
        self._display, self._env, self._hand, self._wanted = display, env, hand, wanted
        self._episode = 1
        self._cameras, self._turns = _Cameras(env), hand.camera_turns
        self._clock = _CountingClock(env.spec.rate)
        self._ticks: deque[float] = deque(maxlen=int(2 * env.spec.rate) + 2)
        bindings, choices = hand.mapping.bindings, hand.mapping.choices
        keyboard = hand.device.name == "keyboard"
        self._help = help_line(bindings, keyboard=keyboard, choices=choices)
        # Success and gripper may lie elsewhere; what begins is told as Start, Enter or A.
        self._ready = READY.union(bindings.buttons(Control.SUCCESS))

    def stage(self) -> Stage:
        """To be passed to `teleop.session.record`."""
        return Stage(self._clock, self._wait, self._show)

    def run_episode(
        self,
        env: TaskEnv,
        actor: Actor,
        *,
        seed: int,
        recorder: Recorder | None = None,
        info: EpisodeInfo | None = None,
    ) -> EpisodeResult:
        """One episode in front of the person, who may share control with a policy."""
        self._wait(self._episode, seed)
        result = rollout(
            env,
            actor,
            seed=seed,
            clock=self._clock,
            recorder=recorder,
            info=info,
            on_tick=self._show if recorder is not None else self._show_unrecorded,
        )
        self._episode += result.outcome not in UNCOUNTED
        return result

    def _wait(self, episode: int, seed: int) -> None:
        """Show where the episode will begin until the person is ready."""
        self._episode = episode
        observation = self._env.reset(seed)
        device, bindings = self._hand.device, self._hand.mapping.bindings
        # What was pressed while nobody asked does not begin an episode.
        device.poll(time.perf_counter())
        pictures = self._cameras.pictures(observation)
        while True:
            state = device.poll(time.perf_counter())
            turns = bindings.command(state).controls.count(Control.NEXT_CAMERA)
            if turns:
                self._cameras.turn(turns)
                pictures = self._cameras.pictures(observation)
            self._display.show(pictures, self._state(None, state.connected))
            if self._ready & set(state.pressed):
                break
            time.sleep(0.02)
        self._ticks.clear()
        self._clock.missed = 0
        self._turns = self._hand.camera_turns

    def _show(self, decision: Decision, step: Step) -> None:
        self._tick(decision, step, recording=True)

    def _show_unrecorded(self, decision: Decision, step: Step) -> None:
        self._tick(decision, step, recording=False)

    def _tick(self, decision: Decision, step: Step, *, recording: bool) -> None:
        self._ticks.append(time.perf_counter())
        self._hand.clutch.heading = self._env.camera_heading(self._cameras.large)
        self._cameras.turn(self._hand.camera_turns - self._turns)
        self._turns = self._hand.camera_turns
        self._display.show(
            self._cameras.pictures(step.observation),
            self._state(decision, self._hand.connected, recording=recording),
        )

    def _state(
        self, decision: Decision | None, connected: bool, *, recording: bool = False
    ) -> HudState:
        span = self._ticks[-1] - self._ticks[0] if len(self._ticks) > 1 else 0.0
        return state_of(
            self._hand,
            decision,
            task=self._env.spec.task,
            episode=self._episode,
            episodes=self._wanted,
            recording=recording,
            rate=(len(self._ticks) - 1) / span if span > 0 else 0.0,
            missed=self._clock.missed,
            cameras=self._env.camera_names,
            camera=self._cameras.large,
            connected=connected,
            help=self._help,
        )


def state_of(hand: TeleopActor, decision: Decision | None, **rest: Any) -> HudState:
    """What there is to tell of a hand and of the last decision; `rest` are fields of `HudState`."""
    return HudState(
        source=None if decision is None else decision.source,
        doubt=None if decision is None else decision.doubt,
        engaged=hand.engaged,
        paused=hand.paused,
        rewinding=hand.rewinding,
        frame=hand.frame,
        speed=hand.speed,
        leash=hand.leash,
        device=hand.device.name,
        message=hand.message,
        **rest,
    )


class _Cameras:
    """The task's cameras, one of them large."""

    def __init__(self, env: TaskEnv) -> None:
        self._env, self._names = env, env.camera_names

    @property
    def large(self) -> str:
        """The one that is shown large (empty: there is but one view)."""
        return self._names[0] if self._names else ""

    def turn(self, times: int) -> None:
        """Show the next one large."""
        if self._names:
            first = times % len(self._names)
            self._names = self._names[first:] + self._names[:first]

    def pictures(self, observation: Observation) -> Pictures:
        """Each camera's, the large one first; those that the task observes are drawn already."""
        if not self._names:
            return {"": self._env.render()}
        observed = {name: observation.get(f"observation.images.{name}") for name in self._names}
        return {
            name: self._env.render(name) if picture is None else picture
            for name, picture in observed.items()
        }


class _CountingClock(RealTimeClock):
    """Counts the deadlines that were missed."""

    missed = 0

    def wait(self) -> bool:
        """As `RealTimeClock.wait`."""
        late = super().wait()
        self.missed += late
        return late
