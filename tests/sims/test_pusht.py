"""Push-T: gym-pusht's numbers on MuJoCo's contacts, exact coverage, an expert that solves it."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import sims
from sims.experts import make_expert
from sims.pusht.geometry import AREA, GOAL_POSE, boxes, coverage, intersection_area, rotation
from sims.tasks.pusht import PushTEnv
from tests.exhaustive import thinned

ROOT = Path(__file__).parents[2]
HUMAN = (
    Path(os.environ.get("ILROBOT_DATA", ROOT.parent / "shared" / "data"))
    / "pusht_human"
    / "pusht_cchi_v7_replay.zarr"
)


@pytest.fixture
def env() -> PushTEnv:
    return PushTEnv()


def test_gymnasium_accepts_the_environment() -> None:
    assert "ilrobot/PushT-v0" in sims.ENVIRONMENTS
    made = gymnasium.make("ilrobot/PushT-v0", render_mode="rgb_array")
    assert made.spec is not None
    assert made.spec.max_episode_steps == 300
    check_env(made.unwrapped)


def test_a_seed_gives_the_same_episode_bit_for_bit() -> None:
    def trace() -> bytes:
        env = PushTEnv()
        env.action_space.seed(3)
        observations = [env.reset(seed=4)[0]]
        observations += [env.step(env.action_space.sample())[0] for _ in range(30)]
        return np.array(observations).tobytes()

    assert trace() == trace()


def test_a_restored_state_continues_identically(env: PushTEnv) -> None:
    other = PushTEnv()
    other.reset(seed=9)
    observation, _ = env.reset(seed=0)
    for _ in range(6):
        observation, *_ = env.step(observation[2:4].astype(np.float32))
    saved = env.get_state()
    other.set_state(saved)
    before = observation
    for _ in range(6):
        target = observation[2:4].astype(np.float32) + 5.0
        observation, reward, *_ = env.step(target)
        restored, restored_reward, *_ = other.step(target)
        assert observation.tobytes() == restored.tobytes()
        assert reward == restored_reward
    assert np.abs(observation[2:4] - before[2:4]).max() > 1.0  # the block was being pushed
    with pytest.raises(ValueError, match="shape"):
        env.set_state(np.zeros(5))


def test_a_given_state_is_reproduced(env: PushTEnv) -> None:
    given = [30.0, 40.0, 300.0, 200.0, 5.0]
    observation, info = env.reset(options={"reset_to_state": given})
    np.testing.assert_allclose(observation, given, atol=1e-9)
    assert info["is_success"] is False
    for bad in ([1.0, 2.0], [np.nan] * 5):
        with pytest.raises(ValueError, match="reset_to_state"):
            env.reset(options={"reset_to_state": bad})


def test_coverage_of_the_goal_pose_is_one() -> None:
    assert AREA == 6300.0
    assert coverage(GOAL_POSE) == pytest.approx(1.0, abs=1e-12)
    assert coverage([50.0, 50.0, 0.0]) == 0.0


def test_coverage_of_a_shifted_block_has_a_closed_form() -> None:
    """Along its stem the T overlaps itself by bar − d, stem − d and, beyond, stem with bar."""
    along_stem = rotation(GOAL_POSE[2]) @ np.array([0.0, 1.0])
    for shift in (5.0, 15.0, 29.0):
        pose = [*(GOAL_POSE[:2] + shift * along_stem), GOAL_POSE[2]]
        # bar ∩ bar 120 (30 − d); stem ∩ stem 30 (90 − d); moved bar ∩ goal stem 30 d
        expected = 120.0 * (30.0 - shift) + 30.0 * (90.0 - shift) + 30.0 * shift
        assert coverage(pose) == pytest.approx(expected / AREA, abs=1e-9)
    along_bar = rotation(GOAL_POSE[2]) @ np.array([60.0, 0.0])
    half = [*(GOAL_POSE[:2] + along_bar), GOAL_POSE[2]]
    assert coverage(half) == pytest.approx(60.0 * 30.0 / AREA, abs=1e-9)


def test_intersection_of_turned_squares_is_the_octagon() -> None:
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    octagon = 8.0 * (np.sqrt(2.0) - 1.0)
    assert intersection_area(square, square @ rotation(np.pi / 4.0).T) == pytest.approx(octagon)


def test_a_central_push_moves_the_block_straight_and_it_stays_where_it_is_left(
    env: PushTEnv,
) -> None:
    env.reset(options={"reset_to_state": [256.0, 180.0, 256.0, 200.0, 0.0]})
    for _ in range(10):
        observation, *_ = env.step(np.array([256.0, 235.0], dtype=np.float32))
    # The pusher's edge stands at 250; the bar's outer edge must rest against it.
    assert observation[3] == pytest.approx(250.0, abs=0.5)
    assert observation[2] == pytest.approx(256.0, abs=1e-6)
    assert np.sin(observation[4]) == pytest.approx(0.0, abs=1e-9)
    left = observation[2:].copy()
    for _ in range(10):
        observation, *_ = env.step(np.array([256.0, 100.0], dtype=np.float32))
    np.testing.assert_allclose(observation[2:], left, atol=0.1)


def test_a_wall_puts_the_block_back_on_the_table(env: PushTEnv) -> None:
    env.reset(options={"reset_to_state": [60.0, 60.0, 256.0, 395.0, 0.0]})
    for _ in range(15):
        observation, *_ = env.step(np.array([60.0, 60.0], dtype=np.float32))
    assert boxes(observation[2:])[..., 1].max() == pytest.approx(504.0, abs=0.1)


def test_reaching_the_goal_ends_the_episode(env: PushTEnv) -> None:
    env.reset(options={"reset_to_state": [30.0, 30.0, *GOAL_POSE]})
    _, reward, terminated, truncated, info = env.step(np.array([30.0, 30.0], dtype=np.float32))
    assert (reward, terminated, truncated, info["is_success"]) == (1.0, True, False, True)


@pytest.mark.parametrize("seeds", thinned([range(3), range(3, 8)], [range(3)]))
def test_the_expert_solves_it_from_the_observation_alone(seeds: range) -> None:
    env = gymnasium.make("ilrobot/PushT-v0")
    expert = make_expert(env)
    for seed in seeds:
        observation, info = env.reset(seed=seed)
        expert.reset(seed=seed)
        done = False
        while not done:
            action = expert.act(observation)
            assert env.action_space.contains(action)
            observation, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        assert info["is_success"], f"seed {seed}: coverage {info['coverage']:.3f}"


def test_the_expert_recovers_when_someone_else_acts_in_between() -> None:
    env = gymnasium.make("ilrobot/PushT-v0")
    env.action_space.seed(0)
    expert = make_expert(env)
    observation, info = env.reset(seed=1)
    for step in range(300):
        action = expert.act(observation)
        if 20 <= step < 60:
            action = env.action_space.sample()
        observation, _, terminated, _, info = env.step(action)
        if terminated:
            break
    assert info["is_success"]


def test_pictures_show_block_goal_and_pusher() -> None:
    env = PushTEnv(render_mode="rgb_array", render_size=96)
    env.reset(seed=0)
    picture = env.render()
    assert picture is not None
    assert picture.shape == (96, 96, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 5
    with pytest.raises(ValueError, match="render_size"):
        PushTEnv(render_size=5)


def test_what_is_observed_is_of_the_state_alone() -> None:
    """People are shown where the last action wanted the pusher; it is nothing that is there."""
    env, other = (
        PushTEnv(render_mode="rgb_array", render_size=96, cameras="top") for _ in range(2)
    )
    begun = env.reset(seed=0)[0]["images.top"]
    seen = env.step(np.array([400.0, 300.0]))[0]["images.top"]
    assert (env.render() != seen).any()
    state = env.get_state()
    env.step(np.array([100.0, 100.0]))
    other.reset(seed=5)
    for one in (env, other):
        one.set_state(state)
        np.testing.assert_array_equal(one.render(), seen)
    env.step(np.array([100.0, 100.0]))
    np.testing.assert_array_equal(env.reset(seed=0)[0]["images.top"], begun)
    np.testing.assert_array_equal(env.render(), begun)


def _gym_pusht() -> Any:
    pytest.importorskip("gym_pusht")
    return gymnasium.make("gym_pusht/PushT-v0", obs_type="state").unwrapped


def test_spaces_starts_and_coverage_equal_gym_pusht(env: PushTEnv) -> None:
    theirs = _gym_pusht()
    assert env.observation_space == theirs.observation_space
    assert env.action_space == theirs.action_space
    for seed in range(20):
        observation, info = env.reset(seed=seed)
        np.testing.assert_allclose(observation, theirs.reset(seed=seed)[0], atol=1e-9)
        assert info["coverage"] == pytest.approx(theirs._get_coverage(), abs=1e-9)


@pytest.mark.skipif(not HUMAN.exists(), reason=f"no human demonstrations at {HUMAN}")
@pytest.mark.parametrize("count", thinned([5, 20], [5]))
def test_replayed_demonstrations_move_the_block_as_in_gym_pusht(env: PushTEnv, count: int) -> None:
    zarr = pytest.importorskip("zarr")
    theirs = _gym_pusht()
    data = zarr.open(str(HUMAN), mode="r")
    ends = [0, *data["meta/episode_ends"][:count]]
    states, actions = data["data/state"][: ends[-1]], data["data/action"][: ends[-1]]
    differences, best, their_best = [], [], []
    for start, end in pairwise(ends):
        env.reset(options={"reset_to_state": states[start]})
        first = states[start].astype(float)
        theirs.reset(seed=0)
        # Angle before position: the other order turns the block about its centre of mass.
        theirs.agent.position = first[:2].tolist()
        theirs.block.angle = first[4]
        theirs.block.position = first[2:4].tolist()
        theirs.space.step(theirs.dt)
        rewards, their_rewards = [], []
        for action in actions[start:end]:
            ours, reward, *_ = env.step(action)
            reference, their_reward, *_ = theirs.step(action.astype(float))
            differences.append(np.hypot(*(ours[2:4] - reference[2:4])))
            np.testing.assert_allclose(ours[:2], reference[:2], atol=1e-3)
            rewards.append(reward)
            their_rewards.append(their_reward)
        best.append(max(rewards))
        their_best.append(max(their_rewards))
    assert np.median(differences) < 0.2
    assert np.percentile(differences, 90) < 1.0
    assert np.mean(best) == pytest.approx(np.mean(their_best), abs=0.01)
