"""Policies that read and command rotations: in codes and back, and past half a turn."""

import math
from dataclasses import replace
from typing import ClassVar

import gymnasium as gym
import numpy as np
import pytest
import torch

from ilrobot.commanded import commanded, commanded_rotations
from ilrobot.data.windows import Windows
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.offline.iql import IqlMethod
from ilrobot.learners.offline.train import offline_config, offline_policy, train_offline
from ilrobot.learners.validation import sampling_error
from ilrobot.policies.action_rotations import ActionRotations
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.density import new_policy
from ilrobot.policies.policy import Policy
from ilrobot.policies.rotations import matrices
from tests.exhaustive import thinned
from tests.ilrobot.learning.rotating import posed, poses
from tests.ilrobot.learning.test_rotations import UNITS, stated, turn
from tests.ilrobot.policy_tester import check_policy

SMALL = PolicyConfig(n_obs=2, horizon=4, execute=2, width=16, blocks=1, sampler_steps=3)
#: Where the real part stands among the elements of `posed`.
_REAL = {"quat_wxyz": 1, "quat_xyzw": 4}


def test_a_rotation_commands_what_is_observed_as_a_whole():
    spec = posed("rotvec")
    assert commanded(spec) == (0, 1, 2, 3, None)
    names = ("target_x", "target_r0", "target_r1", "other", "grip")
    assert commanded(replace(spec, action=replace(spec.action, names=names))) == (0, *[None] * 4)
    swapped = ("target_x", "target_r1", "target_r0", "target_r2", "grip")
    assert commanded(replace(spec, action=replace(spec.action, names=swapped))) == (0, *[None] * 4)


def _seen_otherwise(spec, unit, *, begins="tool_q", frame=""):
    """The same task, whose rotation is observed in another unit than it is commanded in."""
    size = 3 if unit == "rotvec" else 4
    names = ("x", *(f"{begins}{i}" for i in range(size)))
    state = replace(spec.observations[0], shape=(1 + size,), names=names, frame=frame)
    return replace(spec, observations=(replace(state, units=("m", *[unit] * size)),))


def test_a_rotation_observed_in_another_unit_is_told_by_how_its_names_begin():
    spec = posed("rotvec")
    told = ("target_x", "target_tool_rx", "target_tool_ry", "target_tool_rz", "grip")
    tool = replace(spec, action=replace(spec.action, names=told))
    plain = replace(spec, action=replace(spec.action, names=("x", "rx", "ry", "rz", "grip")))
    seen = ((1, "quat_wxyz"),)
    for begins in ("tool_q", "tool_quat_", "agent_tool_q", "tool.orientation_"):
        assert commanded_rotations(_seen_otherwise(tool, "quat_wxyz", begins=begins)) == seen
    assert commanded_rotations(_seen_otherwise(plain, "quat_wxyz", begins="q")) == seen
    assert commanded_rotations(posed("rotvec")) == ((1, "rotvec"),)
    for begins in ("cube_q", "", "q", "tool2_q"):
        assert commanded_rotations(_seen_otherwise(tool, "quat_wxyz", begins=begins)) == (None,)
    once = _seen_otherwise(tool, "quat_wxyz")
    twice = replace(
        once, observations=(*once.observations, replace(once.observations[0], name="b"))
    )
    assert commanded_rotations(twice) == (None,)
    framed = replace(tool, action=replace(tool.action, frame="base"))
    assert commanded_rotations(_seen_otherwise(framed, "quat_wxyz", frame="tool")) == (None,)
    alone = replace(tool.action, names=("a", *told[1:4], "grip"))
    PolicyConfig(actions="relative").check(
        _seen_otherwise(replace(tool, action=alone), "quat_xyzw")
    )


@pytest.mark.parametrize("actions", ["absolute", "relative", "delta"])
@pytest.mark.parametrize(("unit", "other"), [("rotvec", "quat_xyzw"), ("quat_wxyz", "rotvec")])
def test_ways_to_go_from_what_is_observed_in_another_unit(unit, other, actions):
    spec, same = _seen_otherwise(posed(unit), other, begins="r"), posed(unit)
    named = replace(same.action, names=("target_x", *(f"target_r{i}" for i in range(4)), "grip"))
    if unit != "rotvec":
        spec = replace(spec, action=named)
    assert commanded_rotations(spec) == ((1, other),)
    rng = np.random.default_rng(0)
    turned = [(rng.normal(size=3), angle) for angle in rng.uniform(0, math.pi, 6)]
    chunk = torch.tensor(np.array([[0.3, *stated(a, t, unit), 0.5] for a, t in turned[1:]]))[None]
    seen, as_commanded = (torch.tensor([[0.1, *stated(*turned[0], u)]]) for u in (other, unit))
    mixed, alike = ActionRotations(spec, actions), ActionRotations(same, actions)
    codes = mixed.encode(chunk, seen)
    torch.testing.assert_close(codes, alike.encode(chunk, as_commanded))
    torch.testing.assert_close(mixed.decode(codes, seen), alike.decode(codes, as_commanded))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("actions", ["absolute", "relative", "delta"])
