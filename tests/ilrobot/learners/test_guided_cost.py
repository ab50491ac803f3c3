"""Guided cost learning: its weights against exact sums, then on a line, then as a run."""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.actors import Actor, Decision, Source
from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.inverse.demonstrations import one_hot
from ilrobot.learners.inverse.gridworld import MOVES, gridworld
from ilrobot.learners.inverse.guided_cost import GuidedCost, GuidedCostConfig, roughness
from ilrobot.learners.inverse.maxent import dual
from ilrobot.learners.inverse.partition import (
    effective_samples,
    fused_density,
    joined_density,
    log_partition,
)
from ilrobot.learners.inverse.pieces import Pieces
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH, PpoConfig
from ilrobot.learners.reinforcement.ppo import PpoReinforcer
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import new_policy
from ilrobot.rewards.config import RewardConfig
from ilrobot.rewards.model import REWARD_FILE, RewardModel
from ilrobot.rollout import rollout
from tests.ilrobot.learner_tester import Case, check_mistake, check_run
from tests.ilrobot.learning import line_world

# The weights, on a world whose every trajectory can be written down

GRID = gridworld(2, horizon=4, start=(0, 0))
#: Quarters, so that a sample can hold each trajectory exactly as often as it is likely.
QUARTERS = {"one": (1, 1, 1, 1, 0), "other": (0, 1, 0, 2, 1)}


def trajectories(policy: str) -> tuple[torch.Tensor, torch.Tensor]:
    """A sample without chance: visits of each state (256, 4) and the actions taken (256, 4)."""
    moves = GRID.world.transitions.toarray().reshape(len(MOVES), 4, 4).argmax(axis=2)
    choices = [a for a, count in enumerate(QUARTERS[policy]) for _ in range(count)]
    visits, actions = [], []
    for taken in itertools.product(choices, repeat=4):
        state, seen = 0, np.zeros(4)
        for action in taken:
            seen[state] += 1
            state = moves[action, state]
        visits.append(seen)
        actions.append(taken)
    return torch.tensor(np.array(visits)), torch.tensor(actions)


def density(policy: str, actions: torch.Tensor) -> torch.Tensor:
    return torch.log(torch.tensor(QUARTERS[policy], dtype=torch.float64) / 4)[actions].sum(dim=1)


def exact(reward: torch.Tensor) -> tuple[float, np.ndarray]:
    """log Z and the visits that trajectories of probability exp R / Z make."""
    features = one_hot(GRID.world)
    value, gradient = dual(GRID.world, reward.detach().numpy(), np.zeros(4), features)
    return -value, -gradient


@pytest.fixture
def reward() -> torch.Tensor:
    return torch.tensor([0.3, -1.2, 0.8, 1.5], dtype=torch.float64, requires_grad=True)


def test_two_policies_together_give_the_exact_partition_function(reward):
    """Whoever drew a trajectory, of which each alone misses some."""
    sampled = [trajectories(policy) for policy in QUARTERS]
    visits, actions = (torch.cat(parts) for parts in zip(*sampled, strict=True))
    returns = visits @ reward
    log_q = fused_density(torch.stack([density(policy, actions) for policy in QUARTERS]))
    # What neither draws, such as to mix their habits within one trajectory, is no part of it.
    totals = returns.tolist()
    drawn = {tuple(t): total for t, total in zip(actions.tolist(), totals, strict=True)}
    known = math.log(sum(math.exp(total) for total in drawn.values()))
    assert log_partition(returns, log_q).item() == pytest.approx(known, rel=1e-9)
    alone = log_partition(visits[:256] @ reward, density("one", actions[:256]))
    assert alone.item() < known


def test_the_gradient_is_that_of_exact_maximum_entropy(reward):
    uniform = torch.tensor(list(itertools.product(range(5), repeat=4)))
    moves = GRID.world.transitions.toarray().reshape(len(MOVES), 4, 4).argmax(axis=2)
    visits = torch.zeros(len(uniform), 4, dtype=torch.float64)
    for row, taken in enumerate(uniform.tolist()):
        state = 0
        for action in taken:
            visits[row, state] += 1
            state = int(moves[action, state])
    estimated = log_partition(visits @ reward, torch.full((len(uniform),), -4 * math.log(5)))
    estimated.backward()
    log_z, expected = exact(reward)
    assert estimated.item() == pytest.approx(log_z)
    assert reward.grad is not None
    np.testing.assert_allclose(reward.grad.numpy(), expected, atol=1e-12)


