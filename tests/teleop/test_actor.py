"""The hand as an actor: pause, rewind, what it tells and is told, in the real loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.blend import Blend
from ilrobot.data.branches import surviving
from ilrobot.data.episode import MemoryRecorder
from ilrobot.env import make_env
from ilrobot.gates.gate import Gate, GateContext
from ilrobot.gates.human import HumanGate
from ilrobot.rollout import rollout
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv
from teleop.actor import TeleopActor
from teleop.devices.base import Device, DeviceState, Feedback
from teleop.devices.scripted import Scripted
from teleop.devices.together import Together
from teleop.engagement import HoldToEngage
from teleop.mappings.making import make_mapping


class Pad(Device):
    """One sign per poll.

    ``f`` forward, ``.`` rest, ``P`` presses pause, ``<`` holds rewind, ``G`` toggles the gripper,
    ``e`` engages and goes forward, ``E`` engages at rest, ``x`` is unplugged, ``s`` silent, ``!``
    declares success.
    """

    name = "script"

    def __init__(self, script: str, forward: str = "lefty") -> None:
        self.script, self._forward = script, forward
        self._tick = -1
        self.felt: list[Feedback] = []

    def poll(self, now: float) -> DeviceState:
        sign = self.script[self._tick] if 0 <= self._tick < len(self.script) else "."
        self._tick += 1
        pressed = {"P": "b", "G": "a", "!": "start"}.get(sign)
        held = {"<": "lefttrigger", "e": "rightshoulder", "E": "rightshoulder"}.get(sign)
        return DeviceState(
            axes={self._forward: -1.0 if sign in "fes" else 0.0},
            held=frozenset({held} if held else ()),
            pressed=(pressed,) if pressed else (),
            stamp=now - (1.0 if sign == "s" else 0.0),
            connected=sign != "x",
        )

    def close(self) -> None:
        """Nothing is held."""

    def feedback(self, feedback: Feedback) -> None:
        self.felt.append(feedback)


Watch = Callable[[TeleopActor], None]


def _look_away(hand: TeleopActor) -> None:
    """See nothing."""


def _record(
    script: str,
    task: str = "ilrobot/PandaLift-v0",
    on_tick: Callable[[TeleopActor], None] = lambda hand: None,
) -> tuple[MemoryRecorder, TeleopActor, Pad]:
    env, pad = make_env(task), Pad(script)
    hand = TeleopActor(pad, make_mapping(env.spec))
    recorder = MemoryRecorder(env.spec, env.state_size)
    rollout(env, hand, seed=0, recorder=recorder, on_tick=lambda *_: on_tick(hand), max_steps=100)
    return recorder, hand, pad


def test_pause_holds_until_it_is_pressed_again() -> None:
    paused: list[bool] = []
    recorder, _, _ = _record("ffPffPff!", on_tick=lambda hand: paused.append(hand.paused))
    columns = recorder.episodes[0].columns
    expected = [False] * 2 + [True] * 3 + [False] * 4
    assert paused == expected
    assert (columns["control.source"] == "paused").tolist() == expected
    assert (columns["action"][2:5, :6] == 0).all()
    assert np.isnan(columns["control.human_action"][2:5]).all()


def test_a_silent_device_holds_like_an_unplugged_one() -> None:
    recorder, _, _ = _record("ffssxxff!")
    columns = recorder.episodes[0].columns
    assert (columns["control.source"] == "paused").tolist() == (
        [False] * 2 + [True] * 4 + [False] * 3
    )
    assert (columns["action"][2:6, :6] == 0).all()


def test_rewinding_while_it_is_held_and_going_on_from_there() -> None:
    rewinding: list[bool] = []
    recorder, _, pad = _record("ffff<<<ff!", on_tick=lambda hand: rewinding.append(hand.rewinding))
    columns = recorder.episodes[0].columns
    assert rewinding == [False] * 4 + [True] * 3 + [False] * 3
    assert columns["control.discarded"].tolist() == [False] + [True] * 3 + [False] * 3
    assert np.array_equal(columns["sim.state"][4], columns["sim.state"][1])
    assert pad.felt[-1] is Feedback.SAVED


def test_the_gripper_is_what_it_was_commanded_there() -> None:
    recorder, _, _ = _record("fGffff<<ff<<<<<<<ff!")
    columns = recorder.episodes[0].columns
    lives = np.flatnonzero(surviving(columns))
    closed = columns["action"][:, 6] < 0.5
    # After the first rewind closed as before it, after the second before the press: open.
    assert closed[:6].tolist() == [False] + [True] * 5
    assert closed[6:8].all()
    assert not closed[lives].any()


def test_a_task_that_cannot_go_back_says_so_once() -> None:
    env, pad = make_env("Pendulum-v1"), Pad("ff<<<ff!", forward="leftx")
    hand = TeleopActor(pad, make_mapping(env.spec))
    messages: list[str] = []
    result = rollout(
        env, hand, seed=0, max_steps=100, on_tick=lambda *_: messages.append(hand.message)
    )
    assert result.length == 7
    assert messages[2] == "this task cannot go back"
    assert not hand.rewinding


class Policy(Actor):
    """Goes backwards."""

    def act(self, observation: Observation, now: float) -> Decision:
        action = np.array([-0.02, 0, 0, 0, 0, 0, 1], np.float32)
        return Decision(action, Source.POLICY, policy_action=action)


def _share(env: TaskEnv, script: str) -> MemoryRecorder:
    hand = TeleopActor(Pad(script), make_mapping(env.spec), engagement=HoldToEngage())
    actor = SharedControl(
        Policy(), hand, HumanGate(lambda: hand.engaged),
        blend=Blend(env.spec), on_decision=hand.watch,
    )  # fmt: skip
    recorder = MemoryRecorder(env.spec, env.state_size)
    rollout(env, actor, seed=0, recorder=recorder, max_steps=100)
    return recorder


def test_in_shared_control_commands_never_jump_by_a_full_step() -> None:
    env = make_env("ilrobot/PandaLift-v0")
    columns = _share(env, "...eeeee......eee.!").episodes[0].columns
    steps = np.abs(np.diff(columns["action"][:, 0])) / 0.02
    assert steps.max() < 1.0
    assert columns["action"][:, 0].max() == np.float32(0.02)
    human = columns["control.source"] == "human"
    assert np.array_equal(np.isfinite(columns["control.human_action"][:, 0]), human)


class FarAway(Actor):
    """Wants the far corner of the picture; from its third tick on it has no answer."""

    tick = 0

    def act(self, observation: Observation, now: float) -> Decision:
        self.tick += 1
        action = np.full(2, 486.0 if self.tick < 3 else np.nan, np.float32)
        return Decision(action, Source.POLICY, policy_action=action)


def test_taking_over_after_a_hold_begins_at_the_command_that_held() -> None:
    env = make_env("ilrobot/PushT-v0")
    pad = Pad("......EEE!")
    hand = TeleopActor(pad, make_mapping(env.spec), engagement=HoldToEngage())
    actor = SharedControl(
        FarAway(), hand, HumanGate(lambda: hand.engaged),
        blend=Blend(env.spec), on_decision=hand.watch,
    )  # fmt: skip
    recorder = MemoryRecorder(env.spec, env.state_size)
    rollout(env, actor, seed=0, recorder=recorder, max_steps=9)
    columns = recorder.episodes[0].columns
    sources = columns["control.source"].tolist()
    assert sources == ["policy"] * 2 + ["paused"] * 4 + ["human"] * 3
    held = columns["action"][5]
    assert np.abs(columns["action"][6:] - held).max() < 1.0


def test_in_shared_control_one_may_go_back_and_take_over_there() -> None:
    env = make_env("ilrobot/PandaLift-v0")
    columns = _share(env, "......<<<<eee.....!").episodes[0].columns
    assert columns["control.discarded"].tolist() == [False] * 2 + [True] * 4 + [False] * 9
    sources = columns["control.source"][surviving(columns)].tolist()
    assert sources == ["policy"] * 2 + ["human"] * 3 + ["blend"] * 4 + ["policy"] * 2
    assert np.array_equal(columns["sim.state"][6], columns["sim.state"][2])


def test_an_unplugged_pad_holds_the_robot_even_while_the_policy_drives() -> None:
    env = make_env("ilrobot/PandaLift-v0")
    columns = _share(env, "....xx....!").episodes[0].columns
    held = columns["control.source"] == "paused"
    assert np.flatnonzero(held).tolist() == [4, 5]
    assert (columns["action"][held][:, :6] == 0).all()


@pytest.mark.parametrize("lost", ["x", "s"])
@pytest.mark.parametrize(
    ("after", "first", "source"),
    [
        ("......!", None, ""),  # nobody says anything
        ("eee...!", None, ""),  # the button was down all along
        ("e..e..!", 3, "human"),
        (".<.....!", None, ""),
        (".P....!", 1, "blend"),
    ],
)
def test_a_pad_lost_in_the_persons_turn_does_not_hand_the_robot_to_the_policy(
    lost: str, after: str, first: int | None, source: str
) -> None:
    env = make_env("ilrobot/PandaLift-v0")
    columns = _share(env, "...ee" + lost + after).episodes[0].columns
    sources = columns["control.source"][surviving(columns)].tolist()[5:]
    if first is None:
        assert set(sources) == {"paused"}
    else:
        assert sources[: 2 + first] == ["paused"] * (1 + first) + [source]


def test_a_person_whose_pad_is_back_is_told_what_to_do() -> None:
    env = make_env("ilrobot/PandaReach-v0")
    hand = TeleopActor(Pad("eexx.."), make_mapping(env.spec), engagement=HoldToEngage())
    observation = env.reset(0)
    hand.reset(0)
    told = []
    for tick in range(6):
        hand.act(observation, tick / 20)
        told.append("take over" in hand.message)
    assert told == [False] * 4 + [True] * 2


@pytest.mark.parametrize(
    ("button", "at", "sources"),
    [
        ("b", [3], ["policy"] * 2 + ["paused"] * 6),  # paused, and so it stays
        ("b", [1, 3], ["policy"] + ["paused"] * 7),  # nobody wants to go on without the mouse
        ("b", [1, 5], ["policy"] + ["paused"] * 4 + ["policy"] * 3),
        ("lefttrigger", [3], ["policy"] * 2 + ["paused"] * 2 + ["policy"] * 4),
    ],
)
def test_the_keys_beside_a_device_that_is_gone_pause_and_stop(
    button: str, at: list[int], sources: list[str]
) -> None:
    ticks = iter(range(-1, 8))
    tick = -1

    def mouse(now: float) -> DeviceState:
        nonlocal tick
        tick = next(ticks)
        return DeviceState(connected=not 2 <= tick <= 3, stamp=now)

    keys = Scripted(lambda now: DeviceState(pressed=(button,) if tick in at else (), stamp=now))
    env = make_env("ilrobot/PandaReach-v0")
    device = Together(Scripted(mouse), keys)
    hand = TeleopActor(device, make_mapping(env.spec), engagement=HoldToEngage())
    still = np.zeros(env.spec.action.shape, np.float32)

    class Policy(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            return Decision(still, Source.POLICY)

    actor = SharedControl(Policy(), hand, HumanGate(lambda: hand.engaged))
    observation = env.reset(0)
    env.close()
    actor.reset(0)
    said, back = [], []
    for i in range(8):
        said.append(str(actor.act(observation, i / 20).source))
        back.append(hand.rewinding)
    assert said == sources
    # On a robot this is the emergency stop.
    assert np.flatnonzero(back).tolist() == (at if button == "lefttrigger" else [])


class _Calls(Gate):
    """Asks for help at the ticks from 2 to 6."""

    asks_novice, asks_expert = True, False

    def decide(self, context: GateContext) -> bool:
        return 2 <= round(context.now * 20) <= 6


@pytest.mark.parametrize(
    ("script", "felt"),
    [
        # taken hold of at 4, given back by the robot at 7, let go of at 9
        ("....EEEEE..", [Feedback.CALL, *[Feedback.TAKEOVER] * 3]),
        # paused while called: nobody had control, and nobody gets it
        ("....P......", [Feedback.CALL]),
    ],
)
def test_a_call_that_ends_is_felt_only_where_control_changes_hands(
    script: str, felt: list[Feedback]
) -> None:
    env, pad = make_env("ilrobot/PandaReach-v0"), Pad(script)
    hand = TeleopActor(pad, make_mapping(env.spec), engagement=HoldToEngage())
    still = np.zeros(env.spec.action.shape, np.float32)

    class Novice(Actor):
        def act(self, observation: Observation, now: float) -> Decision:
            return Decision(still, Source.POLICY, policy_action=still)

    actor = SharedControl(Novice(), hand, _Calls(), on_decision=hand.watch)
    observation = env.reset(0)
    actor.reset(0)
    for tick in range(len(script)):
        actor.act(observation, tick / 20)
    assert pad.felt == felt


def test_what_one_is_told_is_shown_for_a_while() -> None:
    env = make_env("ilrobot/PandaReach-v0")
    hand = TeleopActor(Pad(""), make_mapping(env.spec))
    observation = env.reset(0)
    hand.reset(0)
    hand.act(observation, 10.0)
    hand.tell("look")
    shown = []
    for now in (10.5, 12.9, 13.1, 5.0):
        hand.act(observation, now)
        shown.append(hand.message)
    assert shown == ["look", "look", "", ""]