def test_codes_are_six_numbers_of_each_rotation_and_lead_back(unit, actions):
    spec = posed(unit)
    rng = np.random.default_rng(0)
    end = 1 + len(stated([1, 0, 0], 1, unit))
    axes, angles = rng.normal(size=(3, 5, 3)), rng.uniform(0, math.pi, (3, 5))
    turned = np.array([[turn(axes[b, k], angles[b, k]) for k in range(5)] for b in range(3)])
    given = rng.normal(size=(3, 5, end + 1))
    for b in range(3):
        for k in range(5):
            given[b, k, 1:end] = stated(axes[b, k], angles[b, k], unit)
    observed, chunk = torch.from_numpy(given[:, 0, :end]), torch.from_numpy(given[:, 1:])
    rotations = ActionRotations(spec, actions)
    codes = rotations.encode(chunk, observed)
    assert codes.shape == (3, 4, rotations.size) == (3, 4, 8)
    assert codes[..., :2].equal(chunk[..., [0, end]])
    for b in range(3):
        for k in range(1, 5):
            start = {"absolute": np.eye(3), "relative": turned[b, 0], "delta": turned[b, k - 1]}
            way = start[actions].T @ turned[b, k]
            np.testing.assert_allclose(codes[b, k - 1, 2:], way[:, :2].T.reshape(6), atol=1e-9)

    back = rotations.decode(codes.expand(2, 3, 4, 8), observed)
    assert back.shape == (2, 3, 4, end + 1)
    torch.testing.assert_close(back[0], back[1])
    torch.testing.assert_close(matrices(back[0, ..., 1:end], unit), torch.from_numpy(turned[:, 1:]))
    torch.testing.assert_close(rotations.nearest(back[0], chunk), chunk)
    if unit != "rotvec":
        every = torch.cat([observed[:, None, 1:], back[0, ..., 1:end]], dim=1)
        assert ((every[:, 1:] * every[:, :-1]).sum(dim=-1) >= 0).all()


@pytest.mark.parametrize("unit", UNITS)
def test_the_answer_nearest_to_what_is_observed_is_given(unit):
    rotations = ActionRotations(posed(unit), "absolute")
    end = 1 + len(stated([1, 0, 0], 1, unit))
    for sign in (1, -1):  # seen just before half a turn from either side
        seen, wanted = (
            torch.tensor([[0.0, *stated([0, 0, sign], angle, unit), 0.5]])
            for angle in (math.pi - 0.1, math.pi + 0.1)
        )
        codes = rotations.encode(wanted[None], seen)
        torch.testing.assert_close(rotations.decode(codes, seen[:, :end])[0], wanted)
    steps = ActionRotations(replace(posed(unit), semantics="delta"), "absolute")
    given = steps.decode(codes, seen[:, :end])[0]  # a step is compared with no turn
    assert given[0, 1:4].norm() < 3.2 if unit == "rotvec" else given[0, _REAL[unit]] > 0


@pytest.mark.parametrize(
    ("unit", "actions", "head", "members"),
    [
        ("quat_xyzw", "absolute", "mse", 1),
        ("rotvec", "relative", "bins", 3),
        ("rotvec", "absolute", "diffusion", 1),
        ("quat_xyzw", "delta", "diffusion", 1),
    ],
)
def test_every_kind_of_policy_with_rotations_is_a_policy(unit, actions, head, members, tmp_path):
    config = replace(SMALL, head=head, members=members, actions=actions)
    check_policy(config, posed(unit), tmp_path, poses(unit))