def test_half_the_density_of_demonstrations_is_the_models(reward):
    visits, actions = trajectories("one")
    returns, log_q = (visits @ reward).detach(), density("one", actions)
    log_z = torch.tensor(2.0, dtype=torch.float64)
    joined = joined_density(returns, log_q, log_z)
    mixed = 0.5 * (returns - log_z).exp() + 0.5 * log_q.exp()
    np.testing.assert_allclose(joined.exp(), mixed)
    assert float((returns - joined).max()) <= math.log(2) + 2.0
    # Where the policy is the model already, nothing changes.
    np.testing.assert_allclose(joined_density(returns, returns - log_z, log_z), returns - log_z)


def test_effective_samples_are_all_or_one():
    returns = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert effective_samples(returns, returns) == pytest.approx(4)
    assert effective_samples(100 * returns, returns) == pytest.approx(1)


# Pieces


def steps_of(*lengths: int) -> Transitions:
    count = sum(lengths)
    number = np.arange(count, dtype=np.float32)[:, None]
    never = np.zeros(count, dtype=bool)
    episode = np.repeat(np.arange(len(lengths)), lengths)
    return Transitions(number, number, None, number + 1, never, never, episode)


def test_pieces_never_reach_into_another_episode():
    pieces = Pieces.of(steps_of(5, 2), 3, lambda rows: torch.tensor(rows, dtype=torch.float32))
    assert pieces.there.tolist() == [[1, 1, 1], [1, 1, 0], [1, 1, 0]]
    assert pieces.observations[..., 0].tolist() == [[0, 1, 2], [3, 4, 4], [5, 6, 6]]
    numbers = pieces.steps()[0].flatten()
    assert pieces.summed(numbers).tolist() == [3, 7, 11]


def test_pieces_never_reach_over_what_is_left_out():
    """As between two corrections of an episode."""
    steps = steps_of(9).where(np.array([0, 1, 5, 6, 7]))
    pieces = Pieces.of(steps, 3, lambda rows: torch.tensor(rows, dtype=torch.float32))
    assert pieces.there.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert pieces.observations[..., 0].tolist() == [[0, 1, 1], [5, 6, 7]]


def test_what_came_after_an_end_is_no_part_of_a_piece():
    """Of a demonstration it is not known."""
    steps = steps_of(2, 1)
    steps = replace(steps, terminal=np.array([False, True, False]))
    pieces = Pieces.of(steps, 2, lambda rows: torch.tensor(rows, dtype=torch.float32))
    assert pieces.next_observations[..., 0].tolist() == [[1, 1], [3, 3]]


def test_what_changes_evenly_is_smooth():
    there = torch.tensor([[1.0, 1, 1, 1], [1, 1, 1, 0]])
    rewards = torch.tensor([[1.0, 2, 3, 4], [1, 1, 2, 9]])
    assert float(roughness(rewards[:1], there[:1])) == 0
    assert float(roughness(rewards, there)) == pytest.approx(1 / 3)


# On the line


class Settler(Actor):
    """Goes to the middle, and errs."""

    def reset(self, seed=None):
        self._draw = np.random.default_rng(seed)

    def act(self, observation, now):
        x = float(observation["observation.state"][0])
        action = np.clip(-2 * x + 0.3 * self._draw.normal(size=1), -2, 2)
        return Decision(action.astype(np.float32), Source.DEMO)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("line") / "data"
    env = make_env(line_world.TASK)
    with DatasetRecorder(path, env.spec) as recorder:
        for seed in range(10):
            rollout(env, Settler(), seed=seed, recorder=recorder)
    env.close()
    return path


