"""``ilrobot train --learner residual``: what it learns and remembers, and how it is misused."""

import copy
import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.cli import _main
from ilrobot.cli.learners.online_result import print_online_result
from ilrobot.data.dataset import Dataset
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.evaluate import evaluate
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.finetuning.held import HeldTrying, Memory
from ilrobot.learners.finetuning.residual import ResidualLearner
from ilrobot.learners.finetuning.residual_config import ResidualTd3Config
from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD, SCRATCH
from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.density import new_policy
from ilrobot.policies.heads.residual import ResidualHead
from ilrobot.policies.policy import Policy
from ilrobot.policies.residual import with_residual
from ilrobot.rollout import rollout
from ilrobot.run import Run
from ilrobot.run_description import TrainDescription
from tests.ilrobot.learner_tester import Case, check_kill, check_mistake, check_run
from tests.ilrobot.learning import planar_world

TASK = planar_world.TASK
SMALL = ("--copies", "2", "--starts", "64", "--updates", "0.05", "--attempts", "4")
QUICK = ResidualTd3Config(
    hold=2,
    starts=512,
    first_updates=0.25,
    updates=0.5,
    batch_size=64,
    learning_rate=3e-3,
    critic_learning_rate=3e-3,
    discount=0.9,
    follow=0.05,
    leash=0.03,
    memory=2_000,
    critic_width=32,
    attempts=0,
)


@pytest.fixture
def env() -> Iterator[TaskVectorEnv]:
    env = TaskVectorEnv(partial(make_env, TASK), 4, seed=0, success_only=True)
    yield env
    env.close()


def _still(env: TaskVectorEnv) -> Policy:
    """A clone of somebody who moved about and came nowhere: it stands still."""
    torch.manual_seed(0)
    clone = Policy(env.task, PolicyConfig(head="mse", width=8, blocks=1))
    with torch.no_grad():
        for weights in clone.head.parameters():
            weights.zero_()
    clone.encoder.normalizer.adopt(*(np.full(4, x) for x in (0.0, 0.8, -1.5, 1.5)))
    spread = np.array([0.05, 0.05, 0.2])
    clone.action_normalizer.adopt(np.zeros(3), spread, -spread, spread)
    return clone.eval()


def made_beside_still(env: TaskVectorEnv) -> Policy:
    """A new residual beside a clone that stands still."""
    torch.manual_seed(0)
    return with_residual(_still(env), bound=2.0, frame=planar_world.Planar.task_frame)


def test_it_learns_to_succeed_and_leaves_the_clone_as_it_is(env: TaskVectorEnv):
    policy = made_beside_still(env)
    head = policy.head
    assert isinstance(head, ResidualHead)
    base, before = copy.deepcopy(head.base.state_dict()), policy.encoder.normalizer.state_dict()
    learner = ResidualLearner(policy, env, QUICK, 0, steps=1_536)
    first = learner.improve()
    assert learner.steps >= 1_536
    assert np.isfinite(first["loss"])
    untaught = ResidualLearner(made_beside_still(env), env, QUICK, 0, steps=4)
    assert "loss" not in untaught.improve()

    def rate(one: Policy) -> float:
        return evaluate(lambda: (make_env(TASK), one.actor()), range(20)).to_json()["success_rate"]

    assert rate(_still(env)) == 0
    assert rate(policy) > 0.8
    assert all(torch.equal(base[name], value) for name, value in head.base.state_dict().items())
    assert policy.encoder.normalizer.state_dict().keys() == before.keys()


