"""GAIL and AIRL against an expert on a line: what they learn, and what ends them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.data.recordings import Recordings
from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.errors import WorkFailed
from ilrobot.learners.adversarial.contest import Contest
from ilrobot.learners.adversarial.discriminator import DiscriminatorConfig
from ilrobot.learners.adversarial.divergence import LastRounds, guessing_loss
from ilrobot.learners.adversarial.making import DEFAULTS, Method, make_contest
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.finetuning.reinforced import ReinforcedLearner
from ilrobot.learners.online import describe_online, train_online
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH, PpoConfig
from ilrobot.learners.reinforcement.reinforcer import make_reinforcer
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import new_policy
from ilrobot.policies.policy import Policy
from ilrobot.rewards.model import REWARD_FILE, RewardModel
from ilrobot.run import Run
from tests.exhaustive import thinned
from tests.ilrobot.learning import line_world

QUICK = PpoConfig(rollout=512, batch_size=64, epochs=5, learning_rate=2e-3, discount=0.9)
FAST = DiscriminatorConfig(updates=16, batch_size=128, learning_rate=3e-3, penalty=1.0)


@pytest.fixture
def env() -> Iterator[TaskVectorEnv]:
    env = TaskVectorEnv(lambda: make_env(line_world.TASK), 4, seed=0)
    yield env
    env.close()


def expert(episodes: int = 20) -> Transitions:
    """It halves its distance from x = 1/2 with each step."""
    way = np.random.default_rng(0).uniform(-1.5, 0.5, (episodes, 1))
    x = 0.5 + way * 0.5 ** np.arange(line_world.LIMIT + 1)
    seen = np.stack([x, 5 + 100 * x], axis=2).astype(np.float32)
    actions = (4 * np.diff(x)).astype(np.float32).reshape(-1, 1)
    count = len(actions)
    never = np.zeros(count, bool)
    return Transitions(
        observations=seen[:, :-1].reshape(count, 2),
        actions=actions,
        rewards=None,
        next_observations=seen[:, 1:].reshape(count, 2),
        terminal=never,
        timeout=never,
        episode=np.arange(count) // line_world.LIMIT,
    )


def contest(
    env: TaskVectorEnv,
    method: Method = "gail",
    discriminator: DiscriminatorConfig = FAST,
    **changes,
) -> Contest:
    torch.manual_seed(0)
    policy = new_policy(env.task, SCRATCH, INITIAL_LOG_STD)
    config = replace(DEFAULTS[method], ppo=QUICK, discriminator=discriminator)
    config = replace(config, reward=replace(config.reward, width=32, **changes))
    return make_contest(config, policy, env, expert(), seed=0)


def _away(found: Contest) -> float:
    """How far a step of the policy ends from where the expert's does."""
    x = torch.linspace(-0.5, 1, 21)
    seen = torch.stack([x, 5 + 100 * x], dim=1)
    with torch.no_grad():
        action = found.policy({"observation.state": seen[:, None]})[:, 0, 0].clamp(-2, 2)
    return float((x + action / 4 - (x + 0.5) / 2).abs().mean())


@pytest.mark.parametrize("method", thinned(["gail", "airl"], ["gail"]))
def test_the_policy_comes_to_do_what_the_expert_does(env: TaskVectorEnv, method: Method):
    changes = {"inputs": "state-action"} if method == "airl" else {}
    found = contest(env, method, **changes)
    before = _away(found)
    while found.steps < 7_000:
        said = found.improve()
    assert {"loss", "expert_accuracy", "policy_accuracy", "return", "length"} <= said.keys()
    assert before > 0.2
    assert _away(found) < 0.15


def test_the_reward_that_is_left_is_what_the_policy_learnt_from(env: TaskVectorEnv, tmp_path):
    found = contest(env, termination_bias="survive")
    found.improve()
    found.leave(tmp_path)
    made = expert()
    np.testing.assert_allclose(
        RewardModel.load(tmp_path / REWARD_FILE).of(made), found.rewards(made), atol=1e-5
    )


