from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from ilrobot.learners.inverse.apprenticeship import apprenticeship
from ilrobot.learners.inverse.demonstrations import (
    demonstrated,
    feature_expectations,
    one_hot,
)
from ilrobot.learners.inverse.gridworld import MOVES, gridworld
from ilrobot.learners.inverse.maxent import dual, maxent_irl
from ilrobot.learners.inverse.planning import occupancies, plan, sample
from ilrobot.learners.inverse.world import Array, World
from ilrobot.theory.task import TabularTask


def random_world(
    seed: int, states: int = 6, actions: int = 3, horizon: int = 5, discount: float = 0.9
) -> tuple[World, Array]:
    """Dense dynamics, and the same as a dense array (S, A, S)."""
    generator = np.random.default_rng(seed)
    dense = generator.dirichlet(np.ones(states), size=(states, actions))
    start = generator.dirichlet(np.ones(states))
    return World.of(dense, start, horizon, discount), dense


def matched(world: World, reward: Array, temperature: float = 1.0) -> tuple[Array, Array]:
    """The expert's occupancies under a reward, and its expectations of one-hot features."""
    visits = occupancies(world, plan(world, reward, temperature).policy)
    return visits, feature_expectations(world, visits, one_hot(world))


# Planning


def test_at_no_temperature_planning_is_value_iteration():
    world, dense = random_world(0)
    reward = np.random.default_rng(1).normal(size=(6, 3))
    best = np.zeros(6)
    for _ in range(world.horizon):
        best = (reward + world.discount * dense @ best).max(axis=1)
    np.testing.assert_allclose(plan(world, reward, temperature=0).value[0], best)


def test_a_soft_plan_becomes_value_iteration_as_it_cools():
    world, _ = random_world(0)
    reward = np.random.default_rng(1).normal(size=(6, 3))
    hard = plan(world, reward, temperature=0)
    away = []
    for temperature in (1.0, 0.1, 1e-3):
        soft = plan(world, reward, temperature)
        away.append(np.abs(soft.value - hard.value).max())
        # α log A at each step is the most that entropy is worth.
        assert (soft.value >= hard.value - 1e-12).all()
        assert away[-1] <= temperature * np.log(3) * world.horizon
    np.testing.assert_allclose(plan(world, reward, 1e-3).policy, hard.policy, atol=1e-3)


def test_a_soft_plan_gives_each_path_the_weight_of_its_reward():
    """On deterministic dynamics p(path) ∝ exp(return), the model of Ziebart et al. 2008."""
    grid = gridworld(2, horizon=4, start=(0, 0))
    reward = np.array([0.3, -0.2, 0.1, 0.7])
    policy = plan(grid.world, reward).policy
    logs, returns = [], []
    moves = grid.world.transitions.toarray().reshape(len(MOVES), 4, 4).argmax(axis=2)
    for actions in itertools.product(range(len(MOVES)), repeat=4):
        state, log, total = 0, 0.0, 0.0
        for t, action in enumerate(actions):
            log += np.log(policy[t, state, action])
            total += reward[state]
            state = moves[action, state]
        logs.append(log)
        returns.append(total)
    normaliser = np.log(np.sum(np.exp(returns)))
    np.testing.assert_allclose(logs, np.array(returns) - normaliser)


def test_occupancies_are_those_of_a_dense_task():
    world, dense = random_world(3)
    policy = plan(world, np.random.default_rng(4).normal(size=6)).policy
    visits = occupancies(world, policy)
    np.testing.assert_allclose(visits.sum(axis=1), 1)
    labels = np.zeros(6, dtype=np.int64)
    task = TabularTask(dense, np.zeros((6, 3)), world.start, labels, world.horizon)
    np.testing.assert_allclose(visits, task.occupancy(policy))


def test_samples_visit_what_the_occupancies_say():
    world, _ = random_world(5)
    policy = plan(world, np.random.default_rng(6).normal(size=6)).policy
    states = sample(world, policy, episodes=20_000, seed=0)
    np.testing.assert_allclose(
        demonstrated(world, list(states)), occupancies(world, policy), atol=0.015
    )
    assert (sample(world, policy, 50, seed=1) == sample(world, policy, 50, seed=1)).all()


def test_the_grid_slips_and_has_walls():
    world = gridworld(3, slip=0.4).world
    up_from_the_corner = world.transitions.toarray()[0]
    expected = np.zeros(9)
    expected[0] = 0.6 + 0.4 * 2 / 4  # up and left lead into walls
    expected[1] = expected[3] = 0.4 / 4
    np.testing.assert_allclose(up_from_the_corner, expected)


