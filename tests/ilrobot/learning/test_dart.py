"""DART's noise: the covariance of known errors, on held-out episodes, scaled as the paper says."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.atomic import write_json
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.labels import held_out_places, labels, split_episodes
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import data_used, train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.interactive.dart import (
    anticipated,
    error_covariance,
    fit_noise,
    held_out_episodes,
)
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.run import Run
from ilrobot.run_description import TrainDescription
from ilrobot.spec import Feature, Spec
from ilrobot.typed_json import dump

SPEC = Spec((Feature("observation.state", (2,)),), Feature("action", (2,)), 10.0)
COVARIANCE = np.array([[0.5, 0.2], [0.2, 0.3]])


def _episodes(count, length=40, seed=0):
    """The supervisor's action is the state; a policy that always does 0 errs by minus that."""
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(COVARIANCE)
    return [
        Episode(
            EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS),
            {
                "observation.state": (s := (rng.standard_normal((length, 2)) @ root.T)).astype(
                    "f4"
                ),
                "action": s.astype("f4"),
            },
        )
        for _ in range(count)
    ]


class _Zero(torch.nn.Module):
    noise_shape = rotations = None
    config = PolicyConfig()

    def forward(self, observations, noise=None):
        return torch.zeros(len(observations["observation.state"]), 1, 2)


def test_known_errors_give_their_covariance():
    data = MemoryRecordings(SPEC, _episodes(100, length=200))
    found = error_covariance(data, _Zero(), range(100), seed=0)
    assert found == pytest.approx(COVARIANCE, abs=0.02)
    actions = data.column("action").astype(np.float64)
    assert found == pytest.approx(actions.T @ actions / len(actions), rel=1e-6)


@pytest.mark.parametrize("turns", [0, 1])
def test_a_rotation_is_compared_with_the_nearest_of_its_equal_answers(turns):
    """The label may be the same rotation by a vector a whole turn away."""
    unit, limits = ("rotvec",) * 3, (2 * np.pi,) * 3
    names = tuple(f"r{axis}" for axis in "xyz")
    spec = Spec(
        (Feature("observation.state", (3,), names=names, units=unit),),
        Feature("action", (3,), "float32", names, unit, tuple(-x for x in limits), limits),
        10.0,
        semantics="absolute",
    )
    state = np.zeros((50, 3), np.float32)
    state[:, 0] = np.pi - 0.05
    wanted = state + np.array([0.02 - 2 * np.pi * turns, 0.0, 0.0], np.float32)
    columns = {"observation.state": state, "action": wanted}
    info = EpisodeInfo("t", 10.0, outcome=Outcome.SUCCESS)
    data = MemoryRecordings(spec, [Episode(info, columns)])
    torch.manual_seed(0)
    policy = Policy(spec, PolicyConfig(width=16, blocks=1))
    policy.fit_normalizers(Windows(data, n_obs=1, horizon=1))
    assert np.sqrt(error_covariance(data, policy, [0], seed=0).max()) < 0.5


def test_an_angle_is_compared_by_the_shorter_way():
    """A policy that always says 0.1 rad, and a label that says so a turn further on."""
    spec = replace(SPEC, action=replace(SPEC.action, units=("m", "rad")))
    (episode,) = _episodes(1)
    episode.columns["action"][:] = [0.5, 2 * np.pi + 0.1]
    found = error_covariance(MemoryRecordings(spec, [episode]), _Zero(), [0], seed=0)
    assert found == pytest.approx(np.array([[0.25, 0.05], [0.05, 0.01]]), abs=1e-5)


def test_a_constant_error_counts_whole():
    """About 0 and not about its mean: the robot errs so, whether or not it always does."""
    (episode,) = _episodes(1)
    episode.columns["action"][:] = [1.0, -2.0]
    found = error_covariance(MemoryRecordings(SPEC, [episode]), _Zero(), [0], seed=0)
    assert found == pytest.approx(np.array([[1.0, -2.0], [-2.0, 4.0]]))


def test_the_scaled_noise_keeps_its_shape_and_has_the_error_that_is_expected():
    scaled = anticipated(COVARIANCE, alpha=3.0, ticks=50)
    assert 50 * np.trace(scaled) == pytest.approx(3.0)
    assert scaled / np.trace(scaled) == pytest.approx(COVARIANCE / np.trace(COVARIANCE))
    assert not anticipated(np.zeros((2, 2)), alpha=3.0, ticks=50).any()
    with pytest.raises(UserError, match="must be positive, not 0"):
        anticipated(COVARIANCE, alpha=0.0, ticks=50)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("dart") / "run"
    config = TrainConfig(steps=3, held_out=0.3, seed=4, batch_size=8)
    train(MemoryRecordings(SPEC, _episodes(6)), PolicyConfig(width=8, blocks=1), config, path)
    return path


def test_only_what_the_policy_was_not_trained_on_counts(run):
    data = MemoryRecordings(SPEC, _episodes(6))
    _, kept = split_episodes(data, labels(data)[0], 0.3, 4)
    assert held_out_episodes(data, run).tolist() == kept.tolist()
    grown = MemoryRecordings(SPEC, _episodes(8))
    assert held_out_episodes(grown, run).tolist() == [*kept.tolist(), 6, 7]


def test_of_what_raft_cloned_its_last_round_says_what_was_held_out(run, tmp_path):
    """Its attempts came after the demonstrations, so that fewer of these may be held out."""
    shutil.copytree(run, tmp_path / "raft")
    demonstrations = MemoryRecordings(SPEC, _episodes(2))
    known = Run.read_as(run, TrainDescription).description
    changes = {"learner": "raft", "settings": {"rounds": 1}}
    tried = replace(known, dataset=data_used(demonstrations), **changes)
    tried = replace(tried, config=replace(tried.config, train=TrainConfig(steps=4)))
    write_json(tmp_path / "raft" / "run.json", dump(tried))
    shutil.copytree(run, tmp_path / "raft" / "round-1")
    assert held_out_places(2, 0.3, 4).any()
    with pytest.raises(UserError, match="trained on every demonstration"):
        held_out_episodes(demonstrations, tmp_path / "raft")
    assert held_out_episodes(MemoryRecordings(SPEC, _episodes(3)), tmp_path / "raft").tolist() == [
        2
    ]


def test_the_noise_depends_on_dataset_policy_and_seed_alone(run):
    data = MemoryRecordings(SPEC, _episodes(6))
    first, again = fit_noise(data, run), fit_noise(data, run)
    assert np.array_equal(first, again)
    scaled = fit_noise(data, run, alpha=2.0)
    assert 40 * np.trace(scaled) == pytest.approx(2.0)


def test_a_diffusion_policy_is_sampled_by_the_seed():
    data = MemoryRecordings(SPEC, _episodes(2))
    torch.manual_seed(0)
    config = PolicyConfig(head="diffusion", width=8, blocks=1, horizon=4, sampler_steps=2)
    policy = Policy(SPEC, config)
    first, again, other = (error_covariance(data, policy, [0, 1], seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_has_no_errors_to_learn_from_is_refused(tmp_path):
    config = TrainConfig(steps=1, held_out=0.0, batch_size=8)
    data = MemoryRecordings(SPEC, _episodes(2))
    train(data, PolicyConfig(width=8, blocks=1), config, tmp_path / "run")
    with pytest.raises(UserError, match="trained on every demonstration"):
        fit_noise(data, tmp_path / "run")
    choices = Spec((), Feature("action", (), dtype="int64"), rate=10.0, choices=4)
    with pytest.raises(UserError, match="choices"):
        error_covariance(MemoryRecordings(choices, []), _Zero(), [], seed=0)