def test_what_airl_leaves_is_neither_shaped_nor_knows_the_policy(env: TaskVectorEnv, tmp_path):
    found = contest(env, "airl")
    found.improve()
    found.leave(tmp_path)
    left = RewardModel.load(tmp_path / REWARD_FILE)
    made = expert()
    assert not left.config.reads_action
    assert np.abs(left.of(made) - found.rewards(made)).mean() > 0.1
    again = replace(made, actions=made.actions + 1, next_observations=made.observations)
    np.testing.assert_array_equal(left.of(made), left.of(again))


def test_a_normalised_spectrum_is_folded_into_the_reward_that_is_left(env: TaskVectorEnv, tmp_path):
    torch.manual_seed(0)
    policy = new_policy(env.task, SCRATCH, INITIAL_LOG_STD)
    spectral = replace(FAST, regularizer="spectral-norm")
    found = make_contest(
        replace(DEFAULTS["gail"], ppo=QUICK, discriminator=spectral), policy, env, expert(), seed=0
    )
    found.improve()
    found.leave(tmp_path)
    found.discriminator.eval()
    made = expert()
    np.testing.assert_allclose(
        RewardModel.load(tmp_path / REWARD_FILE).of(made), found.rewards(made), atol=1e-5
    )


def test_an_end_is_worth_what_staying_in_the_absorbing_state_is(env: TaskVectorEnv):
    found = contest(env, absorbing=True, termination_bias="finish")
    found.improve()
    made = expert(2)
    ends = np.zeros(40, bool)
    ends[[7, 20]] = True
    without, with_ends = found.rewards(made), found.rewards(replace(made, terminal=ends))
    model = found.discriminator.reward
    rows = [model.tensor(r) for r in (made.observations, made.actions, made.next_observations)]
    over = torch.ones(40)
    with torch.no_grad():
        staying = float(model(*rows, absorbing=over, next_absorbing=over)[0])
    expected = without.copy()
    expected[ends] += 0.9 / (1 - 0.9) * staying
    np.testing.assert_allclose(with_ends, expected, rtol=1e-4)
    assert staying < 0
    plain = contest(env, termination_bias="finish")
    plain.improve()
    np.testing.assert_array_equal(plain.rewards(made), plain.rewards(replace(made, terminal=ends)))


@pytest.mark.exhaustive  # that the part is given at all: test_reward_model, test_ppo_learner
def test_by_the_reward_that_is_left_a_new_policy_learns_not_to_fall(env: TaskVectorEnv):
    """Each step is paid below 0, so that to fall would be best without what is known of ends."""
    found = contest(env, absorbing=True, termination_bias="finish")
    while found.steps < 10_000:
        found.improve()
    left = found.discriminator.left()
    lengths = []
    for reward in (left.of, partial(left.of, discount=QUICK.discount)):
        env.reseed(1)
        torch.manual_seed(1)
        policy = new_policy(env.task, SCRATCH, INITIAL_LOG_STD)
        learner = ReinforcedLearner(make_reinforcer(policy, env, QUICK, 1), reward)
        while learner.steps < 10_000:
            told = learner.improve()
        lengths.append(told["length"])
    assert lengths[0] < 5
    assert lengths[1] > 18


def test_an_experts_end_counts_no_more_than_a_step_of_which_others_are_left_out(env):
    made = expert(20)  # of 20 steps each
    last = np.arange(len(made)) % line_world.LIMIT == line_world.LIMIT - 1
    known = replace(made, terminal=last).where(last | (np.arange(len(made)) % 5 == 0))
    torch.manual_seed(0)
    policy = new_policy(env.task, SCRATCH, INITIAL_LOG_STD)
    config = replace(DEFAULTS["gail"], ppo=QUICK, discriminator=FAST)
    config = replace(config, reward=replace(config.reward, absorbing=True))
    found = make_contest(config, policy, env, known, seed=0, every=5)
    drawn = found._expert.draw(10_000, torch.Generator().manual_seed(0), found._weights)
    assert float(drawn.absorbing.mean()) == pytest.approx(1 / 22, abs=0.01)