@pytest.mark.parametrize("actions", ["absolute", "relative", "delta"])
def test_what_the_policy_states_is_of_physical_actions(actions):
    data = poses("quat_wxyz")
    windows = Windows(data, n_obs=2, horizon=4)
    policy = Policy(data.spec, replace(SMALL, actions=actions))
    policy.fit_normalizers(windows)
    low, high = policy.training_range["action"]
    np.testing.assert_array_equal(low, data.column("action").min(axis=0))
    np.testing.assert_array_equal(high, data.column("action").max(axis=0))
    assert policy.encoder.size == 2 * (1 + 6)
    assert policy.frozen == {"action": ["grip"]}
    batch = windows.take(torch.arange(len(windows)))
    codes = policy.represent(batch.actions, batch.observations)
    assert codes.shape == (len(windows), 4, 8)
    decoded = policy.decode(codes, batch.observations)
    # What lies beyond an episode's end did not teach what is constant.
    given, taught = decoded[batch.mask], batch.actions[batch.mask]
    one, other = (matrices(values[:, 1:5], "quat_wxyz") for values in (given, taught))
    torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
    torch.testing.assert_close(given[:, 0], taught[:, 0], atol=1e-4, rtol=0)


def test_a_rotation_that_stood_still_is_frozen_as_a_whole():
    data = poses("rotvec")
    data.column("action")[:, 1:4] = (0.1, 0.2, 0.3)
    policy = Policy(data.spec, replace(SMALL, horizon=1, execute=1))
    policy.fit_normalizers(Windows(data, n_obs=2, horizon=1))
    assert policy.frozen == {"action": ["target_r0", "target_r1", "target_r2", "grip"]}


@pytest.mark.parametrize(
    ("unit", "actions"),
    thinned(
        [("rotvec", "absolute"), ("quat_wxyz", "absolute"), ("quat_wxyz", "relative")],
        [("rotvec", "absolute"), ("quat_wxyz", "relative")],
    ),
)
def test_what_turns_past_half_a_turn_is_learnt_without_a_jump(unit, actions, tmp_path):
    """Turn on by 0.2 rad from wherever you are; taught, as arms report it, within half a turn."""
    config = TrainConfig(steps=300, warmup=10, learning_rate=3e-3, patience=0, device="cpu")
    one = replace(SMALL, n_obs=1, horizon=3, execute=1, width=64, actions=actions)
    data = poses(unit, about=(0.0, 0.0, 1.0))
    plain = replace(data.spec, observations=(_plain(data.spec.observations[0]),))
    plain = replace(plain, action=_plain(data.spec.action))
    worst = {}
    for name, spec in (("six", data.spec), ("numbers", plain)):
        if name == "numbers" and actions != "absolute":
            continue
        data.spec = spec
        policy = train(data, one, config, tmp_path / name)
        errors, steps = [], []
        for angle in np.linspace(math.pi - 0.4, math.pi + 0.4, 9):
            within = angle - 2 * math.pi * (angle > math.pi)
            seen = [0.0, *stated([0, 0, 1], within, unit)]
            with torch.no_grad():
                chunk = policy({"observation.state": torch.tensor([[seen]]).float()})[0]
            values = chunk[:, 1:-1]
            wanted = np.stack([turn([0, 0, 1], angle + 0.2 * k) for k in (1, 2, 3)])
            errors.append(np.abs(matrices(values, unit).numpy() - wanted).max())
            steps += [float((values[0] - torch.tensor(seen[1:])).abs().max())]
            steps += values.diff(dim=0).abs().max(dim=1).values.tolist()
        worst[name] = max(errors), max(steps)
        if name == "six":
            assert sampling_error(policy, Windows(data, n_obs=1, horizon=3)) < 0.1
    assert worst["six"][0] < 0.15
    assert worst["six"][1] < 0.4
    if "numbers" in worst:
        assert worst["numbers"][0] > 0.5


def test_rotations_of_an_environment_are_stated_whole(monkeypatch):
    class Turning(gym.Env):
        observation_space = gym.spaces.Box(-1, 1, (4,), np.float32)
        action_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        feature_metadata: ClassVar = {"state": {"units": ["m", "rotvec", "rotvec", "m"]}}

    gym.register("Turning-v0", Turning)
    with pytest.raises(UserError, match="2 elements in a row of unit 'rotvec', of which 3 are a"):
        make_env("Turning-v0")


def test_learners_that_know_the_numbers_only_refuse_rotations(tmp_path):
    data, method = poses("rotvec"), IqlMethod()
    with pytest.raises(UserError, match="--learner iql cannot learn actions with rotations yet"):
        train_offline(data, method, offline_policy(method), offline_config(), tmp_path / "run")
    with pytest.raises(UserError, match="cannot learn actions with rotations yet"):
        new_policy(data.spec, PolicyConfig(head="gaussian"), -1.0)


def _plain(feature):
    return replace(feature, units=("m",) * feature.size)
