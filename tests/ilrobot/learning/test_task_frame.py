"""Policies in a frame of the task's own: told the same wherever the task lies, and acting alike."""

import math
from contextlib import closing
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

import sims  # noqa: F401 (registers our tasks)
from exports.real_data import observation_windows, taught_actions
from exports.runtime.session import OnnxPolicy
from exports.to_onnx import export_policy
from ilrobot.data.episode import Episode, MemoryRecorder
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.windows import Windows
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.reinforcement.rollout_actor import RolloutActor
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.density import PolicyDensity, as_gaussian, log_density, new_policy
from ilrobot.policies.directions import level_directions, level_motions, level_turns
from ilrobot.policies.loading import load_policy
from ilrobot.policies.normalize import Normalizer
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual import with_residual
from ilrobot.policies.task_frame import FramedActions, FrameView
from ilrobot.rollout import rollout
from ilrobot.spec import Feature, Spec
from tests.ilrobot.learning import planar_world
from tests.ilrobot.learning.train_verb import run_train

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


def _demonstrations(count):
    with closing(make_env(planar_world.TASK)) as env:
        recorder = MemoryRecorder(env.spec)
        for seed in range(count):
            rollout(env, planar_world.Expert(), seed=seed, recorder=recorder)
        return MemoryRecordings(env.spec, recorder.episodes)


def _success(policy):
    with closing(make_env(planar_world.TASK)) as env:
        actor = policy.actor()
        return sum(rollout(env, actor, seed=1_000 + k).success for k in range(50)) / 50


SMALL = PolicyConfig(width=32, blocks=1)


def test_few_demonstrations_teach_all_directions_in_a_frame_only(tmp_path):
    """Three demonstrations go three ways; over three seeds the margin is at least 30 of 100."""
    data = _demonstrations(3)
    assert data.spec.task_frame == ("hand", "goal")
    short = TrainConfig(steps=300, batch_size=32, held_out=0, patience=0, warmup=10, device="cpu")
    found = {(): [], data.spec.task_frame: []}
    for frame, successes in found.items():
        for seed in range(3):
            training = replace(short, seed=seed)
            folder = tmp_path / f"{len(frame)}-{seed}"
            successes.append(_success(train(data, replace(SMALL, frame=frame), training, folder)))
    plain, framed = found.values()
    assert min(framed) >= 0.9
    assert np.mean(framed) - np.mean(plain) >= 0.3


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        replace(SMALL, n_obs=2, horizon=4, execute=2, head="flow", sampler_steps=2),
        replace(SMALL, n_obs=2, horizon=4, execute=2, members=3),
        replace(SMALL, n_obs=2, network="rnn", layers=1, head="mixture"),
    ],
    ids=["single", "flow", "members", "rnn"],
)
def test_a_policy_in_a_frame_is_the_same_from_its_files(config, tmp_path):
    data = _demonstrations(3)
    config = replace(config, frame=data.spec.task_frame)
    torch.manual_seed(0)
    policy = Policy(data.spec, config).eval()
    policy.fit_normalizers(Windows(data, n_obs=config.n_obs, horizon=config.horizon))
    windows = observation_windows(data, policy.spec, config.n_obs, 20)
    policy.save(tmp_path / "policy.pt")
    loaded = Policy.load(tmp_path / "policy.pt")
    assert loaded.config == config
    tensors = {name: torch.from_numpy(values) for name, values in windows.items()}
    shape = policy.noise_shape
    noise = None if shape is None else torch.randn(len(next(iter(tensors.values()))), *shape)
    assert torch.equal(loaded(tensors, noise), policy(tensors, noise))
    chunk = policy(tensors, noise)
    codes = policy.represent(chunk, tensors)
    torch.testing.assert_close(policy.decode(codes, tensors), chunk, rtol=1e-4, atol=1e-5)
    done = export_policy(
        policy,
        tmp_path / "policy.onnx",
        windows=windows,
        actions=taught_actions(data),
        data_hash="d" * 16,
    )
    assert done.parity.relative <= 1e-5
    assert OnnxPolicy(tmp_path / "policy.onnx").verify() == 0


def test_the_training_range_and_what_never_moved_are_along_the_axes_of_the_base():
    data = _demonstrations(3)
    policy = Policy(data.spec, replace(SMALL, frame=data.spec.task_frame))
    policy.fit_normalizers(Windows(data, n_obs=1, horizon=1))
    low, high = policy.training_range["action"]
    actions = data.column("action")
    np.testing.assert_allclose(low, actions.min(axis=0))
    np.testing.assert_allclose(high, actions.max(axis=0))
    assert policy.frozen["action"] == ["gripper_opening"]


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


def _clone(**changes):
    data = _demonstrations(3)
    torch.manual_seed(0)
    clone = Policy(data.spec, replace(SMALL, frame=data.spec.task_frame, **changes)).eval()
    clone.fit_normalizers(Windows(data, n_obs=1, horizon=1))
    return clone


