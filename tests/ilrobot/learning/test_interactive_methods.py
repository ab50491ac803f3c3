"""Forward training, SMILe and AggreVaTe in the real loop: a short path, small networks."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from ilrobot.data.labels import labels
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.evaluate import evaluate
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.fitting import in_folder, in_memory
from ilrobot.learners.interactive.aggrevate import aggrevate
from ilrobot.learners.interactive.dagger_in_memory import dagger
from ilrobot.learners.interactive.forward import forward_training
from ilrobot.learners.interactive.interaction import NOBODY, Interaction
from ilrobot.learners.interactive.smile import smile
from ilrobot.policies.combined import load_policies, save_policies
from ilrobot.policies.config import PolicyConfig
from ilrobot.run import Run
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.task_env import TaskEnv
from ilrobot.theory.smile import shares
from sims.experts import make_expert
from tests.exhaustive import thinned

HORIZON = 12
TRAINING = TrainConfig(
    steps=60, batch_size=64, warmup=5, learning_rate=3e-3, held_out=0.0, patience=0, device="cpu"
)
POLICIES = {
    "single-step": PolicyConfig(width=32, blocks=1),
    "chunked": PolicyConfig(width=32, blocks=1, n_obs=2, horizon=4, execute=2),
    "diffusion": PolicyConfig(
        head="diffusion", prediction="sample", width=32, blocks=1, horizon=4, execute=2
    ),
}


class Watching:
    """A fit that keeps what it was given."""

    def __init__(self, config: PolicyConfig = POLICIES["single-step"], **training: float) -> None:
        self._fit = in_memory(config, replace(TRAINING, **training))
        self.given: list[tuple[MemoryRecordings, Any]] = []

    def __call__(self, recordings, frame_weights=None):
        self.given.append((recordings, frame_weights))
        return self._fit(recordings, frame_weights)


def _world() -> tuple[TaskEnv, ScriptedActor]:
    env = make_env("ilrobot/PointPath-v0", {"horizon": HORIZON, "instability": 0.0})
    env.reset(0)
    return env, ScriptedActor(make_expert(env.env), env)


def _interaction(fit, episodes: int = 3) -> Interaction:
    env, expert = _world()
    return Interaction(env, expert, fit, episodes)


METHODS = {
    "forward": lambda interaction: forward_training(interaction, HORIZON, block=4),
    "smile": lambda interaction: smile(interaction, rounds=3, alpha=0.3),
    "dagger": lambda interaction: dagger(interaction, rounds=2)[-1],
    "aggrevate": lambda interaction: aggrevate(interaction, 2, HORIZON, chunk=4)[-1],
}


@pytest.mark.parametrize(
    ("method", "config"),
    thinned(
        product(METHODS, POLICIES),
        [
            ("forward", "chunked"),
            ("smile", "diffusion"),
            ("dagger", "single-step"),
            ("dagger", "chunked"),
            ("aggrevate", "single-step"),
        ],
    ),
)
def test_every_method_learns_with_every_kind_of_policy(method: str, config: str):
    # An episode gives AggreVaTe one label.
    episodes = 100 if method == "aggrevate" else 3

    def earns(steps: int) -> float:
        fit = Watching(POLICIES[config], steps=steps)
        learnt = METHODS[method](_interaction(fit, episodes))
        env, _ = _world()
        results = evaluate(lambda: (env, learnt.actor()), range(1_000, 1_005)).results
        assert [result.length for result in results] == [HORIZON] * 5
        return float(np.mean([result.total_reward for result in results]))

    # Rewards are distances from the path, below 0.
    assert earns(TRAINING.steps) > earns(1) / 2


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seeds_learn_the_same(method: str):
    def drives() -> float:
        learnt = METHODS[method](_interaction(Watching()))
        return evaluate(lambda: (_world()[0], learnt.actor()), [7]).results[0].total_reward

    assert drives() == drives()


def _taught(recordings: MemoryRecordings) -> list[list[int]]:
    """The steps of each episode that teach."""
    teaches, _ = labels(recordings)
    parts = np.split(teaches, recordings.starts[1:-1])
    return [np.flatnonzero(part).tolist() for part in parts]


def test_forward_training_teaches_each_policy_the_states_of_its_own_steps():
    fit = Watching()
    learnt = forward_training(_interaction(fit), HORIZON, block=5)
    assert len(learnt.policies) == 3
    assert [_taught(given) for given, _ in fit.given] == [
        [[0, 1, 2, 3, 4]] * 3,
        [[5, 6, 7, 8, 9]] * 3,
        [[10, 11]] * 3,
    ]
    second, _ = fit.given[1]
    drove = second.column("control.source").reshape(3, 10)
    assert (drove[:, :5] == "policy").all()
    assert (drove[:, 5:] == "human").all()


def test_forward_training_ends_where_all_episodes_do():
    assert len(forward_training(_interaction(Watching()), HORIZON + 20, block=6).policies) == 2


@pytest.mark.parametrize(("rounds", "alpha"), [(1, 0.3), (7, 0.1), (4, 0.9)])
def test_smiles_weights_have_their_closed_form(rounds: int, alpha: float):
    found = shares(rounds, alpha)
    assert sum(found) == pytest.approx(1)
    expected = alpha * (1 - alpha) ** np.arange(rounds) / (1 - (1 - alpha) ** rounds)
    assert found == pytest.approx(expected)


def test_smile_begins_with_the_expert_alone_and_labels_every_step():
    fit = Watching()
    mixture = smile(_interaction(fit, episodes=20), rounds=3, alpha=0.4)
    assert list(mixture.weights) == pytest.approx(shares(3, 0.4))
    drove = [np.mean(given.column("control.source") == "human") for given, _ in fit.given]
    assert drove[0] == 1.0
    assert drove[1:] == pytest.approx([0.6, 0.36], abs=0.12)
    for given, _ in fit.given:
        assert given.num_episodes == 20
        assert labels(given)[0].all()


def test_aggrevate_labels_one_step_of_each_episode_with_the_cheapest_action():
    fit = Watching()
    aggrevate(_interaction(fit, episodes=30), 1, HORIZON, tried=5)
    (given, weights) = fit.given[0]
    taught = _taught(given)
    assert all(len(steps) == 1 for steps in taught)
    assert {steps[0] for steps in taught} >= {0, HORIZON - 1}  # drawn from all of them
    assert (weights[labels(given)[0]] > 0).all()
    assert np.count_nonzero(weights) == 30


def test_aggrevate_leaves_out_episodes_where_every_action_cost_the_same():
    """Else one of them may be all that is held out, or all that is left to train on."""
    indifferent = iter(range(1_000))

    def sometimes(step) -> float:
        moved = -float(step.observation["observation.state"][1])
        return moved if tried[0] % 2 else 1.0

    tried = [0]
    env, expert = _world()
    reset = env.reset

    def counted(seed=None):
        tried[0] = next(indifferent)
        return reset(seed)

    env.reset = counted
    fit = Watching(held_out=0.5)
    aggrevate(Interaction(env, expert, fit, 8), 2, HORIZON, cost=sometimes)
    for given, weights in fit.given:
        episode = np.searchsorted(given.starts, np.flatnonzero(weights), side="right") - 1
        assert episode.tolist() == list(range(given.num_episodes))
        assert given.num_episodes <= 4 * len(fit.given)


class _Pick(gymnasium.Env):
    """Two steps; the first of three choices costs 3, the others 0 and 6."""

    observation_space = gymnasium.spaces.Box(-1.0, 9.0, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(3)
    _at = 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._at = 0.0
        return self._seen(), {}

    def step(self, action):
        self._at += 1.0
        return self._seen(), -float((3, 0, 6)[int(action)]), False, False, {}

    def get_state(self):
        return np.array([self._at])

    def set_state(self, state):
        self._at = float(state[0])

    def _seen(self):
        return np.array([self._at], np.float32)


class _First:
    def reset(self, seed=None):
        pass

    def act(self, observation):
        return np.int64(0)


def test_aggrevate_tries_each_choice_once():
    gymnasium.register("ilrobot-tests/Pick-v0", _Pick)
    env = make_env("ilrobot-tests/Pick-v0")
    env.reset(0)
    given = []
    first = ScriptedActor(_First(), env)

    def fit(recordings, frame_weights=None):
        given.append((recordings, frame_weights))
        return NOBODY

    aggrevate(Interaction(env, first, fit, 1), 1, 1)
    ((recordings, weights),) = given
    assert labels(recordings)[1].tolist() == [1]
    assert weights.tolist() == [3.0]  # the mean of 3, 0 and 6, and not of 3, 3, 0 and 6


def test_aggrevates_label_costs_no_more_than_the_expert_whose_costs_it_is_told():
    """A cost that wants the point to go up: the expert's own action is never the cheapest."""
    env, expert = _world()
    fit = Watching()
    start: list[float] = []

    def height(step) -> float:
        return -float(step.observation["observation.state"][1])

    aggrevate(Interaction(env, expert, fit, 20), 1, HORIZON, tried=6, cost=height)
    given, _ = fit.given[0]
    teaches, values = labels(given)
    for state, label in zip(
        given.column("observation.state")[teaches], values[teaches], strict=True
    ):
        env.raw_observation = {"state": state}
        start.append(float(label[0] - expert.act({}, 0.0).action[0]))
    assert np.mean(np.array(start) > 0) >= 0.9


