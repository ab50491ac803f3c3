"""SAC and TD3 on our policies: what they learn, what they remember, and their command lines."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.evaluate import evaluate
from ilrobot.learners.reinforcement.config import (
    INITIAL_LOG_STD,
    SCRATCH,
    OffPolicyConfig,
    SacConfig,
    Td3Config,
)
from ilrobot.learners.reinforcement.reinforcer import make_reinforcer
from ilrobot.learners.reinforcement.td3 import MeanActor
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.density import PolicyDensity, new_policy
from ilrobot.policies.policy import Policy
from tests.exhaustive import thinned
from tests.ilrobot.learner_tester import Case, check_kill, check_mistake, check_run
from tests.ilrobot.learning import line_world
from tests.ilrobot.policy_tester import assert_same_weights

TASK = line_world.TASK
METHODS = ("sac", "td3")
SMALL = ("--task", TASK, "--copies", "2", "--starts", "100", "--updates", "0.05")


@pytest.fixture(params=METHODS)
def quick(request: pytest.FixtureRequest) -> OffPolicyConfig:
    """A configuration of each algorithm that learns within seconds."""
    return {"sac": SacConfig, "td3": Td3Config}[request.param](
        rollout=32,
        starts=200,
        batch_size=64,
        memory=4_000,
        learning_rate=3e-3,
        discount=0.9,
        follow=0.02,
        critic_width=32,
    )


@pytest.fixture
def short_bouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of critics that learn alone."""
    for module in ("config", "off_policy"):
        monkeypatch.setattr(f"ilrobot.learners.reinforcement.{module}.CRITIC_BOUT", 10)


@pytest.fixture
def env() -> Iterator[TaskVectorEnv]:
    env = TaskVectorEnv(partial(make_env, TASK), 4, seed=0)
    yield env
    env.close()


def _policy(env: TaskVectorEnv, *, cloned: bool = False) -> Policy:
    """A new one (`cloned`: whose actions are normalised as a clone's, by their deviation)."""
    torch.manual_seed(0)
    policy = new_policy(env.task, SCRATCH, INITIAL_LOG_STD)
    if cloned:
        policy.action_normalizer.adopt(*(np.array([x]) for x in (0.3, 0.25, -2.0, 2.0)))
    return policy


def test_it_learns_the_tasks_reward_and_acts_within_its_limits(
    env: TaskVectorEnv, quick: OffPolicyConfig
):
    policy = _policy(env)
    made = make_reinforcer(policy, env, quick, 0).learn(600)
    assert len(made) >= 600
    assert np.abs(made.transitions.actions).max() <= 2
    measured = evaluate(lambda: (make_env(TASK), policy.actor()), range(10))
    assert measured.to_json()["return_mean"] > 0.7 * line_world.LIMIT


@pytest.mark.parametrize(
    ("quick", "cloned"),
    thinned(product(METHODS, [False, True]), [("td3", True)]),
    indirect=["quick"],
)
def test_a_reward_takes_the_place_of_the_tasks(
    cloned: bool, env: TaskVectorEnv, quick: OffPolicyConfig
):
    def reward(steps: Transitions) -> np.ndarray:
        return -np.abs(steps.actions[:, 0] - 1)

    policy, config = _policy(env, cloned=cloned), replace(quick, discount=1e-4)
    made = make_reinforcer(policy, env, config, 0, fit_observations=not cloned).learn(700, reward)
    assert made.transitions.actions[-128:].mean() == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("quick", thinned(METHODS, ["sac"]), indirect=True)
def test_a_leash_keeps_the_policy_where_it_was(env: TaskVectorEnv, quick: OffPolicyConfig):
    moved = []
    for weight in (0.05, 100.0):
        policy, reference = _policy(env), _policy(env)
        made = make_reinforcer(
            policy,
            env,
            quick,
            0,
            reference=reference,
            kl_weight=weight,
            fit_observations=False,
        ).learn(320)
        density = PolicyDensity(policy)
        with torch.no_grad():
            given = density.encode(torch.from_numpy(made.transitions.observations))
            away = density.divergence(PolicyDensity(reference), given, *density.given(given))
        moved.append(float(away.mean()))
    assert moved[1] < 0.1 * moved[0]