def test_the_density_of_an_action_is_that_of_its_code():
    policy = as_gaussian(_clone(), -1.0)
    density = PolicyDensity(policy)
    seen = torch.tensor([[0.1, -0.2, 0.5, 0.6]])
    mean, log_std = density.distribution(seen)
    drawn = mean + 0.1
    physical = density.physical(drawn, seen)
    torch.testing.assert_close(density.normalize(physical, seen)[:, :2], drawn[:, :2])
    stretch = torch.func.jacrev(lambda a: density.physical(a, seen)[0, :2])(drawn)[:, 0, :2]
    wanted = density.log_normalized(drawn, mean, log_std) - stretch.det().abs().log()
    torch.testing.assert_close(log_density(policy, seen, physical), wanted)
    for side, sign in zip(density.limits(), (-1, 1), strict=True):
        corner = torch.full((1, 3), sign * math.hypot(0.1, 0.1))
        torch.testing.assert_close(side[:2], policy.action_normalizer(corner)[0, :2])
    with pytest.raises(UserError, match="begin with a clone in one"):
        new_policy(policy.spec, policy.config, -1.0)


def test_what_tries_it_beside_the_task_acts_in_the_frame():
    policy = as_gaussian(_clone(), -1.0)
    noise = np.random.default_rng(0).standard_normal((3, 2, 3)).astype(np.float32)
    with closing(TaskVectorEnv(partial(make_env, planar_world.TASK), 2, seed=3)) as env:
        actor = RolloutActor(policy, env.limits, at_random=False)
        played = env.play(actor, env.reset(), noise)
    seen = torch.from_numpy(played.observations[1])
    wanted = PolicyDensity(policy).physical(torch.from_numpy(played.drawn[1]), seen)
    np.testing.assert_allclose(played.executed[1], wanted.detach().numpy(), atol=1e-6)


def test_a_residual_is_added_along_the_way():
    clone = _clone()
    sum_ = with_residual(clone, bound=0.05, frame=clone.config.frame)
    seen = {"observation.state": torch.tensor([[[0.0, 0.0, 0.3, 0.4]]])}
    with torch.no_grad():
        sum_.head.network[-1].weight.zero_()
        sum_.head.network[-1].bias[0] = 9.0
    added = (sum_(seen) - clone(seen))[0, 0, :2].detach()
    assert added[0] / added[1] == pytest.approx(0.75, rel=1e-3)


def test_train_takes_the_frame_that_was_recorded_another_or_none(tmp_path, capsys):
    data = _demonstrations(2)
    write_episodes(tmp_path / "data", data.spec, _episodes(data))
    common = ("--dataset", tmp_path / "data", "--policy", "bc", "--steps", "2", "--width", "16")
    for frame, wanted in (
        ((), ("hand", "goal")),
        (("--frame", "none"), ()),
        (("--frame", "goal:hand"), ("goal", "hand")),
    ):
        output = tmp_path / f"run{len(frame)}{len(wanted)}"
        assert run_train(*common, "--output", output, *frame) == 0
        said = capsys.readouterr().out
        assert (f"frame      from {' towards '.join(wanted)}" in said) == bool(wanted)
        assert load_policy(output).config.frame == wanted
    for frame, line in (
        ("goal", "from one thing towards another, such as cube:goal, not 'goal'"),
        ("hand:lid", "the frame hand:lid cannot be told"),
    ):
        assert run_train(*common, "--output", tmp_path / "no", "--frame", frame) == 2
        assert line in capsys.readouterr().err.replace("\n", " ")
        assert not (tmp_path / "no").exists()


def _episodes(data):
    for number, (start, end) in enumerate(zip(data.starts[:-1], data.starts[1:], strict=True)):
        names = (*data.spec.observation_names, "action")
        columns = {name: data.column(name)[start:end] for name in names}
        yield Episode(data.infos[number], columns)


def test_a_residual_beside_targets_is_turned_by_itself():
    names = ("wall_x", "wall_y", "goal_x", "goal_y")
    target = Feature("action", (2,), names=("target_x", "target_y"), units=("m", "m"))
    frame = ("goal", "wall")
    spec = _with(names, action=target, semantics="absolute", task_frame=frame)
    clone = Policy(spec, replace(SMALL, frame=frame)).eval()
    assert clone.framed is not None
    assert not clone.framed.pairs
    sum_ = with_residual(clone, bound=0.05, frame=frame)
    seen = {"observation.state": torch.tensor([[[0.3, 0.4, 0.0, 0.0]]])}
    with torch.no_grad():
        sum_.head.network[-1].weight.zero_()
        sum_.head.network[-1].bias[0] = 9.0
        added = (sum_(seen) - clone(seen))[0, 0]
    assert added[0] / added[1] == pytest.approx(0.75, rel=1e-3)


def test_what_a_task_states_is_recorded_with_its_demonstrations():
    with closing(make_env("ilrobot/PandaPush-v0")) as env:
        assert env.spec.task_frame == ("cube", "goal")
        assert Spec.from_json(env.spec.to_json()).task_frame == ("cube", "goal")
        assert replace(env.spec, task_frame=()) == env.spec