def test_it_goes_on_where_it_was(env: TaskVectorEnv):
    found = contest(env, "airl")
    for _ in range(3):
        found.improve()
    again = contest(env, "airl")
    again.load_state(found.state())
    assert again.steps == found.steps
    np.testing.assert_array_equal(found.rewards(expert()), again.rewards(expert()))
    assert torch.equal(again._memory.rows.observations, found._memory.rows.observations)
    assert all(np.isfinite(value) for value in again.improve().values())


def test_a_discriminator_that_diverges_is_told(env: TaskVectorEnv):
    found = contest(env)
    with torch.no_grad():
        found.discriminator.reward.network[-1].bias.fill_(np.inf)
    with pytest.raises(WorkFailed, match="discriminator diverged after 512 environment steps"):
        found.improve()


HASTY = replace(FAST, learning_rate=0.99, penalty=10.0)


def _until_told(found: Contest) -> str:
    with pytest.raises(WorkFailed) as told:  # noqa: PT012
        while found.steps < 512 * 30:
            found.improve()
    return str(told.value)


def test_a_discriminator_that_diverges_and_stays_finite_is_told(env: TaskVectorEnv):
    said = _until_told(contest(env, discriminator=HASTY))
    assert "diverged: in 6 of the last 10 rounds it erred more than 1.5 times as much" in said
    assert "by guessing 0.693, after " in said
    assert "a lower --discriminator-learning-rate" in said


def test_it_is_told_again_by_a_run_that_goes_on_and_the_checkpoint_is_kept(
    env: TaskVectorEnv, tmp_path: Path
):
    config = TrainConfig(steps=512 * 30, checkpoint_seconds=1e-9, device="cpu")
    for resume in (False, True):
        found = contest(env, discriminator=HASTY)
        described = describe_online("gail", found.policy, config, {}, tmp_path / "run", None, None)
        with pytest.raises(WorkFailed, match=r"diverged: in .*keeps the checkpoint from before"):
            train_online(found, described, tmp_path / "run", resume=resume, record=_not_asked)
        assert Run.read(tmp_path / "run").description.status == "failed"
        kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["training"]
        assert sum(kept["learner"]["last_rounds"]) == 5


def _not_asked(policy: Policy, folder: Path) -> Recordings:
    raise AssertionError("attempts are recorded of policies that were learnt")


@pytest.mark.parametrize(("method", "rate"), [("gail", 1e-2), ("airl", 1e-5)])
def test_a_discriminator_that_learns_quickly_or_hardly_does_not_diverge(
    env: TaskVectorEnv, method: Method, rate: float
):
    found = contest(env, method, discriminator=replace(FAST, learning_rate=rate))
    while found.steps < 512 * 6:
        found.improve()
    assert not any(found._last_rounds.state())


def test_more_than_half_of_the_last_rounds_have_to_be_worse_than_guessing():
    last = LastRounds(updates=16)
    for loss in (9.0, 9.0, 9.0, 0.1, 9.0, 1.4, 9.0):
        assert not last.diverging
        last.add(loss, guessing=1.0)
    assert not last.diverging
    last.add(1.6, guessing=1.0)
    assert last.diverging == "6 of the last 10 rounds"
    for _ in range(5):
        last.add(1.0, guessing=1.0)
    assert not last.diverging

    few = LastRounds(updates=2)
    for _ in range(40):
        few.add(9.0, guessing=1.0)
    assert not few.diverging
    few.add(9.0, guessing=1.0)
    assert few.diverging == "41 of the last 80 rounds"


def test_guessing_errs_as_much_as_what_is_known_without_learning():
    assert guessing_loss(0.01) == pytest.approx(0.693, abs=1e-3)
    assert guessing_loss(3.0) == 3.0
