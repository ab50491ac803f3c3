"""What ``ilrobot advise`` measures on a dataset, with known answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from ilrobot.advice.coverage import Coverage
from ilrobot.advice.evidence import Evidence
from ilrobot.advice.facts import Facts
from ilrobot.advice.frames import CHUNK, Frames
from ilrobot.advice.modes import Modes, Split, luck
from ilrobot.advice.neighbours import Neighbours
from ilrobot.cli.people import scripted_expert
from ilrobot.data.episode import Episode, EpisodeInfo, MemoryRecorder, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.policies.rotations import matrices, six
from ilrobot.rollout import rollout
from ilrobot.rotation_units import ROTATION_UNITS
from ilrobot.spec import Feature
from tests.ilrobot.advised import SIMULATOR, SPEC, made


def demonstrations(task: str, count: int) -> MemoryRecordings:
    env = make_env(task)
    recorder, expert = MemoryRecorder(env.spec), scripted_expert(env)
    for seed in range(count):
        rollout(env, expert, seed=seed, recorder=recorder)
    return MemoryRecordings(env.spec, recorder.episodes)


def modes_of(data: MemoryRecordings) -> Modes:
    frames = Frames.of(data)
    found = Modes.of(frames, Neighbours.of(frames))
    assert found is not None
    return found


def test_the_junction_has_two_modes_before_the_obstacle_and_a_path_has_one():
    junction = modes_of(demonstrations("ilrobot/Junction-v0", 16))
    assert junction.several
    assert junction.gain_low > 0
    assert 0.1 < junction.begin < junction.end < 0.8
    path = modes_of(demonstrations("ilrobot/PointPath-v0", 12))
    assert not path.several
    assert path.share < 0.01
    assert path.explained > 0.99


@pytest.mark.parametrize("noise", [0.0, 0.3, 2.0])
def test_noise_is_not_taken_for_two_modes(noise: float):
    assert not modes_of(made(noise=noise)).several


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_two_sides_are_found_where_they_are(noise: float):
    found = modes_of(made(noise=noise, sides=True))
    assert found.several
    assert 0.2 < found.share < 0.85  # over half of the way, and the chunks that lead into it
    assert found.begin > 0.2


def test_a_side_that_the_observation_shows_is_one_mode():
    data = made(sides=True)
    side = np.repeat(np.arange(20) % 2 * 2 - 1, 40)
    data._columns["observation.state"][:, 1] = side
    assert not modes_of(data).several


def test_chance_splits_a_gaussian_as_often_as_was_said():
    values = np.random.default_rng(7).normal(size=(5_000, 12))
    share = (Split.best(values).unlike <= luck(12)).mean()
    assert share == pytest.approx(0.01, abs=0.006)


def test_two_gaussians_are_likelier_for_what_lies_in_one_of_two_groups():
    groups = np.array([[-1.0, -1.1, -0.9, -1.0, 1.0, 1.1, 0.9, 1.0]])
    split = Split.best(groups)
    assert split.left == pytest.approx(-1.0)
    assert split.right == pytest.approx(1.0)
    assert split.gain(np.array([1.0])) > 1
    assert split.gain(np.array([0.0])) < -1


def test_coverage_counts_ticks_and_pauses():
    def line(offset: float, pause: int = 0) -> Episode:
        x = np.concatenate([np.zeros(pause), np.arange(30)])
        state = np.stack([x, np.full(len(x), offset)], axis=1).astype(np.float32)
        return Episode(
            EpisodeInfo("line", 10.0, outcome=Outcome.UNKNOWN),
            {"observation.state": state, "action": x[:, None].astype(np.float32)},
        )

    def coverage(*episodes: Episode) -> Coverage:
        frames = Frames.of(MemoryRecordings(SPEC, episodes))
        found = Coverage.of(frames, Neighbours.of(frames))
        assert found is not None
        return found

    near, far = (coverage(*(line(i * d) for i in range(4))) for d in (1.0, 1.0))
    assert near == far  # only the shape counts: every element is scaled
    assert near.gap == pytest.approx(near.gap_95)
    assert near.gap_with_half > near.gap
    assert near.pauses == 0
    assert coverage(*(line(i, pause=30) for i in range(4))).pauses == pytest.approx(0.5, abs=0.1)


def test_coverage_grows_with_the_episodes():
    def gap(count: int) -> float:
        frames = Frames.of(demonstrations("ilrobot/PointPath-v0", count))
        found = Coverage.of(frames, Neighbours.of(frames))
        assert found is not None
        return found.gap

    assert gap(12) < gap(3)


def test_frames_keep_to_episodes_and_leave_out_what_says_nothing():
    data = made(3, ticks=20)
    data._columns["observation.state"][:, 1] = 4.0
    data._columns["action"][5] = np.nan
    frames = Frames.of(data)
    assert frames.observations.shape[1] == 1
    assert len(frames) == 3 * (20 - CHUNK + 1) - 6
    assert frames.observations.std(axis=0) == pytest.approx(1, abs=0.4)
    whole = frames.next_row >= 0
    np.testing.assert_array_equal(frames.episode[frames.next_row[whole]], frames.episode[whole])


def test_an_angle_that_wraps_is_near_itself():
    feature = Feature("observation.state", (2,), units=("rad", "m"))
    spec = replace(SPEC, observations=(feature,))
    data = made(3, spec=spec)
    turned = MemoryRecordings(spec, [])
    turned.__dict__.update(vars(data))
    turned._columns = {k: v.copy() for k, v in data._columns.items()}
    turned._columns["observation.state"][:, 0] += np.float32(2 * np.pi)
    one, other = Frames.of(data), Frames.of(turned)
    np.testing.assert_allclose(one.observations, other.observations, atol=1e-5)


@pytest.mark.parametrize("unit", ["rotvec", "quat_wxyz", "quat_xyzw"])
def test_a_rotation_is_near_itself_however_it_is_written(unit: str):
    size = ROTATION_UNITS[unit]
    turns = np.random.default_rng(0).normal(size=(3, 20, size)).astype(np.float32)
    spec = replace(
        SPEC, observations=(Feature("observation.state", (size,), units=(unit,) * size),)
    )

    def other(values: np.ndarray) -> np.ndarray:
        if unit != "rotvec":
            return -2 * values
        length = np.linalg.norm(values, axis=1, keepdims=True)
        return (values * (1 - 2 * np.pi / length)).astype(np.float32)

    def seen(written: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        action = np.arange(20, dtype=np.float32)[:, None]
        info = EpisodeInfo("turn", 10.0)
        episodes = [
            Episode(info, {"observation.state": written(part), "action": action}) for part in turns
        ]
        return Frames.of(MemoryRecordings(spec, episodes)).observations

    found = seen(lambda values: values)
    np.testing.assert_allclose(seen(other), found, atol=1e-4)
    assert found.shape[1] == 6
    matrix = six(matrices(torch.from_numpy(turns.reshape(-1, size)), unit)).numpy()
    scaled = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    ticks = np.arange(60) % 20 <= 20 - CHUNK
    np.testing.assert_allclose(found, scaled[ticks], atol=1e-4)


def test_a_rotation_that_is_aimed_at_is_one_however_it_is_written():
    quaternion = Feature("action", (5,), units=("quat_wxyz",) * 4 + ("1",))
    spec = replace(SPEC, action=quaternion, semantics="absolute")
    rng = np.random.default_rng(0)
    turns = rng.normal(size=(3, 20, 5)).astype(np.float32)
    signs = rng.choice([-1, 1], size=(3, 20, 1)).astype(np.float32)

    def chunks(actions: np.ndarray) -> np.ndarray:
        state = np.tile(np.arange(20, dtype=np.float32)[:, None], 2)
        episodes = [
            Episode(EpisodeInfo("turn", 10.0), {"observation.state": state, "action": part})
            for part in actions
        ]
        return Frames.of(MemoryRecordings(spec, episodes)).chunks

    other = np.concatenate([signs * turns[..., :4], turns[..., 4:]], axis=2)
    found = chunks(turns)
    np.testing.assert_allclose(chunks(other), found, atol=1e-4)
    assert found.shape[1] == CHUNK * (6 + 1)


def test_a_gripper_that_opens_and_closes_is_not_looked_at_for_modes():
    spec = replace(SPEC, action=Feature("action", (3,), names=("x", "gripper", "y")))
    data = made(12, spec=spec)
    gripper = np.random.default_rng(0).integers(0, 2, data.num_frames)[:, None]
    action = [data._columns["action"], gripper, np.full_like(gripper, 3)]
    data._columns["action"] = np.concatenate(action, axis=1)
    evidence = Evidence.of(data, SIMULATOR)
    assert (evidence.switched, evidence.frozen) == (("gripper",), ("y",))
    assert evidence.modes is not None
    assert not evidence.modes.several


def test_jitter_is_that_of_white_noise_or_of_a_smooth_hand():
    rough, smooth = (Facts.of(made(noise=noise)).jitter for noise in (50.0, 0.0))
    assert rough == pytest.approx(1.0, abs=0.1)
    assert smooth < 0.1