def learner(data: Path, seed: int = 0, **changes) -> tuple[GuidedCost, TaskVectorEnv]:
    torch.manual_seed(seed)
    env = TaskVectorEnv(lambda: make_env(line_world.TASK), 4, seed=seed)
    policy = new_policy(env.task, SCRATCH, INITIAL_LOG_STD)
    ppo = PpoConfig(rollout=256, epochs=4, learning_rate=1e-3, discount=0.9)
    reward = RewardModel(env.task, RewardConfig("state-action", width=32))
    expert = Transitions.of(Dataset.open(data), rewards=False)
    config = GuidedCostConfig(**{"learning_rate": 1e-3, **changes})
    reinforcer = PpoReinforcer(policy, env, ppo, seed)
    return GuidedCost(reward, reinforcer, expert, config, seed=seed), env


def test_a_piece_longer_than_any_demonstration_is_refused(data):
    with pytest.raises(UserError, match=r"longer than any demonstration; the longest has \d+"):
        learner(data, piece=100_000)


def test_the_reward_peaks_where_the_expert_goes_and_the_policy_follows(data):
    learning, env = learner(data)
    learnt = [learning.improve() for _ in range(14)]
    env.close()
    x = torch.linspace(-1, 1, 21)
    seen = torch.stack([x, 5 + 100 * x], dim=1)
    with torch.no_grad():
        reward = learning.reward(seen, torch.zeros(21, 1), seen)
        there = learning.policy({"observation.state": seen[:, None]})[:, 0, 0].clamp(-2, 2)
    assert abs(float(x[reward.argmax()])) <= 0.2
    assert float((x + there / 4).abs().mean()) < 0.5 * float(x.abs().mean())
    assert learnt[-1]["return"] > 17  # the expert's is 18, random actions make 10
    assert learnt[-1]["effective_samples"] > 0.3


def test_a_state_goes_on_as_if_nothing_had_happened(data):
    learning, env = learner(data)
    learning.improve()
    state = learning.state()
    again, other_env = learner(data, seed=1)
    again.load_state(state)
    for first, second in zip(learning.reward.parameters(), again.reward.parameters(), strict=True):
        assert torch.equal(first, second)
    kept = again.state()
    torch.testing.assert_close(kept["memory"], state["memory"], rtol=0, atol=0)
    torch.testing.assert_close(kept["log_z"], state["log_z"], rtol=0, atol=0)
    assert np.isfinite(again.improve()["loss"])
    env.close()
    other_env.close()


def test_a_reward_that_diverges_is_told(data):
    learning, env = learner(data)
    torch.nn.init.constant_(next(learning.reward.parameters()), math.inf)
    with contextlib.closing(env), pytest.raises(WorkFailed, match="lower --reward-learning-rate"):
        learning.improve()


@pytest.mark.parametrize(
    "changes",
    [
        {"piece": 0},
        {"updates": 0},
        {"learning_rate": 0.0},
        {"learning_rate": 2.0},
        {"smoothness": -1.0},
    ],
)
def test_a_setting_out_of_range_is_refused(changes):
    with pytest.raises(UserError):
        GuidedCostConfig(**changes)


# As a run

SMALL = ("--copies", "2", "--rollout", "128")


def test_a_run_like_any_other(data, tmp_path, capsys):
    options = ("--dataset", str(data), *SMALL, "--steps", "256")
    case = Case("gcl", options, (), line_world.TASK, leaves=(REWARD_FILE,))
    check_run(case, tmp_path, capsys)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--piece", "0"], "--piece must be at least 1"),
        (["--task", "Pendulum-v1"], "Pendulum-v1"),
        (["--from", "nowhere"], "no policy at nowhere"),
        (["--rollout", "9"], "--rollout 9 cannot be shared by --copies"),
        (["--exploration", "0"], "--exploration must be within"),
        (["--copies", "0"], "--copies must be from 1"),
    ],
)
def test_a_mistake_is_one_line(options, said, data, tmp_path, capsys):
    output = ["--output", str(tmp_path / "run")]
    check_mistake(
        ["train", "--learner", "gcl", "--dataset", str(data), *options, *output], said, capsys
    )


def test_a_clone_is_a_beginning(data, tmp_path):
    clone = tmp_path / "clone"
    train = ["train", "--dataset", str(data)]
    assert _main([*train, "--policy", "bc", "--steps", "20", "--output", str(clone)]) == 0
    options = [*train, "--learner", "gcl", "--from", str(clone), *SMALL, "--steps", "128"]
    assert _main([*options, "--output", str(tmp_path / "run")]) == 0
