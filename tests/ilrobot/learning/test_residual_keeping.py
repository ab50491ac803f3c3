"""What a residual is compared with, and that nothing worse than its clone comes out."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.finetuning.keeping import KEPT_FILE, Keeper, attempted
from ilrobot.learners.finetuning.residual import ResidualLearner
from ilrobot.learners.finetuning.residual_config import ResidualTd3Config
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual import without_residual
from tests.ilrobot.learning import planar_world
from tests.ilrobot.learning.test_residual_learner import QUICK, TASK, made_beside_still

COMPARED = replace(QUICK, every=800, attempts=8)


@pytest.fixture
def env() -> Iterator[TaskVectorEnv]:
    env = TaskVectorEnv(partial(make_env, TASK), 4, seed=0, success_only=True)
    yield env
    env.close()


def _backwards(policy: Policy) -> Policy:
    """The same with a residual that leads away from the goal."""
    made = without_residual(policy)
    with torch.no_grad():
        made.head.network[-1].bias[0] = -9.0
    return made


def _forwards(policy: Policy) -> Policy:
    """The same with a residual that leads to the goal."""
    made = without_residual(policy)
    with torch.no_grad():
        made.head.network[-1].bias[0] = 9.0
    return made


def test_attempts_are_as_many_in_each_copy_and_the_same_for_every_policy(env: TaskVectorEnv):
    still = made_beside_still(env)
    there, steps = attempted(_forwards(still), env, 10, seed=7)
    assert there == 1.0
    # Three in each of four copies; 0.8 m in steps of at most a tenth.
    assert steps % 4 == 0
    assert 3 * 7 * 4 <= steps <= 3 * planar_world.LIMIT * 4
    assert attempted(_forwards(still), env, 10, seed=7) == (there, steps)
    assert attempted(_backwards(still), env, 10, seed=7) == (0.0, 3 * planar_world.LIMIT * 4)


def test_what_does_worse_is_not_kept_and_what_does_as_well_is(env: TaskVectorEnv):
    still = made_beside_still(env)
    good, bad = _forwards(still), _backwards(still)
    keeper = Keeper(good, env, 8, seed=3)
    assert keeper.compare(bad)[0] == 0.0
    assert (keeper.first, keeper.rate) == (1.0, 1.0)
    assert _same(keeper.kept, good)
    again = Keeper(still, env, 8, seed=3)
    again.load_state(copy.deepcopy(keeper.state()))
    assert _same(again.kept, good)
    assert again.rate == 1.0
    other = copy.deepcopy(good)
    with torch.no_grad():
        other.head.network[-1].bias[0] = 8.0
    again.compare(other)
    assert _same(again.kept, other)


def test_what_is_kept_is_counted_from_beginnings_that_decided_nothing(
    env: TaskVectorEnv, monkeypatch: pytest.MonkeyPatch
):
    begun: list[int] = []
    reseed = env.reseed
    monkeypatch.setattr(env, "reseed", lambda seed: (begun.append(seed), reseed(seed)))
    keeper = Keeper(_forwards(made_beside_still(env)), env, 6, seed=3)
    keeper.compare(_backwards(keeper.kept))
    decided = set(begun)
    begun.clear()
    told, steps = keeper.afresh()
    same = {"clone": 1.0, "kept": 1.0, "attempts": 8, "learnt": False}
    assert told == same  # as many in each of four copies
    assert len(begun) == 1  # the clone itself is kept
    keeper.kept.head.network[-1].bias.data[0] = 8.0
    again, more = keeper.afresh()
    assert again == {**same, "learnt": True}
    assert len(begun) == 3
    assert len(set(begun)) == 1  # the same ones for both
    assert not set(begun) & decided
    assert more == 2 * steps


def test_without_its_residual_a_policy_is_its_base(env: TaskVectorEnv):
    still = made_beside_still(env)
    assert attempted(without_residual(_forwards(still)), env, 8, seed=0)[0] == 0.0
    assert attempted(_forwards(still), env, 8, seed=0)[0] == 1.0


def test_a_learner_hands_back_what_it_kept(env: TaskVectorEnv, tmp_path: Path):
    learner = ResidualLearner(made_beside_still(env), env, COMPARED, 0, steps=700)
    assert "kept" not in learner.improve()  # all but 188 steps were the critics' alone
    assert attempted(learner.policy, env, 8, seed=0)[0] == 0.0
    told = learner.improve()
    assert told["clone"] == 0.0
    assert told["kept"] == told["learnt"]
    state = copy.deepcopy(learner.state())
    resumed = ResidualLearner(made_beside_still(env), env, COMPARED, 0)
    resumed.load_state(state)
    assert _same(resumed.policy, learner.policy)

    learner.improve()
    before = learner.steps
    learner.leave(tmp_path)  # the last steps are compared at the end
    assert learner.steps > before
    kept = json.loads((tmp_path / KEPT_FILE).read_text())
    assert kept["clone"] == 0.0
    assert kept["kept"] > 0.5
    assert kept["attempts"] == 8
    assert kept["learnt"]
    assert kept["last_steps"] == learner.steps - before
    assert attempted(learner.policy, env, 40, seed=0)[0] > 0.5


def test_fewer_attempts_than_none_are_refused():
    with pytest.raises(UserError, match="--attempts must be at least 0, not -1"):
        ResidualTd3Config(attempts=-1).check()


def _same(one: Policy, other: Policy) -> bool:
    weights = other.state_dict()
    return all(torch.equal(value, weights[name]) for name, value in one.state_dict().items())