# Maximum entropy


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_the_gradient_is_that_of_the_dual(discount: float):
    world, _ = random_world(7, discount=discount)
    generator = np.random.default_rng(8)
    features = generator.normal(size=(6, 4))
    expert, weights = generator.normal(size=4), generator.normal(size=4)
    _, gradient = dual(world, weights, expert, features)
    step = 1e-6
    for k in range(4):
        change = step * np.eye(4)[k]
        above, below = (
            dual(world, weights + sign * change, expert, features)[0] for sign in (1, -1)
        )
        assert gradient[k] == pytest.approx((above - below) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_reward_of_the_grid_peaks_at_its_goal(temperature: float):
    grid = gridworld(5, slip=0.1)
    visits, expert = matched(grid.world, grid.reward, temperature)
    found = maxent_irl(grid.world, expert, one_hot(grid.world))
    assert found.converged
    assert found.gap <= 1e-3
    assert found.reward.argmax() == grid.reward.argmax()
    np.testing.assert_allclose(found.occupancies.sum(axis=0), visits.sum(axis=0), atol=1e-3)
    np.testing.assert_allclose(found.occupancies.sum(axis=1), 1)


@pytest.mark.parametrize("seed", range(5))
def test_random_rewards_are_recovered_to_a_constant(seed: int):
    grid = gridworld(6, slip=0.1)
    reward = np.random.default_rng(seed).normal(size=36)
    _, expert = matched(grid.world, reward)
    found = maxent_irl(grid.world, expert, one_hot(grid.world))
    assert found.converged
    assert np.corrcoef(found.reward, reward)[0, 1] >= 0.99


def test_from_demonstrations_the_reward_comes_near():
    grid = gridworld(5, slip=0.1)
    reward = np.random.default_rng(0).normal(size=25)
    policy = plan(grid.world, reward).policy
    states = sample(grid.world, policy, episodes=2_000, seed=0)
    features = one_hot(grid.world)
    expert = feature_expectations(grid.world, demonstrated(grid.world, list(states)), features)
    found = maxent_irl(grid.world, expert, features, l2=1e-3)
    assert found.converged
    assert np.corrcoef(found.reward, reward)[0, 1] >= 0.95


def test_a_penalty_bounds_what_the_dynamics_do_not_allow():
    """One path that never slipped cannot be matched where one slips."""
    grid = gridworld(3, slip=0.3, start=(0, 0), horizon=9)
    features = one_hot(grid.world)
    expert = feature_expectations(
        grid.world, demonstrated(grid.world, [np.array([0, 1, 2, 5, 8])]), features
    )
    found = maxent_irl(grid.world, expert, features, l2=0.01)
    assert found.converged
    assert found.gap == pytest.approx(0.01 * np.abs(found.weights).max(), abs=1e-3)
    assert found.reward.argmax() == grid.reward.argmax()
    assert not maxent_irl(grid.world, expert, features, iterations=20).converged


def test_shaping_leaves_the_best_policy():
    """Ng, Harada and Russell 1999: γΦ(s') - Φ(s) changes no choice, where Φ = 0 at the end."""
    generator = np.random.default_rng(9)
    layers, width = 3, 4  # each step leads to the next layer, the last one to the end
    states = layers * width + 1
    dense = np.zeros((states, 2, states))
    for layer in range(layers - 1):
        here, after = (slice(k * width, (k + 1) * width) for k in (layer, layer + 1))
        dense[here, :, after] = generator.dirichlet(np.ones(width), size=(width, 2))
    dense[-width - 1 :, :, -1] = 1.0
    world = World.of(dense, np.eye(states)[0], horizon=layers + 1, discount=0.9)
    reward, potential = generator.normal(size=(states, 2)), 3 * generator.normal(size=states)
    potential[-1] = 0.0
    shaped = reward + world.discount * dense @ potential - potential[:, None]
    for temperature in (0.0, 1.0):
        plain, moved = (plan(world, r, temperature) for r in (reward, shaped))
        for layer in range(layers):
            here = slice(layer * width, (layer + 1) * width)
            np.testing.assert_allclose(moved.policy[layer, here], plain.policy[layer, here])
            np.testing.assert_allclose(
                moved.value[layer, here], plain.value[layer, here] - potential[here]
            )


# Apprenticeship


@pytest.mark.parametrize("method", ["projection", "max-margin"])
@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_an_apprentice_comes_to_visit_what_the_expert_does(method, discount: float):
    grid = gridworld(5, goal=(1, 3), slip=0.3, discount=discount)
    features = one_hot(grid.world)
    _, expert = matched(grid.world, grid.reward, temperature=0)
    found = apprenticeship(grid.world, expert, features, method=method, tolerance=0.02)
    assert found.converged
    assert found.reward.argmax() == grid.reward.argmax()
    np.testing.assert_allclose(found.occupancies, occupancies(grid.world, found.policy), atol=1e-12)
    reached = feature_expectations(grid.world, found.occupancies, features)
    assert np.linalg.norm(reached - expert) <= 0.02
    # Paper, section 4: on a reward ‖w‖ ≤ 1 the apprentice is at most so much worse.
    assert grid.reward @ (expert - reached) <= 0.02


def test_the_margin_takes_fewer_rounds_than_the_projection():
    grid = gridworld(5, slip=0.3)
    _, expert = matched(grid.world, grid.reward, temperature=0.3)
    rounds = {
        method: len(apprenticeship(grid.world, expert, one_hot(grid.world), method=method).history)
        for method in ("projection", "max-margin")
    }
    assert rounds["max-margin"] < rounds["projection"] / 2


def test_the_gap_of_the_apprentice_never_grows():
    grid = gridworld(5, slip=0.3)
    _, expert = matched(grid.world, grid.reward, temperature=0.3)
    for method in ("projection", "max-margin"):
        found = apprenticeship(
            grid.world, expert, one_hot(grid.world), method=method, iterations=30
        )
        assert (np.diff(found.history) <= 1e-9).all()


def test_one_feature_is_matched_by_a_mixture_of_two_policies():
    grid = gridworld(3, slip=0.1)
    features = grid.reward[:, None]
    worst, best = (
        matched(grid.world, sign * grid.reward, temperature=0)[1] @ features for sign in (-1, 1)
    )
    middle = (worst + best) / 2
    found = apprenticeship(grid.world, middle, features, method="max-margin", tolerance=1e-9)
    assert found.converged
    assert feature_expectations(grid.world, found.occupancies, features) == pytest.approx(middle)


# Bad input


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ([], "0 states; 1 to 9 fit"),
        (list(range(10)), "10 states; 1 to 9 fit"),
        ([0, 9], "outside 0 to 8"),
        ([0, 1, 5, 8], "demonstration 1: no action leads from state 1 at step 1 to state 5"),
    ],
)
def test_an_impossible_demonstration_is_refused(path: list[int], message: str):
    with pytest.raises(ValueError, match=message):
        demonstrated(gridworld(3).world, [np.array([0]), np.array(path)])


