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
from ilrobot.control.contract_parts import PolicyFrame
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
from ilrobot.policies.loading import load_policy
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual import with_residual
from ilrobot.rollout import rollout
from ilrobot.spec import Spec
from tests.exhaustive import thinned
from tests.ilrobot.learning import planar_world
from tests.ilrobot.learning.train_verb import run_train


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


@pytest.mark.parametrize("seeds", thinned([1, 3], [1]))
def test_few_demonstrations_teach_all_directions_in_a_frame_only(seeds, tmp_path):
    """Three demonstrations go three ways; over the seeds the margin is at least 30 of 100."""
    data = _demonstrations(3)
    assert data.spec.task_frame == ("hand", "goal")
    short = TrainConfig(steps=300, batch_size=32, held_out=0, patience=0, warmup=10, device="cpu")
    found = {(): [], data.spec.task_frame: []}
    for frame, successes in found.items():
        for seed in range(seeds):
            training = replace(short, seed=seed)
            folder = tmp_path / f"{len(frame)}-{seed}"
            successes.append(_success(train(data, replace(SMALL, frame=frame), training, folder)))
    plain, framed = found.values()
    assert min(framed) >= 0.9
    assert np.mean(framed) - np.mean(plain) >= 0.3


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(SMALL, marks=pytest.mark.exhaustive),
        replace(SMALL, n_obs=2, horizon=4, execute=2, head="flow", sampler_steps=2),
        replace(SMALL, n_obs=2, horizon=4, execute=2, members=3),
        pytest.param(
            replace(SMALL, n_obs=2, network="rnn", layers=1, head="mixture"),
            marks=pytest.mark.exhaustive,
        ),
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
    exported = OnnxPolicy(tmp_path / "policy.onnx")
    assert exported.verify() == 0
    assert exported.contract.policy_frame == PolicyFrame("hand", "goal", ("dx", "dy"))


def test_the_training_range_and_what_never_moved_are_along_the_axes_of_the_base():
    data = _demonstrations(3)
    policy = Policy(data.spec, replace(SMALL, frame=data.spec.task_frame))
    policy.fit_normalizers(Windows(data, n_obs=1, horizon=1))
    low, high = policy.training_range["action"]
    actions = data.column("action")
    np.testing.assert_allclose(low, actions.min(axis=0))
    np.testing.assert_allclose(high, actions.max(axis=0))
    assert policy.frozen["action"] == ["gripper_opening"]


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


def test_what_a_task_states_is_recorded_with_its_demonstrations():
    with closing(make_env("ilrobot/PandaPush-v0")) as env:
        assert env.spec.task_frame == ("cube", "goal")
        assert Spec.from_json(env.spec.to_json()).task_frame == ("cube", "goal")
        assert replace(env.spec, task_frame=()) == env.spec
