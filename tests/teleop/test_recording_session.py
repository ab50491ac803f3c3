"""Sessions of a person at a window, on SDL's dummy display; the keys are real SDL events."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame
import pytest

from ilrobot.actors import Source
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo, Judge, MemoryRecorder, Outcome
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.task_env import TaskEnv
from teleop.actor import TeleopActor
from teleop.devices import sdl
from teleop.devices.base import Device, DeviceState
from teleop.devices.keyboard import Keyboard
from teleop.hands import make_hand
from teleop.hud import HudState, hud_lines
from teleop.live import LiveStage
from teleop.mappings.making import make_mapping
from teleop.session import Stage, record
from teleop.window import Window

INFO = EpisodeInfo(task="junction", rate=10.0, operator="person", device="keyboard")


class Typist(Device):
    """A keyboard with somebody at it: before each poll they do what the script says."""

    name = "keyboard"

    def __init__(self, script: dict[int, Callable[[], None]]) -> None:
        self._keyboard, self._script = Keyboard(), script
        self._polls = itertools.count()

    def poll(self, now: float) -> DeviceState:
        self._script.get(next(self._polls), lambda: None)()
        return self._keyboard.poll(now)

    def close(self) -> None:
        self._keyboard.close()


def _type(*keys: int) -> Callable[[], None]:
    def press() -> None:
        for key, kind in itertools.product(keys, (pygame.KEYDOWN, pygame.KEYUP)):
            pygame.event.post(pygame.event.Event(kind, key=key))

    return press


def _quit() -> None:
    pygame.event.post(pygame.event.Event(pygame.QUIT))


@pytest.fixture
def env() -> Iterator[TaskEnv]:
    made = make_env("ilrobot/Junction-v0", render_mode="rgb_array")
    yield made
    made.close()


@pytest.fixture
def window(dummy_display: None) -> Window:
    return Window("test", "a test")


def _fast(stage: Stage) -> Stage:
    """The same in simulated time: what a person does here is counted in polls."""
    return Stage(None, stage.before, stage.tick, stage.after)


def test_discarded_episodes_are_kept_but_recorded_again(
    env: TaskEnv, window: Window, tmp_path: Path
) -> None:
    begin = success = _type(pygame.K_RETURN)
    discard, failure = _type(pygame.K_DELETE), _type(pygame.K_BACKSPACE)
    # Polls: one for what does not count, one to begin, one as the episode is reset, one per tick.
    script = {1: begin, 6: discard, 8: begin, 12: failure, 14: begin, 16: success}
    hand = TeleopActor(Typist(script), make_mapping(env.spec))
    with DatasetRecorder(tmp_path, env.spec, state_size=env.state_size) as recorder:
        stage = LiveStage(window, env, hand, wanted=2).stage()
        record(env, hand, recorder, itertools.count(40), wanted=2, info=INFO, stage=_fast(stage))
    data = Dataset.open(tmp_path)
    outcomes = [(info.outcome, info.judge, info.seed) for info in data.infos]
    assert outcomes == [
        (Outcome.DISCARDED, Judge.PERSON, 40),
        (Outcome.FAILURE, Judge.PERSON, 41),
        (Outcome.SUCCESS, Judge.PERSON, 42),
    ]
    assert data.lengths.tolist() == [4, 3, 1]
    assert set(data.column("control.source")) == {"demo"}


def test_closing_the_window_keeps_what_was_recorded(
    env: TaskEnv, window: Window, tmp_path: Path
) -> None:
    begin = _type(pygame.K_RETURN)
    script = {1: begin, 4: begin, 6: begin, 10: _quit}
    hand = TeleopActor(Typist(script), make_mapping(env.spec))
    stage = LiveStage(window, env, hand, wanted=5).stage()
    with (
        pytest.raises(KeyboardInterrupt),
        DatasetRecorder(tmp_path, env.spec, state_size=env.state_size) as recorder,
    ):
        record(env, hand, recorder, itertools.count(), wanted=5, info=INFO, stage=_fast(stage))
    data = Dataset.open(tmp_path)
    assert [info.outcome for info in data.infos] == [Outcome.SUCCESS, Outcome.UNFINISHED]
    assert data.lengths.tolist() == [2, 3]


def test_a_live_stage_keeps_real_time(env: TaskEnv, window: Window) -> None:
    env.spec = env.spec.with_rate(400.0)
    hand = TeleopActor(Typist({1: _type(pygame.K_RETURN)}), make_mapping(env.spec))
    recorder = MemoryRecorder(env.spec, env.state_size)
    stage = LiveStage(window, env, hand, wanted=1).stage()
    record(env, hand, recorder, itertools.count(), wanted=1, info=INFO, stage=stage)
    stamps = recorder.episodes[0].columns["time.observed"]
    assert len(stamps) > 10
    assert (np.diff(stamps) > 0).all()
    assert stamps[-1] - stamps[0] >= (len(stamps) - 2) / 400.0


def test_episodes_that_are_there_already_count(env: TaskEnv) -> None:
    import sims.experts
    from ilrobot.scripted_actor import ScriptedActor

    expert = ScriptedActor(sims.experts.make_expert(env.env), env)
    hand = make_hand("operator", env.spec, expert=expert)
    recorder = MemoryRecorder(env.spec, env.state_size)
    after: list[int | None] = []
    record(
        env,
        hand,
        recorder,
        iter([7, 8, 9]),
        wanted=5,
        done=3,
        info=INFO,
        stage=Stage(after=lambda result: after.append(result.seed)),
    )
    assert [episode.info.seed for episode in recorder.episodes] == after == [7, 8]


def test_window_shows_the_picture_and_the_words(window: Window) -> None:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, :40] = (200, 10, 10)
    wrist = np.full((60, 80, 3), (10, 10, 200), np.uint8)
    window.show({"front": picture, "wrist": wrist}, HudState(2, 9, Source.DEMO))
    screen = pygame.display.get_surface()
    assert screen.get_at((100, 300))[:3] == (200, 10, 10)
    assert screen.get_at((500, 300))[:3] == (0, 0, 0)
    assert screen.get_at((700, 60))[:3] == (10, 10, 200)
    strip = pygame.surfarray.array3d(screen)[:, 600:]
    assert strip.max() > 200


def test_no_display_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with pytest.raises(UserError, match="--device keyboard needs a display"):
        Window("test", "--device keyboard")


def test_no_pad_is_told_in_one_line(env: TaskEnv) -> None:
    with pytest.raises(UserError, match="no gamepad is connected"):
        make_hand("gamepad", env.spec)
    assert sdl.taken_pads == set()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (HudState(2, 9), "press start"),
        (HudState(2, 9, Source.DEMO, recording=True), "recording   in control: you"),
        (HudState(2, 9, Source.POLICY), "not recording   in control: the policy"),
        (HudState(2, 9, connected=False, device="pad X"), "pad X is unplugged"),
        (HudState(2, 9, connected=False, message="the page is silent"), "the page is silent"),
        (HudState(2, 9, Source.PAUSED, paused=True), "paused"),
        (HudState(2, 9, Source.DEMO, rewinding=True), "rewinding"),
    ],
)
def test_hud_says_who_is_in_control(state: HudState, words: str) -> None:
    first, second, _ = hud_lines(state)
    assert words in first
    assert "episode 2 of 9" in second


def test_hud_tells_what_is_not_as_usual() -> None:
    usual = HudState(1, 1, Source.DEMO, rate=19.97)
    assert hud_lines(usual)[1] == "episode 1 of 1   20 Hz"
    odd = replace(usual, episodes=0, missed=3, speed=0.5, frame="tool", leash=0.4, doubt=0.25)
    line = hud_lines(odd)[1]
    assert line == "episode 1   20 Hz, 3 late   speed 50%   tool frame   leash 40%   doubt 0.25"


def test_hud_is_plain_json() -> None:
    state = HudState(2, 9, Source.POLICY, cameras=("front", "wrist"), camera="wrist")
    told = json.loads(json.dumps(state.as_json()))
    assert told["source"] == "policy"
    assert told["cameras"] == ["front", "wrist"]
    assert (told["headline"], told["counter"]) == ("in control: the policy", "episode 2 of 9")


def test_what_was_pressed_while_nobody_asked_begins_no_episode(
    env: TaskEnv, window: Window
) -> None:
    hand = TeleopActor(
        Typist({0: _type(pygame.K_RETURN), 9: _type(pygame.K_RETURN)}), make_mapping(env.spec)
    )
    stage = LiveStage(window, env, hand, wanted=1).stage()
    assert stage.before is not None
    stage.before(1, 0)
    hand.device.poll(0.0)
    assert next(hand.device._polls) == 11