def test_several_policies_are_kept_and_evaluated_again(tmp_path: Path):
    env, expert = _world()
    fit = in_folder(POLICIES["single-step"], TRAINING, tmp_path / "fits")
    learnt = smile(Interaction(env, expert, fit, 2), rounds=2)
    assert Run.read(tmp_path / "fits" / "fit-2").done
    save_policies(learnt, tmp_path / "kept")
    again = load_policies(tmp_path / "kept")
    costs = [
        evaluate(lambda several=several: (_world()[0], several.actor()), [5]).results[0]
        for several in (learnt, again)
    ]
    assert costs[0].total_reward == costs[1].total_reward


def _refused(run) -> str:
    with pytest.raises((UserError, WorkFailed)) as caught:
        run()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_input_is_one_line():
    fit = Watching()
    interaction = _interaction(fit)
    assert "at least 1 round" in _refused(lambda: smile(interaction, rounds=0))
    assert "between 0 and 1" in _refused(lambda: smile(interaction, 2, alpha=1.0))
    assert "at least 1 step" in _refused(lambda: forward_training(interaction, 0))
    assert "tried must be at least 2" in _refused(lambda: aggrevate(interaction, 1, 5, tried=1))
    assert "rounds must be at least 1" in _refused(lambda: aggrevate(interaction, 0, 5))
    assert "at least 1 episode" in _refused(lambda: replace(interaction, episodes=0))
    assert not fit.given


def test_a_task_whose_state_cannot_be_restored_is_refused():
    env = make_env("CartPole-v1")
    _, expert = _world()
    said = _refused(lambda: aggrevate(Interaction(env, expert, Watching(), 1), 1, 5))
    assert "CartPole-v1 cannot be restored" in said


def test_a_person_cannot_be_asked_at_every_step():
    env, expert = _world()
    expert.attends = True
    assert "no person can give" in _refused(lambda: Interaction(env, expert, Watching(), 1))


def test_a_cost_that_tells_no_actions_apart_is_said():
    interaction = _interaction(Watching())
    said = _refused(lambda: aggrevate(interaction, 1, HORIZON, cost=lambda step: 1.0))
    assert "every action cost the same" in said
    said = _refused(lambda: aggrevate(interaction, 1, HORIZON, cost=lambda step: np.nan))
    assert "cost of a step must be finite" in said