def test_it_remembers_stretches_up_to_the_end_of_an_attempt(env: TaskVectorEnv):
    policy = made_beside_still(env)
    head = policy.head
    assert isinstance(head, ResidualHead)
    config = ResidualTd3Config(hold=5, discount=0.9, memory=64)
    memory = Memory(head.size, head.residuals, config.memory)
    trying = HeldTrying(policy, env, config, memory, torch.Generator().manual_seed(0))
    ended = trying.tries(planar_world.LIMIT, at_random=True)
    assert trying.steps == 4 * planar_world.LIMIT
    _, tried, won, _, counts = (column.numpy() for column in memory.state()["columns"])
    assert np.abs(tried).max() <= 1
    assert len(ended) >= 1
    done = sum(bool(one.success) for one in ended)
    assert (won > 0).sum() == (counts == 0).sum() == done
    np.testing.assert_allclose(won[won > 0], 0.9 ** np.round(np.log(won[won > 0]) / np.log(0.9)))
    # Of an attempt that is cut off after 16 ticks: three stretches of five, and one of one.
    cut = [one for one in ended if not one.success]
    assert all(one.length == planar_world.LIMIT for one in cut)
    assert np.isclose(counts, 0.9).sum() >= len(cut)
    assert np.isclose(counts, 0.9**5).sum() >= 3 * len(cut)


def test_an_attempt_that_ends_in_failure_is_worth_nothing():
    falling = partial(make_env, TASK, {"falls": 3})
    with closing(TaskVectorEnv(falling, 4, seed=0, success_only=True)) as env:
        policy = made_beside_still(env)
        head = policy.head
        assert isinstance(head, ResidualHead)
        memory = Memory(head.size, head.residuals, 64)
        config = ResidualTd3Config(hold=5, discount=0.9, memory=64)
        trying = HeldTrying(policy, env, config, memory, torch.Generator().manual_seed(0))
        ended = trying.tries(6, at_random=True)
    assert [one.success for one in ended] == [False] * 8
    _, _, won, _, counts = (column.numpy() for column in memory.state()["columns"])
    assert won.tolist() == counts.tolist() == [0.0] * 8


def test_the_oldest_stretches_are_forgotten():
    memory = Memory(1, 1, 3)
    for number in range(5):
        memory.add(torch.full((1,), number), torch.zeros(1), 0.0, torch.zeros(1), 0.0)
    assert sorted(memory.state()["columns"][0][:, 0].tolist()) == [2, 3, 4]
    again = Memory(1, 1, 3)
    again.load_state(memory.state())
    again.add(torch.full((1,), 5.0), torch.zeros(1), 0.0, torch.zeros(1), 0.0)
    assert sorted(again.state()["columns"][0][:, 0].tolist()) == [3, 4, 5]


def test_a_state_goes_on(env: TaskVectorEnv):
    first = ResidualLearner(made_beside_still(env), env, QUICK, 0, steps=640)
    first.improve()
    state = copy.deepcopy(first.state())
    resumed = []
    for _ in range(2):
        learner = ResidualLearner(made_beside_still(env), env, QUICK, 0, steps=64)
        learner.load_state(copy.deepcopy(state))
        assert learner.steps == first.steps
        learner.improve()
        resumed.append(learner.policy.state_dict())
    assert all(torch.equal(resumed[0][name], resumed[1][name]) for name in resumed[0])
    moved = first.policy.state_dict()
    assert any(not torch.equal(resumed[0][name], moved[name]) for name in moved)


def test_the_result_is_the_running_average_of_what_is_learnt(env: TaskVectorEnv):
    learner = ResidualLearner(made_beside_still(env), env, QUICK, 0, steps=640)
    learner.improve()
    state, head = learner.state(), learner.policy.head
    assert isinstance(head, ResidualHead)
    for name, value in head.network.state_dict().items():
        assert torch.equal(value, state["slow"][name])
    learnt = state["policy"]["head.network.0.weight"]
    assert not torch.equal(head.network.state_dict()["0.weight"], learnt)


def test_a_task_that_does_not_judge_is_refused(env: TaskVectorEnv):
    silent = TaskVectorEnv(partial(make_env, "Pendulum-v1"), 1, seed=0, success_only=True)
    try:
        policy = with_residual(new_policy(silent.task, SCRATCH, INITIAL_LOG_STD))
        with pytest.raises(UserError, match="does not say whether it succeeded"):
            ResidualLearner(policy, silent, QUICK, 0)
    finally:
        silent.close()


