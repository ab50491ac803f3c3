"""The simulated person, always by way of SDL: pad → gamepad → mapping → task."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import sims.experts
from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.data.episode import Episode, MemoryRecorder
from ilrobot.env import make_env
from ilrobot.gates.human import HumanGate
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.shared_control import SharedControl
from ilrobot.task_env import TaskEnv
from teleop.actor import TeleopActor
from teleop.bindings import END_EFFECTOR, Control
from teleop.devices.base import STICK_AXES, DeviceState
from teleop.devices.gamepad import Gamepad
from teleop.devices.virtual_gamepad import VirtualGamepad
from teleop.engagement import HoldToEngage
from teleop.hands import make_hand
from teleop.mappings.making import make_mapping
from teleop.motor_noise import Tremor, Wander
from teleop.operator import Operator
from teleop.profile import Profile
from teleop.takeover import Summoned
from tests.exhaustive import thinned

STEADY = Profile(tremor=0.0, wander=0.0, gain=(1.0, 1.0), stick_speed=1e9)


def _expert(env: TaskEnv) -> ScriptedActor:
    return ScriptedActor(sims.experts.make_expert(env.env), env)


@pytest.fixture(scope="module")
def lift() -> Iterator[TaskEnv]:
    made = make_env("ilrobot/PandaLift-v0")
    yield made
    made.close()


def _demonstrate(env: TaskEnv, seeds: range, person: int = 0) -> list[Episode]:
    hand = make_hand("operator", env.spec, expert=_expert(env), seed=person)
    recorder = MemoryRecorder(env.spec)
    for seed in seeds:
        rollout(env, hand, seed=seed, recorder=recorder)
    hand.close()
    return recorder.episodes


def _differs(one: Episode, other: Episode) -> bool:
    return any(
        not np.array_equal(values, other.columns[key], equal_nan=values.dtype.kind == "f")
        for key, values in one.columns.items()
    )


@pytest.mark.parametrize("person", thinned(range(3), [1]))
def test_demonstrates_a_grasp_end_to_end(lift: TaskEnv, person: int) -> None:
    episodes = _demonstrate(lift, range(100, 108), person)
    assert [episode.info.outcome for episode in episodes] == ["success"] * 8
    for episode in episodes:
        columns = episode.columns
        assert set(columns["control.source"]) == {"demo"}
        assert not columns["intervention"].any()
        gripper = columns["action"][:, 6]
        assert set(gripper) == {0.0, 1.0}
        assert np.abs(columns["action"][:, :6]).max() <= max(lift.spec.action.high[:6])


@pytest.mark.parametrize("task", ["ilrobot/Junction-v0", "ilrobot/PandaReach-v0"])
def test_demonstrates_other_tasks(task: str) -> None:
    env = make_env(task)
    assert [e.info.outcome for e in _demonstrate(env, range(4))] == ["success"] * 4
    env.close()


def test_same_seeds_same_presses_and_other_persons_differ(lift: TaskEnv) -> None:
    first = _demonstrate(lift, range(2), person=1)
    again = _demonstrate(lift, range(2), person=1)
    assert not any(_differs(one, other) for one, other in zip(first, again, strict=True))
    assert _differs(first[0], _demonstrate(lift, range(1), person=2)[0])


def test_an_episode_does_not_depend_on_the_one_before(lift: TaskEnv) -> None:
    after_another = _demonstrate(lift, range(3, 5))[1]
    assert not _differs(after_another, _demonstrate(lift, range(4, 5))[0])


class Script(Actor):
    """Wants a push forward, and a closed gripper, from given times on."""

    def __init__(self, push_at: float, close_at: float) -> None:
        self._push_at, self._close_at = push_at, close_at

    def act(self, observation: Observation, now: float) -> Decision:
        push = 0.01 if now >= self._push_at - 1e-9 else 0.0
        gripper = 0.0 if now >= self._close_at - 1e-9 else 1.0
        return Decision(np.array([push, 0, 0, 0, 0, 0, gripper], np.float32), Source.DEMO)


def _move(lift: TaskEnv, profile: Profile, expert: Actor, ticks: int = 40) -> np.ndarray:
    """The actions that come of it, (ticks, 7)."""
    mapping = make_mapping(lift.spec)
    pad = VirtualGamepad()
    person = Operator(expert, pad, mapping, profile=profile)
    hand = TeleopActor(Gamepad(pad.name), mapping, operator=person)
    observation = lift.reset(0)
    hand.reset(0)
    return np.array([hand.act(observation, 0.05 * t).action for t in range(ticks)])


@pytest.mark.parametrize(("reaction", "first"), [(0.0, 10), (0.1, 12), (0.2, 14)])
def test_hand_follows_what_was_seen_a_reaction_ago(
    lift: TaskEnv, reaction: float, first: int
) -> None:
    profile = Profile(**{**vars(STEADY), "reaction": (reaction, reaction)})
    actions = _move(lift, profile, Script(0.5, 99.0))
    assert np.flatnonzero(actions[:, 0])[0] == first
    assert actions[first:, 0] == pytest.approx(0.01, abs=1e-6)


def test_thumb_is_no_faster_than_its_speed(lift: TaskEnv) -> None:
    profile = Profile(**{**vars(STEADY), "stick_speed": 2.0, "reaction": (0.0, 0.0)})
    mapping = make_mapping(lift.spec)
    pad = VirtualGamepad()
    gamepad = Gamepad(pad.name)
    person = Operator(Script(0.0, 99.0), pad, mapping, profile=profile)
    observation = lift.reset(0)
    positions = []
    for tick in range(12):
        person.move(observation, 0.05 * tick)
        positions.append(gamepad.poll(0.0).axes["lefty"])
    assert np.abs(np.diff(positions)).max() == pytest.approx(0.1, abs=1e-4)


def test_gripper_is_pressed_once_after_a_human_delay(lift: TaskEnv) -> None:
    profile = Profile(**{**vars(STEADY), "reaction": (0.1, 0.1), "press_delay": (0.1, 0.1)})
    gripper = _move(lift, profile, Script(99.0, 0.5))[:, 6]
    assert np.flatnonzero(np.diff(gripper)).tolist() == [13]


class Rights(Actor):
    """Sees a tilt, rad, and wants it gone by 0.3 of it a tick."""

    def __init__(self, tilt: float) -> None:
        self.tilt = tilt

    def act(self, observation: Observation, now: float) -> Decision:
        action = np.array([0, 0, 0, -0.3 * self.tilt, 0, 0, 1.0], np.float32)
        return Decision(action, Source.DEMO)


@pytest.mark.parametrize(
    ("tilt", "ticks", "called"),
    [(0.04, 0, True), (0.08, 2, True), (-0.08, 2, True), (0.13, 2, True), (0.13, 0, False)],
)
def test_who_helps_taps_a_button_where_to_hold_it_would_go_too_far(
    lift: TaskEnv, tilt: float, ticks: int, called: bool
) -> None:
    profile = Profile(**{**vars(STEADY), "reaction": (0.2, 0.2), "gain": (0.5, 0.5)})
    mapping = make_mapping(lift.spec)
    pad = VirtualGamepad()
    expert = Rights(tilt)
    patience = Summoned() if called else None
    person = Operator(expert, pad, mapping, profile=profile, patience=patience)
    hand = TeleopActor(Gamepad(pad.name), mapping, operator=person)
    observation = lift.reset(0)
    hand.reset(0)
    hand.call(called)
    turned = []
    for tick in range(60):
        turned.append(hand.act(observation, 0.05 * tick).action[3])
        expert.tilt += turned[-1]
    assert np.count_nonzero(turned) == ticks  # 0.05 s each: once `press_time`, or never
    assert not called or abs(expert.tilt) <= 0.05


def test_rest_is_rest_in_spite_of_tremor(lift: TaskEnv) -> None:
    actions = _move(lift, Profile(tremor=0.05), Script(99.0, 99.0))
    assert not actions[:, :6].any()


def test_tremor_lies_within_its_band() -> None:
    rate, seconds = 200.0, 20.0
    tremor = Tremor(np.random.default_rng(0), axes=4, rms=0.1)
    values = np.array([tremor.at(t / rate) for t in range(int(rate * seconds))])
    power = np.abs(np.fft.rfft(values, axis=0)) ** 2
    frequency = np.fft.rfftfreq(len(values), 1.0 / rate)
    inside = (frequency > 7.9) & (frequency < 12.1)
    assert power[inside].sum() / power.sum() > 0.98
    assert values.std(axis=0) == pytest.approx(0.1, rel=0.1)


def test_wander_has_its_variance_and_its_memory() -> None:
    wander = Wander(np.random.default_rng(0), axes=200, rms=0.3, time=0.5)
    values = np.array([wander.advance(0.1) for _ in range(400)])
    assert values.std() == pytest.approx(0.3, rel=0.05)
    lag_one = (values[1:] * values[:-1]).mean() / values.var()
    assert lag_one == pytest.approx(np.exp(-0.1 / 0.5), abs=0.03)


class Faulty(Actor):
    """The expert at half speed, spoilt."""

    def __init__(self, expert: Actor, fault: str) -> None:
        self._expert, self._fault = expert, fault

    def reset(self, seed: int | None = None) -> None:
        self._expert.reset(seed)

    def act(self, observation: Observation, now: float) -> Decision:
        action = np.array(self._expert.act(observation, now).action)
        action[:6] *= {"none": 0.5, "still": 0.0, "backwards": -0.5, "never grasps": 0.5}[
            self._fault
        ]
        if self._fault == "never grasps":
            action[6] = 1.0
        return Decision(action, Source.POLICY, policy_action=action)


def _share(lift: TaskEnv, fault: str, seed: int) -> tuple[EpisodeResult, dict[str, np.ndarray]]:
    hand = make_hand("operator", lift.spec, expert=_expert(lift), engage="hold", seed=3)
    novice = Faulty(_expert(lift), fault)
    gate = HumanGate(lambda: hand.engaged)
    actor = SharedControl(novice, hand, gate, on_decision=hand.watch)
    recorder = MemoryRecorder(lift.spec)
    result = rollout(lift, actor, seed=seed, recorder=recorder)
    hand.close()
    return result, recorder.episodes[0].columns


def test_a_good_policy_is_left_alone(lift: TaskEnv) -> None:
    result, columns = _share(lift, "none", 0)
    assert result.success
    assert result.interventions == 0
    assert np.isnan(columns["control.human_action"]).all()


@pytest.mark.parametrize("fault", ["still", "backwards", "never grasps"])
def test_takes_over_from_a_bad_one_and_succeeds(lift: TaskEnv, fault: str) -> None:
    result, columns = _share(lift, fault, 0)
    assert result.success
    assert result.interventions >= 1
    taken = columns["intervention"]
    assert not taken[:3].any()
    assert np.array_equal(np.isfinite(columns["control.human_action"]).all(axis=1), taken)
    assert np.isfinite(columns["control.policy_action"]).all()


def test_taking_over_does_not_drop_the_cube(lift: TaskEnv) -> None:
    """The policy grasps, then sinks: the hand that takes over finds the gripper closed."""

    class Sinks(Faulty):
        def act(self, observation: Observation, now: float) -> Decision:
            action = np.array(super().act(observation, now).action)
            if observation["observation.environment_state"][2] > 0.05:
                action[2] = -0.02
            return Decision(action, Source.POLICY, policy_action=action)

    hand = make_hand("operator", lift.spec, expert=_expert(lift), engage="hold", seed=3)
    gate = HumanGate(lambda: hand.engaged)
    actor = SharedControl(Sinks(_expert(lift), "none"), hand, gate, on_decision=hand.watch)
    recorder = MemoryRecorder(lift.spec)
    rollout(lift, actor, seed=1, recorder=recorder)
    columns = recorder.episodes[0].columns
    onset = int(np.argmax(columns["intervention"]))
    assert columns["intervention"].any()
    assert columns["action"][onset - 1, 6] < 0.5
    assert columns["action"][onset, 6] == 0.0


def test_unplugged_hand_has_the_robot_hold_until_somebody_takes_over(lift: TaskEnv) -> None:
    pad = VirtualGamepad()
    hand = TeleopActor(Gamepad(pad.name), make_mapping(lift.spec), engagement=HoldToEngage())
    gate = HumanGate(lambda: hand.engaged)
    actor = SharedControl(Faulty(_expert(lift), "none"), hand, gate, on_decision=hand.watch)
    observation = lift.reset(0)
    actor.reset(0)
    pad.press(END_EFFECTOR.buttons(Control.ENGAGE)[0])
    pad.set_axis(STICK_AXES[1], -1.0)
    taken = actor.act(observation, 0.0)
    assert taken.source is Source.HUMAN
    assert taken.action[0] == pytest.approx(0.02)
    pad.detach()
    held = actor.act(observation, 0.05)
    assert held.source is Source.PAUSED
    assert not held.action[:6].any()
    assert not hand.connected
    pad.attach()
    assert actor.act(observation, 0.1).source is Source.PAUSED
    pad.press(END_EFFECTOR.buttons(Control.ENGAGE)[0])
    assert actor.act(observation, 0.15).source is Source.HUMAN


def test_unplugged_demonstrator_commands_rest_and_says_nothing(lift: TaskEnv) -> None:
    pad = VirtualGamepad()
    hand = TeleopActor(Gamepad(pad.name), make_mapping(lift.spec))
    observation = lift.reset(0)
    hand.reset(0)
    pad.set_axis("leftx", 1.0)
    pad.tap("a")
    assert hand.act(observation, 0.0).action[6] == 0.0
    pad.detach()
    decision = hand.act(observation, 0.05)
    assert decision.human_action is None
    assert not decision.action[:6].any()
    assert decision.action[6] == 0.0


def test_a_person_who_was_taken_back_still_lifts_the_cube(lift: TaskEnv) -> None:
    """Somebody else holds the trigger for half a second, in the midst of it and again later."""
    hand = make_hand("operator", lift.spec, expert=_expert(lift), seed=3)
    reset, ticks = hand.device.poll, iter(range(10_000))

    def poll(now: float) -> DeviceState:
        state = reset(now)
        back = next(ticks) in (*range(30, 40), *range(60, 70))
        return replace(state, held=state.held | ({"lefttrigger"} if back else set()))

    hand.device.poll = poll  # type: ignore[method-assign]
    recorder = MemoryRecorder(lift.spec, lift.state_size)
    result = rollout(lift, hand, seed=1, recorder=recorder)
    hand.close()
    columns = recorder.episodes[0].columns
    assert result.success
    assert columns["control.discarded"].sum() == 20
    assert columns["control.branch"].max() == 2
