import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ilrobot.actors import Event
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.spec import Feature, Spec
from teleop.bindings import END_EFFECTOR, TeleopCommand
from teleop.devices.base import DeviceState
from teleop.mappings.choice import ChoiceMapping
from teleop.mappings.end_effector import EndEffectorMapping
from teleop.mappings.making import make_mapping
from teleop.mappings.mapping import Mapping
from teleop.mappings.target import TargetMapping
from teleop.mappings.vector import VectorMapping
from teleop.shaping import Shaping
from tests.teleop.discrete import discrete

INT16 = 1.0 / 32767
STATE = Feature("observation.state", (1,), names=("gripper_opening",))
ARM = Spec(
    observations=(STATE,),
    action=Feature(
        "action",
        (7,),
        names=("dx", "dy", "dz", "rx", "ry", "rz", "gripper_opening"),
        low=(-0.02,) * 3 + (-0.1,) * 3 + (0.0,),
        high=(0.02,) * 3 + (0.1,) * 3 + (1.0,),
    ),
    rate=20.0,
    semantics="delta",
    controller="ee_delta_gripper",
)
OPEN = {"observation.state": np.ones(1, np.float32)}
unit = st.floats(-1.0, 1.0)


def _through_sixteen_bits(mapping: Mapping, action: np.ndarray, observation: dict) -> np.ndarray:
    intent = mapping.intent(action, observation)
    pose = mapping.bindings.pose(intent.twist)
    axes = {axis: round(value * 32767) / 32767 for axis, value in pose.axes.items()}
    held = pose.held | {button for button in (intent.tap, intent.hold) if button is not None}
    state = DeviceState(axes=axes, held=held, pressed=tuple(held))
    return np.asarray(mapping.action(mapping.bindings.command(state), observation))


@given(unit, unit, st.floats(0.0, 0.6), st.floats(0.0, 1.0))
@example(5e-324, 5e-324, 0.5, 0.0)
def test_unshape_inverts_shape_and_the_other_way_round(
    x: float, y: float, deadzone: float, expo: float
) -> None:
    shaping = Shaping(deadzone, expo)
    length = math.hypot(x, y)
    if length > 1.0:
        x, y = x / length, y / length
    stick = shaping.unshape(x, y)
    assert math.hypot(*stick) <= 1.0 + 1e-9
    assert shaping.shape(*stick) == pytest.approx((x, y), abs=1e-6)


@given(unit, unit)
def test_shape_keeps_direction_and_stays_within_the_unit_disc(x: float, y: float) -> None:
    shaped = Shaping().shape(x, y)
    assert math.hypot(*shaped) <= 1.0 + 1e-12
    assert shaped[0] * y == pytest.approx(shaped[1] * x, abs=1e-12)


def test_motion_begins_at_zero_at_the_rim_of_the_deadzone() -> None:
    shaping = Shaping(deadzone=0.12)
    assert shaping.shape(0.08, 0.08) == (0.0, 0.0)
    assert 0.0 < shaping.shape(0.1201, 0.0)[0] < 1e-3
    assert shaping.shape(0.0, -1.0) == (0.0, -1.0)


@pytest.mark.parametrize(("deadzone", "expo"), [(-0.1, 0.0), (1.0, 0.0), (0.1, 1.1)])
def test_impossible_shapings_are_refused(deadzone: float, expo: float) -> None:
    with pytest.raises(ValueError, match="must be in"):
        Shaping(deadzone, expo)


@given(st.tuples(unit, unit), st.tuples(unit, unit), st.booleans())
def test_arm_actions_survive_the_pad(
    left: tuple[float, float], right: tuple[float, float], closes: bool
) -> None:
    left = tuple(v / max(1.0, math.hypot(*left)) for v in left)
    right = tuple(v / max(1.0, math.hypot(*right)) for v in right)
    share = np.array([left[0], left[1], right[0], 0.0, 0.0, right[1]])
    action = np.append(share * np.asarray(ARM.action.high[:6]), 0.0 if closes else 1.0)
    mapping = make_mapping(ARM)
    got = _through_sixteen_bits(mapping, action, OPEN)
    # The curve is nowhere steeper than (1 + 2 e) / (1 - d).
    slope = (1.0 + 2.0 * 0.4) / (1.0 - 0.12)
    assert np.abs(got - action)[:6] / ARM.action.high[:6] == pytest.approx(0.0, abs=slope * INT16)
    assert got[6] == action[6]


