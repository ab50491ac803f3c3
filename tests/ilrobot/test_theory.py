"""Tabular imitation: exact evaluation, and each method against what its paper says of it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.theory.aggrevate import aggrevate
from ilrobot.theory.behavioral_cloning import behavioral_cloning, worst_case
from ilrobot.theory.classifier import fit
from ilrobot.theory.compounding import METHODS, cloning_bound, compounding
from ilrobot.theory.dagger import dagger, shared
from ilrobot.theory.forward import forward_training
from ilrobot.theory.smile import mixed, smile, without_expert
from ilrobot.theory.task import Array, TabularTask
from ilrobot.theory.tasks import LEDGE, ROAD, cliff, fork
from ilrobot.theory.walk import walk_right


def random_task(seed: int, states: int = 3, actions: int = 3, horizon: int = 3) -> TabularTask:
    rng = np.random.default_rng(seed)
    return TabularTask(
        transitions=rng.dirichlet(np.ones(states), size=(states, actions)),
        cost=rng.random((states, actions)),
        start=rng.dirichlet(np.ones(states)),
        labels=rng.integers(actions, size=states),
        horizon=horizon,
    )


def random_policy(task: TabularTask, seed: int) -> Array:
    states, actions = task.cost.shape
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(actions), size=(task.horizon, states))


def enumerated(task: TabularTask, policy: Array, per_step: Array) -> float:
    """The expected sum, over every trajectory that there is."""
    states, actions = task.cost.shape
    total = 0.0
    for trajectory in itertools.product(range(states), range(actions), repeat=task.horizon):
        visited, taken = trajectory[::2], trajectory[1::2]
        mass = task.start[visited[0]]
        for t in range(task.horizon):
            mass *= policy[t, visited[t], taken[t]]
            if t:
                mass *= task.transitions[visited[t - 1], taken[t - 1], visited[t]]
        total += mass * sum(per_step[s, a] for s, a in zip(visited, taken, strict=True))
    return total


@pytest.mark.parametrize("seed", range(5))
def test_evaluation_is_that_of_all_trajectories(seed: int):
    task = random_task(seed)
    policy = random_policy(task, seed)
    assert task.occupancy(policy).sum(axis=1) == pytest.approx(1)
    for per_step in (task.cost, task.mistakes):
        assert task.total(policy, per_step) == pytest.approx(enumerated(task, policy, per_step))


@pytest.mark.parametrize("seed", range(5))
def test_cost_to_go_agrees_with_occupancy(seed: int):
    task = random_task(seed, horizon=7)
    policy = random_policy(task, seed)
    first = (policy[0] * task.cost_to_go(policy)[0]).sum(axis=1)
    assert task.start @ first == pytest.approx(task.total(policy, task.cost))


@pytest.mark.parametrize("seed", range(5))
def test_regret_is_the_sum_of_the_experts_advantages(seed: int):
    """The performance difference lemma, Kakade and Langford 2002."""
    task = random_task(seed, horizon=7)
    policy = random_policy(task, seed)
    to_go = task.cost_to_go(task.expert)
    advantage = to_go - (task.expert * to_go).sum(axis=2, keepdims=True)
    visits = task.occupancy(policy)
    assert task.regret(policy) == pytest.approx(
        np.einsum("ts,tsa,tsa->", visits, policy, advantage)
    )
    assert task.regret(policy) <= task.recovery_cost() * task.total(policy, task.mistakes) + 1e-12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"transitions": np.ones((2, 2, 2))}, "transitions: not a distribution"),
        ({"transitions": np.ones((2, 3, 2))}, r"transitions are \(2, 3, 2\)"),
        ({"start": np.array([1.5, -0.5])}, "start: not a distribution"),
        ({"labels": np.array([0])}, "2 states"),
        ({"horizon": 0}, "at least 1"),
    ],
)
def test_a_task_that_is_none_is_refused(change, said: str):
    with pytest.raises(ValueError, match=said):
        replace(cliff(3), **change)


def test_the_classifier_errs_as_often_as_it_is_told_and_extends_what_it_knows():
    loss = np.array([[0.0, 5.0, 5.0], [2.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    learnt = fit(loss, 0.1)
    assert learnt == pytest.approx(
        np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.9, 0.05, 0.05]])
    )


@pytest.mark.parametrize("epsilon", [0.0, 0.01, 0.3])
def test_cloning_on_the_cliff_has_its_closed_form(epsilon: float):
    task = cliff(40)
    policy = behavioral_cloning(task, epsilon)
    fallen = (1 - (1 - 2 * epsilon) ** np.arange(40)) / 2
    assert task.occupancy(policy)[:, LEDGE] == pytest.approx(fallen)
    assert task.regret(policy) == pytest.approx(fallen.sum())


def test_the_cliff_costs_its_expert_nothing_and_a_deviation_one_step():
    task = cliff(10)
    assert task.total(task.expert, task.cost) == 0
    assert task.occupancy(task.expert)[:, ROAD] == pytest.approx(1)
    assert task.recovery_cost() == 1


@pytest.mark.parametrize("horizon", [1, 7, 100])
def test_the_worst_cloning_meets_its_bound(horizon: int):
    task = fork(horizon)
    policy = worst_case(task, 0.01)
    on_expert_states = np.einsum("ts,tsa,sa->", task.occupancy(task.expert), policy, task.mistakes)
    assert on_expert_states / horizon == pytest.approx(0.01)
    assert task.regret(policy) == pytest.approx(cloning_bound(task, 0.01))


@pytest.mark.parametrize("learn", [forward_training, dagger, aggrevate])
@pytest.mark.parametrize("epsilon", [0.001, 0.01, 0.2])
def test_who_learns_in_its_own_states_errs_with_epsilon_there(learn, epsilon: float):
    task = cliff(50)
    policy = learn(task, epsilon)
    assert task.total(policy, task.mistakes) == pytest.approx(50 * epsilon)
    assert task.regret(policy) == pytest.approx(49 * epsilon)


def test_without_errors_everybody_becomes_the_expert():
    for method in METHODS.values():
        assert method.regret(0.0, 20) == pytest.approx(0, abs=1e-12), method.title


def test_beta_one_is_the_expert_and_beta_zero_the_novice_bit_for_bit():
    task = random_task(1)
    novice = random_policy(task, 2)
    assert (shared(task.expert, novice, beta=1.0) == task.expert).all()
    assert (shared(task.expert, novice, beta=0.0) == novice).all()


def test_the_first_round_of_dagger_is_cloning():
    task = cliff(30)
    assert (dagger(task, 0.05, rounds=1) == behavioral_cloning(task, 0.05)).all()


@pytest.mark.parametrize(("alpha", "rounds"), [(0.1, 1), (0.1, 50), (0.5, 4)])
def test_the_weights_of_smile(alpha: float, rounds: int):
    names = np.eye(rounds + 1)  # the expert, then each learnt policy, as unit vectors
    mixture = names[0]
    for n in range(1, rounds + 1):
        mixture = mixed(mixture, names[n], names[0], n, alpha)
    assert mixture.sum() == pytest.approx(1)
    assert mixture[0] == pytest.approx((1 - alpha) ** rounds)
    learnt = without_expert(mixture, names[0], rounds, alpha)
    assert learnt.sum() == pytest.approx(1)
    assert learnt[0] == pytest.approx(0, abs=1e-12)
    shares = alpha * (1 - alpha) ** np.arange(rounds)
    assert learnt[1:] == pytest.approx(shares / shares.sum())


def test_smile_keeps_a_share_of_the_policy_that_never_saw_the_ledge():
    policy = smile(cliff(30), epsilon=0.0, alpha=0.1, rounds=50)
    assert policy.sum(axis=2) == pytest.approx(1)
    assert policy[:, ROAD] == pytest.approx(np.tile([1.0, 0.0], (30, 1)), abs=1e-12)
    assert smile(cliff(30), epsilon=0.1)[0, LEDGE, 0] > 0.1


def test_aggrevate_prefers_the_cheap_mistake():
    """Where costs say otherwise than labels do, it follows the costs."""
    labels = np.array([1, 1])  # the expert always takes the dearer action
    task = replace(cliff(5), labels=labels, cost=np.array([[0.0, 1.0], [0.0, 1.0]]))
    free = replace(task, transitions=np.full((2, 2, 2), 0.5))
    assert (aggrevate(free, 0.0).argmax(axis=2) == 0).all()
    assert (dagger(free, 0.0).argmax(axis=2) == 1).all()


def test_the_slopes_are_those_of_the_theory():
    found = compounding()
    for name, method in METHODS.items():
        assert found.slopes[name] == pytest.approx(method.exponent, abs=0.2), name
        at_most = found.worked_bounds[name]
        assert at_most is None or found.worked[name] <= at_most + 1e-9, name
    assert found.worked_bounds["bc"] == pytest.approx(400)
    assert found.worked_bounds["dagger"] == pytest.approx(2)


@pytest.mark.parametrize("seed", range(3))
def test_the_walk_to_the_right_stays_behind_as_predicted(seed: int):
    walk = walk_right(0.01, 200, walkers=5_000, seed=seed)
    assert walk.displacement_predicted == 4
    assert abs(walk.displacement - walk.displacement_predicted) < 4 * walk.displacement_error
    assert abs(walk.cumulative - walk.cumulative_predicted) < 4 * walk.cumulative_error
    # n Bernoulli steps of two each: the error itself is predicted too
    assert walk.displacement_error == pytest.approx(2 * np.sqrt(200 * 0.01 * 0.99 / 5_000), rel=0.1)