def _run(folder: Path, config: PolicyConfig) -> Path:
    """A run of cloning three demonstrations."""
    env = make_env(TASK)
    with DatasetRecorder(folder / "data", env.spec, state_size=env.state_size) as recorder:
        for seed in range(3):
            rollout(env, planar_world.Expert(), seed=seed, recorder=recorder)
    env.close()
    fit = TrainConfig(steps=20, warmup=2, validate_every=10, device="cpu")
    train(Dataset.open(folder / "data"), config, fit, folder / "run")
    return folder / "run"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _run(tmp_path_factory.mktemp("clone"), PolicyConfig(width=16, blocks=1))


def test_from_the_command_line(clone: Path, tmp_path: Path, capsys):
    options = ("--from", str(clone), *SMALL, "--steps", "500")
    check_run(Case("residual", options, (), TASK, leaves=("kept.json",)), tmp_path, capsys)
    run = Run.read_as(tmp_path / "run", TrainDescription).description
    residual = run.config.policy.residual
    assert residual is not None
    assert residual.frame == planar_world.Planar.task_frame
    assert run.initial is not None
    assert run.settings["hold"] == 5
    assert run.dataset == Run.read(clone).description.dataset
    # check_run asked for what is done, which says again what came of it.
    assert run.result is not None
    assert run.result.steps > 500
    printed = capsys.readouterr().out
    kept = json.loads((tmp_path / "run" / "kept.json").read_text())
    assert 500 <= run.result.steps - kept["last_steps"] < 800
    assert (
        f"{run.result.steps} in the task (the last round and, by {kept['last_steps']}, the "
        "attempts at the end go beyond the 500 asked for)"
    ) in printed
    pace = (run.result.steps - kept["last_steps"]) / run.seconds
    assert f"{run.seconds:.0f} s {pace:.0f} steps/s" in printed.replace(",", "")
    (tmp_path / "run" / "kept.json").write_text(json.dumps({**kept, "kept": 0.0}))
    print_online_result(tmp_path / "run", "steps", json=False, last=10, told="while exploring")
    assert "success alone teaches; begin with a clone" in capsys.readouterr().out
    assert _main(["info", str(tmp_path / "run")]) == 0
    assert "residual" in capsys.readouterr().out
    for learner, said in (("residual", "has a residual already"), ("raft", "learnt by trying")):
        begin = ["train", "--learner", learner, "--from", str(tmp_path / "run")]
        check_mistake([*begin, "--output", str(tmp_path / "again")], said, capsys)


@pytest.mark.exhaustive  # it learns as SAC does: test_off_policy
def test_a_kill_loses_nothing(clone: Path, tmp_path: Path):
    options = ("--from", str(clone), *SMALL)
    check_kill(Case("residual", options, ("--steps", "900000000"), TASK), tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--bound", "0"], "--bound must be positive, not 0.0"),
        (["--updates", "0"], "--updates must be positive, not 0.0"),
        (["--hold", "0"], "--hold must be at least 1"),
        (["--steps", "0"], "--steps must be at least 1"),
        (["--steps", "1000"], "learns nothing in the first 24000 steps"),
        (["--leash", "-1"], "--leash must be at least 0"),
        (["--task", "line_world/Line-v0"], "observation.state"),
    ],
)
def test_a_mistake_is_one_line(clone: Path, options: list[str], said: str, tmp_path: Path, capsys):
    arguments = ["train", "--learner", "residual", "--from", str(clone), *options]
    check_mistake([*arguments, "--output", str(tmp_path / "run")], said, capsys)


def test_a_policy_of_chunks_is_refused(tmp_path: Path, capsys):
    config = PolicyConfig(width=16, blocks=1, horizon=4, execute=2)
    chunked = _run(tmp_path / "chunked", config)
    arguments = ["train", "--learner", "residual", "--from", str(chunked), *SMALL]
    arguments += ["--steps", "64"]  # too few, which is no help to hear first
    check_mistake([*arguments, "--output", str(tmp_path / "run")], "has chunks of 4", capsys)