def test_sticks_move_the_arm_as_seen_from_behind_it() -> None:
    mapping = make_mapping(ARM)

    def push(**axes: float) -> np.ndarray:
        return mapping.action(mapping.bindings.command(DeviceState(axes=axes)), OPEN)

    assert push(lefty=-1.0)[:6] == pytest.approx([0.02, 0, 0, 0, 0, 0])
    assert push(leftx=-1.0)[:6] == pytest.approx([0, 0.02, 0, 0, 0, 0])
    assert push(righty=-1.0)[:6] == pytest.approx([0, 0, 0.02, 0, 0, 0])
    assert push(rightx=-1.0)[:6] == pytest.approx([0, 0, 0, 0, 0, 0.1])


def test_gripper_is_a_state_that_taps_toggle() -> None:
    mapping = EndEffectorMapping(ARM)
    states = [mapping.action(TeleopCommand(toggles=n), OPEN)[6] for n in (0, 1, 0, 2, 3, 0)]
    assert states == [1.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    mapping.reset()
    assert mapping.action(TeleopCommand(), {"observation.state": np.zeros(1)})[6] == 0.0


def test_taking_over_keeps_what_the_gripper_holds() -> None:
    mapping = EndEffectorMapping(ARM)
    mapping.action(TeleopCommand(), OPEN)
    mapping.follow(np.array([0, 0, 0, 0, 0, 0, 0.1], np.float32))
    # The fingers stand at the cube's width: measured open, commanded closed.
    assert mapping.action(TeleopCommand(), {"observation.state": np.array([0.56])})[6] == 0.0


def test_targets_begin_where_the_robot_is_and_stay_on_the_table() -> None:
    env = make_env("ilrobot/PushT-v0")
    mapping = make_mapping(env.spec)
    assert isinstance(mapping, TargetMapping)
    observation = env.reset(3)
    start = observation["observation.state"][:2]
    assert mapping.action(TeleopCommand(), observation) == pytest.approx(start)
    right = TeleopCommand(twist=(1.0, 0, 0, 0, 0, 0))
    for _ in range(100):
        target = mapping.action(right, observation)
    # The robot does not follow: so far does the leash let its target go.
    assert target == pytest.approx([start[0] + 512.0 / 6.0, start[1]])
    assert mapping.leash == 1.0
    at_the_rim = {"observation.state": np.array([500.0, *observation["observation.state"][1:]])}
    for _ in range(3):
        target = mapping.action(right, at_the_rim)
    assert target == pytest.approx([512.0, start[1]])
    mapping.follow(target)
    assert mapping.action(TeleopCommand(), observation) == pytest.approx(start)


def test_taking_over_lets_go_of_nothing_that_a_commanded_gripper_squeezes() -> None:
    """It is measured as wide as what is between its fingers."""
    names = ("elbow", "gripper.pos")
    spec = Spec(
        (Feature("observation.state", (2,), names=names),),
        Feature("action", (2,), names=names, low=(-3, 0), high=(3, 1)),
        rate=20.0,
        semantics="absolute",
    )
    mapping, other = make_mapping(spec), make_mapping(spec)
    squeezing = {"observation.state": np.array([0.2, 0.55])}
    mapping.follow(np.array([1.0, 0.1]))
    for _ in range(20):
        assert mapping.action(TeleopCommand(), squeezing) == pytest.approx([0.2, 0.1])
    tighter = TeleopCommand(twist=(0, -1, 0, 0, 0, 0))
    assert mapping.action(tighter, squeezing) == pytest.approx([0.2, 0.1])
    assert mapping.hash == other.hash
    wider = TeleopCommand(twist=(0, 1, 0, 0, 0, 0))
    assert mapping.action(wider, squeezing)[1] > 0.1
    mapping.follow(np.array([1.0, 0.5]))
    for _ in range(20):
        last = mapping.action(tighter, squeezing)
    assert last == pytest.approx([0.2, 0.55 - 1 / 6])
    mapping.reset()
    assert mapping.action(TeleopCommand(), squeezing) == pytest.approx([0.2, 0.55])


def test_an_action_one_tick_away_is_reached_in_one_tick() -> None:
    env = make_env("ilrobot/PushT-v0")
    mapping, observation = make_mapping(env.spec), env.reset(3)
    wanted = observation["observation.state"][:2] + np.array([7.0, -11.0])
    assert _through_sixteen_bits(mapping, wanted, observation) == pytest.approx(wanted, abs=0.01)


def test_unnamed_targets_are_known_by_their_limits() -> None:
    named = make_env("ilrobot/PushT-v0").spec
    plain = replace(
        named,
        semantics="unknown",
        action=replace(named.action, names=()),
        observations=tuple(replace(f, names=()) for f in named.observations),
    )
    assert isinstance(make_mapping(plain), TargetMapping)


@pytest.mark.parametrize(
    ("observed", "said"),
    [
        ({"state": ("deg", "deg")}, r"\(rad\) is observed as elbow of observation.state \(deg"),
        (
            {"leader": ("rad", "rad"), "state": ("rad", "rad")},
            "elbow of observation.leader .* and as elbow of observation.state",
        ),
    ],
)
def test_where_a_robot_is_is_not_read_from_another_quantity_of_the_same_name(observed, said):
    """A hand at rest would command the robot to go there."""
    names = ("elbow", "wrist")
    spec = Spec(
        tuple(Feature(f"observation.{k}", (2,), names=names, units=u) for k, u in observed.items()),
        Feature("action", (2,), names=names, units=("rad",) * 2, low=(-3, -3), high=(3, 3)),
        rate=20.0,
        semantics="absolute",
    )
    with pytest.raises(UserError, match=said):
        make_mapping(spec)
    one = replace(spec.observations[-1], units=("rad", "deg"))
    other = replace(spec.observations[-1], name="observation.more", units=("deg", "rad"))
    mapping = make_mapping(replace(spec, observations=(other, one)))
    seen = {one.name: np.array([0.1, 90]), other.name: np.array([20, -0.2])}
    assert mapping.action(TeleopCommand(), seen) == pytest.approx([0.1, -0.2])


@given(st.lists(unit, min_size=2, max_size=2))
def test_vectors_survive_the_pad(share: list[float]) -> None:
    spec = Spec((), Feature("action", (2,), low=(-3.0, 10.0), high=(1.0, 30.0)), 10.0)
    mapping = make_mapping(spec)
    assert isinstance(mapping, VectorMapping)
    length = max(1.0, math.hypot(*share))
    action = np.array([-1.0, 20.0]) + np.array([2.0, 10.0]) * np.array(share) / length
    got = _through_sixteen_bits(mapping, action, {})
    assert got == pytest.approx(action, abs=30 * 2.1 * INT16)


@pytest.mark.parametrize(
    ("choices", "names", "rest"),
    [(3, (), 1), (4, (), 0), (5, ("left", "right", "up", "down", "noop"), 4)],
)
def test_choices_rest_where_nothing_is_held(
    choices: int, names: tuple[str, ...], rest: int
) -> None:
    mapping = ChoiceMapping(discrete(choices, names))
    assert int(mapping.action(TeleopCommand(), {})) == rest
    for choice in range(choices):
        assert int(_through_sixteen_bits(mapping, np.array(choice), {})) == choice


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (replace(ARM, controller=""), "7 action elements"),
        (replace(ARM, action=replace(ARM.action, high=(math.inf,) * 7)), "no finite limits"),
        (replace(ARM, action=replace(ARM.action, high=(3.4e38,) * 7)), "no finite limits"),
        (replace(ARM, action=Feature("action", (2,), low=(0, 0), high=(1, 1))), "needs 7"),
        (discrete(30), "30 discrete actions"),
    ],
)
def test_actions_beyond_a_pad_are_refused_in_one_line(spec: Spec, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        make_mapping(spec)
    assert "\n" not in str(caught.value)


def test_hash_tells_what_changes_the_action_and_nothing_else() -> None:
    base = make_mapping(ARM).hash
    assert base == make_mapping(replace(ARM, task="another", rate=30.0)).hash
    slower = replace(ARM, action=replace(ARM.action, high=(0.01,) * 3 + (0.1,) * 3 + (1.0,)))
    softer = replace(END_EFFECTOR, shaping=Shaping(expo=0.5))
    others = {make_mapping(slower).hash, EndEffectorMapping(ARM, softer).hash}
    assert len({base} | others) == 3


@pytest.mark.parametrize(
    ("button", "event"),
    [
        ("start", Event.SUCCESS),
        ("back", Event.FAILURE),
        ("x", Event.DISCARD),
    ],
)
def test_declarations(button: str, event: Event) -> None:
    assert END_EFFECTOR.command(DeviceState(pressed=(button,))).event is event
    assert END_EFFECTOR.command(DeviceState(held=frozenset({button}))).event is None


def test_engaged_needs_a_device_that_is_there() -> None:
    held = frozenset({"rightshoulder"})
    assert END_EFFECTOR.command(DeviceState(held=held)).engaged
    assert not END_EFFECTOR.command(DeviceState(held=held, connected=False)).engaged
    assert not END_EFFECTOR.command(DeviceState(pressed=("rightshoulder",))).engaged


@pytest.mark.parametrize("observed", [False, True])
def test_a_hand_that_lets_go_lets_a_base_come_to_rest(observed):
    """A velocity that is measured by its own name is no target that one could stay at."""
    names, units = ("x.vel", "arm"), ("m/s", "m")
    state = Feature("observation.state", (2,), names=names if observed else ("u", "v"))
    action = Feature("action", (2,), names=names, units=units, low=(-0.1, -1.0), high=(0.5, 1.0))
    mapping = make_mapping(Spec((state,), action, 10.0, semantics="absolute"))
    mapping.reset()
    seen = {state.name: np.zeros(2, np.float32)}
    for stick, expected in ((1.0, 0.5), (0.5, 0.25), (0.0, 0.0), (-1.0, -0.1), (0.0, 0.0)):
        done = mapping.action(TeleopCommand(twist=(stick, 0, 0, 0, 0, 0)), seen)
        assert done[0] == pytest.approx(expected)
        seen[state.name][0] = done[0]
        if stick > 0:
            assert mapping.intent(done, seen).twist[0] == pytest.approx(stick)


ENDS = (1.0, 0.0, 1.0)
SLIDES = Spec(
    (Feature("observation.state", (3,), names=("x", "y", "z")),),
    Feature("action", (3,), names=("x", "y", "z"), low=tuple(-e for e in ENDS), high=ENDS),
    10.0,
    semantics="absolute",
)
WRIST = replace(
    ARM.action, low=(-0.02, 0, *ARM.action.low[2:]), high=(0.02, 0, *ARM.action.high[2:])
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("spec", [SLIDES, replace(ARM, action=WRIST)])
def test_what_a_task_does_not_let_move_stays_where_it_is(spec: Spec) -> None:
    mapping = make_mapping(spec)
    mapping.reset()
    here = {spec.observations[0].name: np.zeros(spec.observations[0].shape, np.float32)}
    done = mapping.action(TeleopCommand(twist=(1.0,) * 6), here)
    assert done[0] > 0
    assert done[1] == 0
    mapping.reset()
    told = np.asarray(mapping.intent(done, here).twist)
    assert told[0] > 0
    assert told[1] == 0
    assert np.isfinite(told).all()
