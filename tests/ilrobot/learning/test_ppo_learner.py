"""``ilrobot train --learner ppo``: from scratch, from a clone, by a learnt reward, and misused."""

import math
from pathlib import Path

import gymnasium as gym
import pytest
import torch

from ilrobot.cli import _main
from ilrobot.cli.demo_plan import DEPLOYMENT_SEED
from ilrobot.cli.eval import Eval
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.env import make_env
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.reinforcement.attempts import record_attempts
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.density import PolicyDensity, new_policy
from ilrobot.policies.loading import load_policy
from ilrobot.rewards.config import RewardConfig
from ilrobot.rewards.model import RewardModel
from ilrobot.run import Run, read_metrics
from ilrobot.run_description import TrainDescription
from tests.ilrobot.learner_tester import Case, check_kill, check_mistake, check_run
from tests.ilrobot.learning import line_world
from tests.ilrobot.policy_tester import assert_same_weights

TASK = line_world.TASK
ENDLESS = "line_world/Endless-v0"
gym.register(ENDLESS, line_world.Line)
SMALL = ("--task", TASK, "--copies", "2", "--rollout", "128")
SCRATCHED = Case("ppo", (*SMALL, "--steps", "256"), ("--steps", "900000000"), TASK)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of cloning what a policy that knows nothing does."""
    folder = tmp_path_factory.mktemp("clone")
    env = make_env(TASK)
    policy = new_policy(env.spec, SCRATCH, INITIAL_LOG_STD)
    env.close()
    data = record_attempts(policy, folder / "data", lambda: make_env(TASK), seed=0)
    config = TrainConfig(steps=20, warmup=2, validate_every=10, device="cpu")
    train(data, PolicyConfig(width=16, blocks=1), config, folder / "run")
    return folder / "run"


def test_from_scratch(tmp_path: Path, capsys):
    check_run(SCRATCHED, tmp_path, capsys)


def test_a_policy_that_nobody_taught_is_exported_though_it_fails(tmp_path: Path):
    run, file = tmp_path / "run", tmp_path / "policy.onnx"
    options = ("--task", "ilrobot/PointPath-v0", "--copies", "2", "--rollout", "128")
    asked = ["train", "--learner", "ppo", *options, "--steps", "128", "--output", str(run)]
    assert _main(asked) == 0
    made = Dataset.open(run / "dataset").infos
    assert {info.outcome for info in made} == {Outcome.FAILURE}
    evaluated = range(Eval(policy=run).seed, DEPLOYMENT_SEED)
    assert not {info.seed for info in made} & set(evaluated)
    assert _main(["export", "--policy", str(run), "--output", str(file)]) == 0
    assert _main(["verify", str(file)]) == 0


@pytest.mark.exhaustive  # AIRL learns by it: test_adversarial_learners
def test_a_kill_loses_nothing(tmp_path: Path):
    check_kill(Case("ppo", SMALL, ("--steps", "900000000"), TASK), tmp_path)


def test_from_a_clone_on_a_leash(clone: Path, tmp_path: Path, capsys):
    options = ("--from", str(clone), "--leash", "0.5", "--copies", "2", "--rollout", "128")
    check_run(Case("ppo", (*options, "--steps", "512"), (), TASK), tmp_path, capsys)
    run = Run.read_as(tmp_path / "run", TrainDescription).description
    assert run.initial is not None
    assert run.settings["leash"] == 0.5
    assert run.config.policy.width == 16
    assert run.dataset == Run.read(clone).description.dataset


def test_a_run_of_another_learner_is_called_so(clone: Path, tmp_path: Path, capsys):
    begun = ["train", "--learner", "ppo", *SMALL, "--output", str(clone), "--resume"]
    check_mistake(begun, "was begun with --learner bc, not ppo", capsys)


def test_by_a_learnt_reward(tmp_path: Path):
    env = make_env(TASK)
    reward = RewardModel(env.spec, RewardConfig(width=8))
    env.close()
    reward.save(tmp_path / "reward.pt")
    arguments = ["train", "--learner", "ppo", *SMALL, "--steps", "128", "--reward", str(tmp_path)]
    assert _main([*arguments, "--output", str(tmp_path / "run")]) == 0
    settings = Run.read_as(tmp_path / "run", TrainDescription).description.settings
    assert len(settings["reward"]) == 16


def test_a_learnt_reward_knows_of_ends_by_the_learners_discount(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
):
    env = make_env(TASK)
    RewardModel(env.spec, RewardConfig(width=8, absorbing=True)).save(tmp_path / "reward.pt")
    env.close()
    asked, given = [], RewardModel.of

    def of(self, transitions, discount=None):
        asked.append(discount)
        return given(self, transitions, discount)

    monkeypatch.setattr(RewardModel, "of", of)
    arguments = ["train", "--learner", "ppo", *SMALL, "--steps", "128", "--reward", str(tmp_path)]
    arguments += ["--output", str(tmp_path / "run")]
    assert _main([*arguments, "--discount", "0.9"]) == 0
    assert asked == [0.9]
    check_mistake([*arguments, "--discount", "1"], "needs a --discount below 1", capsys)


def test_a_reward_of_another_task_is_refused(tmp_path: Path, capsys):
    env = make_env("Pendulum-v1")
    RewardModel(env.spec, RewardConfig(width=8)).save(tmp_path / "reward.pt")
    env.close()
    arguments = ["train", "--learner", "ppo", *SMALL, "--reward", str(tmp_path)]
    check_mistake(
        [*arguments, "--output", str(tmp_path / "run")],
        f"{tmp_path}: 'observation.state' has shape [3] in the reward",
        capsys,
    )
    assert not (tmp_path / "run").exists()


def test_a_time_budget_ends_it(tmp_path: Path):
    arguments = ["train", "--learner", "ppo", *SMALL, "--time-budget", "1s"]
    assert _main([*arguments, "--output", str(tmp_path / "run")]) == 0
    run = Run.read_as(tmp_path / "run", TrainDescription).description
    assert run.result is not None
    assert run.result.steps == read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["step"]
    assert _main([*arguments, "--output", str(tmp_path / "run"), "--resume"]) == 0


def test_a_run_that_is_done_can_be_made_longer(tmp_path: Path, capsys):
    def described() -> TrainDescription:
        return Run.read_as(tmp_path / "run", TrainDescription).description

    arguments = SCRATCHED.arguments(tmp_path / "run")
    assert _main(arguments) == 0
    short, before = described(), load_policy(tmp_path / "run")
    asked = ["train", "--learner", "ppo", *SMALL, "--output", str(tmp_path / "run"), "--resume"]
    assert _main(asked) == 0  # as many steps as it was begun with
    assert described() == short
    assert _main([*asked, "--steps", "512"]) == 0
    longer, after = described(), load_policy(tmp_path / "run")
    assert longer.result is not None
    assert (longer.status, longer.result.steps, longer.config.train.steps) == ("done", 512, 512)
    steps = [row["step"] for row in read_metrics(tmp_path / "run" / "metrics.jsonl")]
    assert steps == [128, 256, 384, 512]
    with pytest.raises(AssertionError):
        assert_same_weights(before, after)
    recorded = Dataset.open(tmp_path / "run" / "dataset")
    assert longer.dataset.content_hash == recorded.content_hash != short.dataset.content_hash
    capsys.readouterr()
    assert _main([*asked, "--steps", "256"]) == 2
    assert "was begun with steps 512, not 256" in capsys.readouterr().err


def test_a_run_that_is_done_cannot_be_made_longer_without_its_checkpoint(tmp_path: Path, capsys):
    run = tmp_path / "run"
    assert _main(SCRATCHED.arguments(run)) == 0
    (run / "checkpoint.pt").unlink()
    kept = (run / "run.json").read_bytes(), (run / "policy.pt").read_bytes()
    assert _main(SCRATCHED.arguments(run, "--resume", "--steps", "512")) == 2
    assert "has lost its checkpoint.pt" in capsys.readouterr().err
    assert kept == ((run / "run.json").read_bytes(), (run / "policy.pt").read_bytes())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--task is missing"),
        (["--task", "line_world/Lines-v0"], "line_world/Line"),
        (["--task", "CartPole-v1"], "are 2 choices"),
        (["--task", TASK, "--leash", "0.1"], "give --from RUN"),
        (["--task", TASK, "--exploration", "0"], "--exploration must be within"),
        (["--task", TASK, "--width", "0"], "width must be"),
        (["--task", TASK, "--copies", "0"], "--copies must be from 1"),
        (["--task", TASK, "--rollout", "9"], "--rollout 9 cannot be shared by --copies"),
        (["--task", TASK, "--rollout", "9" * 9], "--rollout must be at most 1000000"),
        (["--task", TASK, "--steps", "0"], "--steps must be at least 1"),
        (["--task", TASK, "--steps", "9", "--time-budget", "1s"], "give one of them"),
        (["--task", TASK, "--reward", "fame"], "there is no reward.pt"),
        (["--task", TASK, "--from", "nowhere"], "no policy at nowhere"),
    ],
)
def test_a_mistake_is_one_line(options: list[str], said: str, tmp_path: Path, capsys):
    output = ["--output", str(tmp_path / "run")]
    check_mistake(["train", "--learner", "ppo", *options, *output], said, capsys)


@pytest.mark.parametrize(("task", "told"), [(ENDLESS, True), (TASK, False)])
def test_attempts_that_may_never_end_are_told_of(task: str, told: bool, tmp_path: Path, capsys):
    options = ["--task", task, "--copies", "2", "--rollout", "32", "--steps", "32"]
    output = ["--output", str(tmp_path / "run")]
    assert _main(["train", "--learner", "ppo", *options, *output]) == 0
    assert ("has no time limit" in capsys.readouterr().err) == told


@pytest.mark.parametrize("asked", [None, 0.02])
def test_a_gaussian_clone_explores_as_it_is_asked_to(asked: float | None, tmp_path: Path):
    env = make_env(TASK)
    new_policy(env.spec, SCRATCH, INITIAL_LOG_STD).save(tmp_path / "policy.pt")
    env.close()
    run, options = tmp_path / "run", [] if asked is None else ["--exploration", str(asked)]
    begin = ["--from", str(tmp_path / "policy.pt"), "--steps", "384", *options]
    assert _main(["train", "--learner", "ppo", *SMALL, *begin, "--output", str(run)]) == 0
    description = Run.read(run).description
    assert isinstance(description, TrainDescription)
    assert description.settings["exploration"] == asked
    density = PolicyDensity(load_policy(run))
    _, log_std = density.distribution(torch.zeros(1, 2))
    assert log_std.item() == pytest.approx(math.log(asked or math.exp(INITIAL_LOG_STD)), abs=0.3)


def test_a_run_in_which_only_the_value_would_learn_is_refused(clone: Path, tmp_path: Path, capsys):
    options = ["--from", str(clone), "--rollout", "128", "--copies", "2", "--steps", "256"]
    check_mistake(
        ["train", "--learner", "ppo", *options, "--output", str(tmp_path / "run")],
        "the policy learns nothing in the first 256 steps, and --steps is 256",
        capsys,
    )


def test_a_chunked_policy_is_refused(clone: Path, tmp_path: Path, capsys):
    data = Run.read(clone).description.dataset.path
    chunked = tmp_path / "chunked"
    arguments = ["train", "--dataset", data, "--policy", "flow", "--steps", "2", "--width", "16"]
    assert _main([*arguments, "--output", str(chunked)]) == 0
    capsys.readouterr()
    few = ["--steps", "100", "--output", str(tmp_path / "run")]
    check_mistake(
        ["train", "--learner", "ppo", "--from", str(chunked), *few],
        "improve this one by --learner raft",
        capsys,
    )


def test_a_policy_of_another_task_is_refused(clone: Path, tmp_path: Path, capsys):
    check_mistake(
        [
            *("train", "--learner", "ppo", "--from", str(clone), "--task", "Pendulum-v1"),
            *("--output", str(tmp_path / "run")),
        ],
        "the policy of --from",
        capsys,
    )