def test_it_remembers_where_an_episode_was_cut_off(env: TaskVectorEnv, quick: OffPolicyConfig):
    learner = make_reinforcer(_policy(env), env, quick, 0)
    made = learner.learn(128).transitions
    kept = learner.state()["memory"]
    order = np.lexsort(made.observations.T)
    for name, values in (
        ("observations", made.observations),
        ("next_observations", made.next_observations),
    ):
        flat = kept[name].numpy().reshape(-1, 2)
        np.testing.assert_array_equal(flat[np.lexsort(flat.T)], values[np.lexsort(values.T)])
    flat = kept["observations"].numpy().reshape(-1, 2)
    cut = kept["timeouts"].numpy().reshape(-1)[np.lexsort(flat.T)].astype(bool)
    np.testing.assert_array_equal(cut, made.timeout[order])
    assert cut.any()


def test_it_remembers_what_a_clone_executed(env: TaskVectorEnv, quick: OffPolicyConfig):
    policy = _policy(env, cloned=True)
    learner = make_reinforcer(policy, env, quick, 0, fit_observations=False)
    made = learner.learn(160).transitions
    assert np.abs(made.actions).max() > 0.3 + 0.25
    remembered = learner.state()["memory"]["actions"].numpy().reshape(-1)
    scale = float(MeanActor(policy).scale) if isinstance(quick, Td3Config) else 1.0
    executed = (made.actions[:, 0] - 0.3) / 0.25
    np.testing.assert_allclose(np.sort(remembered * scale), np.sort(executed), atol=1e-4)


def test_critics_learn_alone_before_a_policy_that_can_do_something(
    env: TaskVectorEnv, quick: OffPolicyConfig
):
    config = replace(quick, starts=128, updates=1 / 32, critic_updates=50)
    learner = make_reinforcer(_policy(env), env, config, 0, fit_observations=False)
    learner.learn(256)
    actor, critics = (kept["state"][0]["step"] for kept in learner.state()["optimizers"])
    later = 3 // getattr(config, "delay", 1)
    assert (actor, critics) == (later, 53)


def test_updates_that_a_rollout_is_too_short_for_are_made_later(
    env: TaskVectorEnv, quick: OffPolicyConfig
):
    config = replace(quick, starts=64, updates=1 / 64)
    learner, again = (make_reinforcer(_policy(env), env, config, 0) for _ in range(2))
    learner.learn(96)  # the first rollout that is learnt from is half of what an update is for
    assert not learner.state()["optimizers"][1]["state"]
    again.load_state(copy.deepcopy(learner.state()))
    for one in (learner, again):
        one.learn(96)
        assert one.state()["optimizers"][1]["state"][0]["step"] == 2


@pytest.mark.usefixtures("short_bouts")
def test_the_temperature_waits_while_the_critics_learn_alone(env: TaskVectorEnv):
    config = SacConfig(rollout=32, starts=64, batch_size=32, memory=4_000, critic_updates=12)
    policy = new_policy(env.task, SCRATCH, -3.0)  # so precise that its entropy is too little
    learner = make_reinforcer(policy, env, config, 0, fit_observations=False)
    learner.learn(64)
    begun = learner.state()["log_temperature"].clone()
    learner.learn(64)
    assert torch.equal(learner.state()["log_temperature"], begun)
    learner.learn(64)
    assert not torch.equal(learner.state()["log_temperature"], begun)


@pytest.mark.parametrize("quick", thinned(METHODS, ["td3"]), indirect=True)
@pytest.mark.usefixtures("short_bouts")
def test_critics_alone_learn_in_bouts_that_are_told(env: TaskVectorEnv, quick: OffPolicyConfig):
    config = replace(quick, starts=128, critic_updates=24)
    learner = make_reinforcer(_policy(env), env, config, 0, fit_observations=False)
    told = []
    for _ in range(3):
        learner.learn(160 if not told else quick.rollout)
        told.append(learner.diagnostics.get("critic_updates"))
    assert told == [10, 20, None]


@pytest.mark.parametrize("away", [2.0, 0.0])
def test_the_entropy_that_is_wanted_is_of_what_moves(env: TaskVectorEnv, away: float):
    policy = _policy(env)
    shown = (0.3, away / 8, 0.3 - away, 0.3 + away)
    policy.action_normalizer.adopt(*(np.array([x]) for x in shown))
    learner = make_reinforcer(policy, env, SacConfig(rollout=32), 0, fit_observations=False)
    assert learner._model.target_entropy == -float(away > 0)


