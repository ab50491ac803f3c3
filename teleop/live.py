"""A session in real time with a person in front of a window."""

from __future__ import annotations

import time
from collections import deque

from ilrobot.actors import Actor, Decision
from ilrobot.control.clock import RealTimeClock
from ilrobot.data.episode import EpisodeInfo, Recorder
from ilrobot.env import Step, TaskEnv
from ilrobot.rollout import EpisodeResult, rollout
from teleop.actor import TeleopActor
from teleop.devices import keyboard
from teleop.hud import HudState, hud_lines
from teleop.session import Stage
from teleop.window import Window

#: Buttons of which one begins an episode.
READY = frozenset({"start", "a"})


class LiveStage:
    """Shows the task and the HUD, and waits for the person before each episode.

    Args:
        window: Where it is shown.
        env: Made with ``render_mode=rgb_array``.
        hand: The person's.
        wanted: How many episodes there shall be.
    """

    def __init__(self, window: Window, env: TaskEnv, hand: TeleopActor, wanted: int) -> None:
        self._window, self._env, self._hand, self._wanted = window, env, hand, wanted
        self._episode = 1
        self._ticks: deque[float] = deque(maxlen=int(2 * env.spec.rate) + 2)
        self._help = keyboard.HELP if hand.device.name == "keyboard" else ""

    def stage(self) -> Stage:
        """To be passed to `teleop.session.record`."""
        return Stage(RealTimeClock(self._env.spec.rate), self._wait, self._show)

    def run_episode(
        self, env: TaskEnv, actor: Actor, *, seed: int, recorder: Recorder, info: EpisodeInfo
    ) -> EpisodeResult:
        """One episode in front of the person, who may share control with a policy."""
        self._wait(self._episode, seed)
        result = rollout(
            env,
            actor,
            seed=seed,
            clock=RealTimeClock(env.spec.rate),
            recorder=recorder,
            info=info,
            on_tick=self._show,
        )
        self._episode += 1
        return result

    def _wait(self, episode: int, seed: int) -> None:
        """Show where the episode will begin until the person is ready."""
        self._episode = episode
        self._env.reset(seed)
        picture = self._env.render()
        device = self._hand.device
        while True:
            state = device.poll(time.perf_counter())
            self._window.show(picture, self._lines(None, state.connected))
            if READY & set(state.pressed):
                break
            time.sleep(0.02)
        self._ticks.clear()

    def _show(self, decision: Decision, step: Step) -> None:
        self._ticks.append(time.perf_counter())
        self._window.show(self._env.render(), self._lines(decision, self._hand.connected))

    def _lines(self, decision: Decision | None, connected: bool) -> list[str]:
        span = self._ticks[-1] - self._ticks[0] if len(self._ticks) > 1 else 0.0
        state = HudState(
            episode=self._episode,
            episodes=self._wanted,
            source=None if decision is None else decision.source,
            recording=decision is not None,
            rate=(len(self._ticks) - 1) / span if span > 0 else 0.0,
            connected=connected,
            device=self._hand.device.name,
        )
        return hud_lines(state, self._help)
