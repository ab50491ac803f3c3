"""What turns with the world, told by name and unit: the same wherever it lies."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import sims  # noqa: F401 (registers our tasks)
from ilrobot.errors import UserError
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.directions import level_directions, level_motions, level_turns
from ilrobot.policies.normalize import Normalizer
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual import with_residual
from ilrobot.policies.task_frame import FramedActions, FrameView
from ilrobot.spec import Feature, Spec

NAMES = {
    "cube_x": "m",
    "cube_y": "m",
    "cube_z": "m",
    "cube_vx": "m/s",
    "cube_vy": "m/s",
    "cube_cos_4yaw": "1",
    "cube_sin_4yaw": "1",
    "goal_x": "m",
    "goal_y": "m",
    "ee_x": "m",
    "ee_y": "m",
    "ee_x_axis_x": "1",
    "ee_x_axis_y": "1",
    "ee_to_cube_cos_4yaw": "1",
    "ee_to_cube_sin_4yaw": "1",
    "opening": "1",
}
INDEX = {name: index for index, name in enumerate(NAMES)}
SPEC = Spec(
    (Feature("observation.state", (len(NAMES),), names=tuple(NAMES), units=tuple(NAMES.values())),),
    Feature(
        "action",
        (5,),
        names=("dx", "dy", "rx", "ry", "gripper_opening"),
        units=("m/tick", "m/tick", "rad/tick", "rad/tick", "1"),
    ),
    20.0,
    semantics="delta",
    task_frame=("cube", "goal"),
)
FRAME = ("cube", "goal")


def _with(names=None, *, units=None, action=None, **changes):
    """Its spec with other observations or another action."""
    state = SPEC.observations[0]
    if names is not None:
        state = Feature(state.name, (len(names),), names=names, units=units or ("m",) * len(names))
    return replace(SPEC, observations=(state,), action=action or SPEC.action, **changes)


def test_steps_and_speeds_are_turned_all_or_none():
    unknown = replace(SPEC, semantics="unknown")
    assert level_motions(unknown, ways=False) == [(0, 1), (2, 3)]
    tool = replace(SPEC.action, frame="tool")
    base = replace(SPEC.observations[0], frame="base")
    assert level_motions(replace(SPEC, action=tool, observations=(base,)), ways=False) == []
    joints = Feature("action", (2,), names=("q1", "q2"))
    assert level_motions(_with(action=joints), ways=True) == []
    speeds = Feature("action", (2,), names=("vx", "vy"))
    assert level_motions(_with(action=speeds, semantics="unknown"), ways=False) == [(0, 1)]


def test_what_lies_in_two_frames_or_units_is_no_frame():
    places = ("cube_x", "cube_y", "goal_x", "goal_y")
    PolicyConfig(frame=FRAME).check(_with(places))
    with pytest.raises(UserError, match="in one frame and unit"):
        PolicyConfig(frame=FRAME).check(_with(places, units=("mm", "mm", "m", "m")))
    seen = Feature("observation.a", (2,), names=places[:2], units=("m", "m"), frame="camera")
    known = Feature("observation.b", (2,), names=places[2:], units=("m", "m"), frame="base")
    with pytest.raises(UserError, match="in one frame and unit"):
        PolicyConfig(frame=FRAME).check(replace(SPEC, observations=(seen, known)))
    both = replace(seen, names=places, units=("m",) * 4, shape=(4,))
    other = replace(known, names=("a_axis_x", "a_axis_y"), units=("1", "1"))
    one_frame = FrameView(replace(SPEC, observations=(both,)), FRAME).size
    assert FrameView(replace(SPEC, observations=(both, other)), FRAME).size == one_frame
    assert (
        FrameView(replace(SPEC, observations=(both, replace(other, frame=""))), FRAME).size
        > one_frame
    )


def test_plain_numbers_are_no_direction():
    assert level_directions(_with(("a_x", "a_y"), units=("1", "1"))) == []


def _turned(vector, angle):
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s], [s, c]]) @ vector


def _world(seed):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, len(NAMES)).astype(np.float32)


def _moved(state, angle, shift):
    """The same world, turned about the vertical and shifted."""
    state = state.copy()
    for thing in ("cube", "goal", "ee"):
        at = [INDEX[f"{thing}_x"], INDEX[f"{thing}_y"]]
        state[at] = _turned(state[at], angle) + shift
    for x, y, times in (
        ("cube_vx", "cube_vy", 1),
        ("ee_x_axis_x", "ee_x_axis_y", 1),
        ("cube_cos_4yaw", "cube_sin_4yaw", 4),
    ):
        state[[INDEX[x], INDEX[y]]] = _turned(state[[INDEX[x], INDEX[y]]], times * angle)
    return state


def _view():
    view = FrameView(SPEC, FRAME)
    normalizer = Normalizer([""] * len(NAMES), "limits")
    normalizer.low.fill_(-0.5)
    normalizer.high.fill_(0.5)
    view.adopt(normalizer)
    return view


NAMES_AT = list(NAMES)


def test_what_turns_with_the_world_is_known_by_its_name_and_unit():
    pairs = [(NAMES_AT[x], NAMES_AT[y]) for x, y in level_directions(SPEC)]
    assert pairs == [("cube_vx", "cube_vy"), ("ee_x_axis_x", "ee_x_axis_y")]
    assert [(NAMES_AT[c], NAMES_AT[s], n) for c, s, n in level_turns(SPEC)] == [
        ("cube_cos_4yaw", "cube_sin_4yaw", 4)
    ]
    assert level_motions(SPEC, ways=False) == [(0, 1), (2, 3)]
    quaternion = Feature(
        "observation.state",
        (4,),
        names=("q_w", "q_x", "q_y", "q_z"),
        units=("quat_wxyz",) * 4,
    )
    assert level_directions(replace(SPEC, observations=(quaternion,))) == []


@pytest.mark.parametrize("seed", range(5))
def test_a_world_turned_and_shifted_is_told_alike(seed):
    rng = np.random.default_rng(100 + seed)
    state = _world(seed)
    other = _moved(state, rng.uniform(-math.pi, math.pi), rng.uniform(-1, 1, 2))
    rows = torch.from_numpy(np.stack([state, other]))[:, None]
    told = _view()(rows)[:, 0]
    assert not torch.allclose(rows[0], rows[1], atol=1e-2)
    torch.testing.assert_close(told[0], told[1], rtol=0, atol=2e-4)
    third = state.copy()
    third[INDEX["ee_x"]] += 0.05
    elsewhere = _view()(torch.from_numpy(third)[None, None])[0, 0]
    assert not torch.allclose(elsewhere, told[0], atol=1e-2)


def test_actions_turn_with_the_world_and_back():
    view, framed = _view(), FramedActions(SPEC, FRAME, ways=False)
    angle = 0.7
    state = _world(1)
    other = _moved(state, angle, np.zeros(2))
    axes = view.axis(torch.from_numpy(np.stack([state, other])))
    torch.testing.assert_close(axes.norm(dim=1), torch.ones(2))
    codes = torch.randn(1, 3, 5, generator=torch.Generator().manual_seed(0)).expand(2, 3, 5)
    actions = framed.decode(codes, axes)
    torch.testing.assert_close(framed.encode(actions, axes), codes)
    for first in (0, 2):
        here, there = (a[:, first : first + 2].numpy() for a in actions)
        np.testing.assert_allclose(there, np.array([_turned(v, angle) for v in here]), atol=1e-5)
    assert torch.equal(actions[..., 4], codes[..., 4])
    members = framed.decode(codes.expand(4, 2, 3, 5), axes)
    torch.testing.assert_close(members[3], actions)


def test_where_both_things_meet_the_axes_are_those_of_the_base():
    state = _world(2)
    state[[INDEX["goal_x"], INDEX["goal_y"]]] = state[[INDEX["cube_x"], INDEX["cube_y"]]]
    axis = _view().axis(torch.from_numpy(state)[None])
    assert axis.tolist() == [[1.0, 0.0]]
    assert _view()(torch.from_numpy(state)[None, None]).isfinite().all()


def test_targets_are_turned_as_ways_to_go_only():
    spec = Spec(
        (
            Feature(
                "observation.state",
                (4,),
                names=("ee_x", "ee_y", "goal_x", "goal_y"),
                units=("m",) * 4,
            ),
        ),
        Feature("action", (2,), names=("target_x", "target_y"), units=("m", "m")),
        10.0,
        semantics="absolute",
    )
    assert FramedActions(spec, ("ee", "goal"), ways=False).pairs == []
    assert FramedActions(spec, ("ee", "goal"), ways=True).pairs == [(0, 1)]


def test_steps_along_the_axes_of_another_observation_are_not_turned():
    force = Feature("observation.force", (1,), names=("fz",), units=("N",), frame="tool")
    state = replace(SPEC.observations[0], frame="base")
    spec = replace(SPEC, observations=(state, force), action=replace(SPEC.action, frame="tool"))
    assert FramedActions(spec, FRAME, ways=False).pairs == []
    assert FramedActions(replace(spec, action=SPEC.action), FRAME, ways=False).pairs != []


def test_what_was_shown_along_one_axis_may_be_done_along_the_other():
    framed = FramedActions(SPEC, FRAME, ways=False)
    framed.high[0] = 0.02
    assert framed.frozen([False] * 4 + [True]) == [False, False, True, True, True]


def test_a_frame_that_is_not_observed_and_one_of_three_things_are_refused():
    with pytest.raises(UserError, match="the frame cube:lid cannot be told"):
        PolicyConfig(frame=("cube", "lid")).check(SPEC)
    for frame in (("cube",), ("", "goal"), ("cube", "cube"), ("cube", "goal", "ee")):
        with pytest.raises(UserError, match="from one thing towards another"):
            PolicyConfig(frame=frame).check(SPEC)


def test_a_residual_beside_targets_is_turned_by_itself():
    names = ("wall_x", "wall_y", "goal_x", "goal_y")
    target = Feature("action", (2,), names=("target_x", "target_y"), units=("m", "m"))
    frame = ("goal", "wall")
    spec = _with(names, action=target, semantics="absolute", task_frame=frame)
    clone = Policy(spec, PolicyConfig(width=32, blocks=1, frame=frame)).eval()
    assert clone.framed is not None
    assert not clone.framed.pairs
    sum_ = with_residual(clone, bound=0.05, frame=frame)
    seen = {"observation.state": torch.tensor([[[0.3, 0.4, 0.0, 0.0]]])}
    with torch.no_grad():
        sum_.head.network[-1].weight.zero_()
        sum_.head.network[-1].bias[0] = 9.0
        added = (sum_(seen) - clone(seen))[0, 0]
    assert added[0] / added[1] == pytest.approx(0.75, rel=1e-3)