@pytest.mark.usefixtures("short_bouts")
def test_until_when_the_policy_learns_nothing_is_known(env: TaskVectorEnv, quick: OffPolicyConfig):
    config = replace(quick, starts=quick.rollout + 1, critic_updates=12)
    assert config.before_learning == 4 * quick.rollout  # two of trying, two of critics alone
    policy = _policy(env)
    learner = make_reinforcer(policy, env, config, 0, fit_observations=False)
    begun = copy.deepcopy(policy)
    learner.learn(config.before_learning)
    assert_same_weights(policy, begun)
    learner.learn(2 * quick.rollout)  # td3's policy learns at every second update
    with pytest.raises(AssertionError):
        assert_same_weights(policy, begun)


@pytest.mark.parametrize("quick", thinned(METHODS, ["sac"]), indirect=True)
def test_a_state_goes_on(env: TaskVectorEnv, quick: OffPolicyConfig):
    first = make_reinforcer(_policy(env), env, quick, 0)
    first.learn(300)
    state = copy.deepcopy(first.state())
    resumed = []
    for _ in range(2):
        learner = make_reinforcer(_policy(env), env, quick, 0)
        learner.load_state(copy.deepcopy(state))
        assert learner.steps == first.steps
        learner.learn(64)
        resumed.append(learner.policy.state_dict())
    assert all(torch.equal(resumed[0][name], resumed[1][name]) for name in resumed[0])


def test_a_memory_of_td3_before_it_was_divided_goes_on(env: TaskVectorEnv):
    config = Td3Config(rollout=32, starts=200, batch_size=64, memory=1_000, critic_width=32)
    learner, other = (
        make_reinforcer(_policy(env, cloned=True), env, config, 0, fit_observations=False)
        for _ in range(2)
    )
    learner.learn(160)
    kept = learner.state()
    before = {name: value for name, value in kept.items() if name != "scaled"}
    scale = MeanActor(learner.policy).scale
    before["memory"] = {**kept["memory"], "actions": kept["memory"]["actions"] * scale}
    other.load_state(before)
    torch.testing.assert_close(other.state()["memory"]["actions"], kept["memory"]["actions"])


def test_a_reward_that_is_not_finite_is_told(env: TaskVectorEnv, quick: OffPolicyConfig):
    with pytest.raises(WorkFailed, match="no longer finite"):
        make_reinforcer(_policy(env), env, quick, 0).learn(
            1, lambda steps: np.full(len(steps), np.nan)
        )


def test_a_rollout_that_copies_cannot_share_is_refused(env: TaskVectorEnv, quick: OffPolicyConfig):
    with pytest.raises(UserError, match="a rollout of 33 steps"):
        make_reinforcer(_policy(env), env, replace(quick, rollout=33), 0)


def test_td3s_actions_pass_stable_baselines_unchanged_however_far_their_limits(env: TaskVectorEnv):
    """It cuts off at ±1; with a deviation of 0.25 the limits ±2 lie at ±8."""
    policy = _policy(env)
    policy.action_normalizer.adopt(*(np.array([x]) for x in (0.0, 0.25, -2.0, 2.0)))
    with torch.no_grad():
        for weights in policy.head.parameters():
            weights.mul_(50)
    actor = MeanActor(policy)
    seen = torch.tensor([[x, 5 + 100 * x] for x in np.linspace(-1, 1, 41)]).float()
    given = actor(seen)
    assert given.abs().max() <= 1
    wanted = PolicyDensity(policy).distribution(seen)[0].clamp(-8, 8)
    assert wanted.abs().max() == 8
    assert (wanted.abs() < 7).any()
    assert torch.equal(given * actor.scale, wanted)


@pytest.mark.parametrize("method", thinned(METHODS, ["td3"]))
def test_from_the_command_line(method: str, tmp_path: Path, capsys):
    check_run(Case(method, (*SMALL, "--steps", "512"), (), TASK), tmp_path, capsys)


@pytest.mark.parametrize("method", thinned(METHODS, ["sac"]))
def test_a_kill_loses_nothing(method: str, tmp_path: Path):
    check_kill(Case(method, SMALL, ("--steps", "900000000"), TASK), tmp_path)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--updates", "0"], "--updates must be positive, not 0.0"),
        (["--starts", "-1"], "--starts must be at least 0"),
    ],
)
def test_a_mistake_is_one_line(method: str, options: list[str], said: str, tmp_path: Path, capsys):
    output = ["--output", str(tmp_path / "run")]
    arguments = ["train", "--learner", method, "--task", TASK, *options]
    check_mistake([*arguments, *output], said, capsys)