def test_a_demonstration_may_only_end_early_where_one_can_stay():
    dense = np.zeros((2, 1, 2))
    dense[0, 0, 1] = dense[1, 0, 0] = 1  # back and forth
    world = World.of(dense, np.array([1.0, 0.0]), horizon=4)
    with pytest.raises(ValueError, match="no action leads from state 1 at step 1 to state 1"):
        demonstrated(world, [np.array([0, 1])])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": np.array([0.5, 0.4])}, "start: not a distribution"),
        ({"start": np.ones(3) / 3}, "start is"),
        ({"horizon": 0}, "a horizon of 0 steps"),
        ({"discount": 1.5}, "a discount of 1.5"),
        ({"transitions": sparse.csr_array(np.ones((2, 2)))}, "transitions: not a distribution"),
        ({"transitions": sparse.csr_array(np.ones((3, 2)) / 2)}, "not \\(A·S, S\\)"),
    ],
)
def test_a_broken_world_is_refused(change, message: str):
    world = World.of(np.full((2, 2, 2), 0.5), np.array([0.5, 0.5]), horizon=3)
    with pytest.raises(ValueError, match=message):
        replace(world, **change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": 1}, "at least 2 × 2"),
        ({"side": 3, "goal": (3, 0)}, "goal"),
        ({"side": 3, "start": (0, -1)}, "start"),
        ({"side": 3, "slip": 1.2}, "slip of 1.2"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(options, message: str):
    with pytest.raises(ValueError, match=message):
        gridworld(**options)


def test_rewards_and_features_must_fit_the_world():
    grid = gridworld(3)
    with pytest.raises(ValueError, match="reward of shape"):
        plan(grid.world, np.zeros(8))
    with pytest.raises(ValueError, match="temperature of -1"):
        plan(grid.world, grid.reward, -1.0)
    for learn in (maxent_irl, apprenticeship):
        with pytest.raises(ValueError, match="do not fit a world of 9 states"):
            learn(grid.world, np.zeros(4), one_hot(grid.world))
