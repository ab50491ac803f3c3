"""GAIL, AIRL and ``ilrobot reward`` from their command lines."""

from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Source
from ilrobot.cli import _main
from ilrobot.cli.learners.adversarial import Airl
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.labels import labels
from ilrobot.data.memory import MemoryRecordings
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.adversarial.demonstrations import ending_note, expert_transitions
from ilrobot.rewards.config import RewardConfig
from ilrobot.rollout import rollout
from tests.ilrobot.learner_tester import Case, check_kill, check_mistake, check_run
from tests.ilrobot.learning import line_world
from tests.ilrobot.preferred import SPEC

TASK = line_world.TASK
QUICK = ("--copies", "2", "--rollout", "128", "--discriminator-updates", "2")


class Silent(line_world.Line):
    """It does not say whether the task is done."""

    def step(self, action):
        return *super().step(action)[:4], {}


SILENT = "line_world/Silent-v0"
gym.register(SILENT, Silent, max_episode_steps=line_world.LIMIT)


class Expert(Actor):
    """Towards the middle, or over the edge."""

    def __init__(self, *, falls: bool = False) -> None:
        self._falls = falls

    def act(self, observation, now):
        x = float(observation["observation.state"][0])
        action = np.array([2.0 if self._falls else -2 * x], np.float32)
        return Decision(action, Source.DEMO, human_action=action)


def record(folder: Path, falls: tuple[bool, ...], task: str = TASK) -> Dataset:
    env = make_env(task)
    with DatasetRecorder(folder, env.spec, state_size=env.state_size) as recorder:
        for seed, fall in enumerate(falls):
            info = EpisodeInfo(env.spec.task, env.spec.rate, seed=seed)
            rollout(env, Expert(falls=fall), seed=seed, recorder=recorder, info=info)
    env.close()
    return Dataset.open(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line") / "data"
    record(folder, (False,) * 4)
    return folder


@pytest.fixture(scope="module")
def clone(data: Path) -> Path:
    run = data.parent / "clone"
    arguments = ["train", "--dataset", str(data), "--policy", "bc", "--steps", "30"]
    assert _main([*arguments, "--width", "16", "--output", str(run)]) == 0
    return run


def test_gail_from_a_clone(data: Path, clone: Path, tmp_path: Path, capsys):
    options = ("--dataset", str(data), "--from", str(clone), "--subsample", "2", *QUICK)
    check_run(
        Case("gail", (*options, "--steps", "512"), (), TASK, ("reward.pt",)), tmp_path, capsys
    )


def test_how_much_is_known_of_the_demonstrations_is_said(data: Path, tmp_path: Path, capsys):
    options = ("--dataset", str(data), "--task", TASK, "--subsample", "2", *QUICK)
    case = Case("gail", (*options, "--steps", "128"), (), TASK)
    assert _main(case.arguments(tmp_path / "run")) == 0
    known = len(expert_transitions(Dataset.open(data), every=2))
    said = capsys.readouterr()
    assert f"the discriminator knows {known} steps" in said.err
    assert f"ilrobot reward {tmp_path / 'run'}" in said.out


def test_airl_from_scratch(data: Path, tmp_path: Path, capsys):
    options = ("--dataset", str(data), "--task", TASK, "--absorbing", *QUICK)
    check_run(
        Case("airl", (*options, "--steps", "256"), (), TASK, ("reward.pt",)), tmp_path, capsys
    )
    run = tmp_path / "run"
    capsys.readouterr()

    assert _main(["reward", str(run), "--episodes", "2", "--json"]) == 0
    page = (run / "reward.html").read_text()
    assert "Where it is high" in page
    assert "the policy&#x27;s attempts" in page
    assert str(run / "reward.html") in capsys.readouterr().out

    assert _main(["reward", str(run), "--output", str(tmp_path / "reward.onnx")]) == 0
    assert "parity" in capsys.readouterr().out
    assert (tmp_path / "reward.onnx").exists()

    again = ["train", "--learner", "ppo", "--task", TASK, "--copies", "2", "--rollout", "128"]
    arguments = [*again, "--steps", "128", "--reward", str(run)]
    assert _main([*arguments, "--output", str(tmp_path / "anew")]) == 0


def test_a_kill_loses_nothing(data: Path, tmp_path: Path):
    options = ("--dataset", str(data), "--task", TASK, *QUICK)
    check_kill(Case("airl", options, ("--steps", "900000000"), TASK), tmp_path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no time limit"),
        (["--task", "Pendulum-v1"], "in the dataset but"),
        (["--task", TASK, "--discriminator-learning-rate", "1e30"], "be above 0 and at most 1"),
        (["--task", TASK, "--seed", "-1"], "--seed must be"),
        (["--task", TASK, "--subsample", "0"], "--subsample must be at least 1"),
        (["--task", TASK, "--subsample", "19"], "take a smaller --subsample than 19"),
        (["--task", TASK, "--penalty", "-1"], "--penalty must be at least 0, not -1"),
        (["--task", TASK, "--discriminator-updates", "0"], "updates must be at least 1"),
        (["--task", TASK, "--absorbing", "--discount", "1"], "needs a --discount below 1"),
        (
            ["--task", TASK, "--regularizer", "none", "--penalty", "3"],
            "--penalty weighs the gradient penalty, and --regularizer is none",
        ),
        (["--task", TASK, "--exploration", "0"], "--exploration must be within"),
        (["--task", TASK, "--from", "nowhere"], "no policy at nowhere"),
    ],
)
def test_a_mistake_is_one_line(data: Path, options: list[str], said: str, tmp_path: Path, capsys):
    if said == "no time limit":
        if "line_world/Endless-v0" not in gym.registry:
            gym.register("line_world/Endless-v0", line_world.Line)
        options = ["--task", "line_world/Endless-v0"]
    arguments = ["train", "--learner", "gail", "--dataset", str(data), *options]
    check_mistake([*arguments, "--output", str(tmp_path / "run")], said, capsys)


def test_a_run_without_a_reward_has_none_to_show(clone: Path, tmp_path: Path, capsys):
    assert _main(["reward", str(clone)]) == 2
    assert "holds no reward" in capsys.readouterr().err
    assert _main(["reward", str(clone), "--output", str(tmp_path / "reward.gif")]) == 2
    assert ".html or .onnx" in capsys.readouterr().err


def test_every_so_manieth_step_from_a_drawn_one_on(data: Path):
    recordings = Dataset.open(data)
    all_steps = expert_transitions(recordings)
    known = expert_transitions(recordings, every=4, seed=1)
    assert abs(len(known) - len(all_steps) / 4) <= 4  # at most one more or less of an episode
    for number in range(4):
        x = all_steps.observations[all_steps.episode == number, 0]
        kept = known.observations[known.episode == number, 0]
        places = np.array([int(np.flatnonzero(x == value)[0]) for value in kept])
        assert (np.diff(places) == 4).all()


def test_every_end_is_known_where_ends_have_a_state():
    over = np.arange(100) == 99
    columns = {"observation.state": np.zeros((100, 2), np.float32), "next.terminated": over}
    columns["action"] = np.zeros((100, 1), np.float32)
    info = EpisodeInfo("wander", 10.0, outcome=Outcome.SUCCESS)
    recordings = MemoryRecordings(SPEC, [Episode(info, columns)] * 4)
    for seed in range(5):
        plain = expert_transitions(recordings, every=20, seed=seed)
        known = expert_transitions(recordings, every=20, seed=seed, ends=True)
        assert known.terminal.sum() == 4
        assert (~known.terminal).sum() == (~plain.terminal).sum()


def test_ends_are_told_of_where_the_rewards_sign_would_decide_them(tmp_path: Path):
    even = record(tmp_path / "even", (False, False), SILENT)
    uneven = record(tmp_path / "uneven", (False, True), SILENT)
    assert ending_note(even, RewardConfig(termination_bias="survive")) == ""
    note = ending_note(uneven, RewardConfig(termination_bias="survive"))
    assert "1 of 2 demonstrations end by themselves" in note
    assert "take --absorbing" in note
    assert "negative" in ending_note(uneven, RewardConfig(termination_bias="finish"))
    for harmless in (RewardConfig(), RewardConfig(termination_bias="finish", absorbing=True)):
        assert ending_note(uneven, harmless) == ""


def test_ends_of_which_guided_cost_learns_nothing_are_told_of(tmp_path: Path, capsys):
    said = {}
    for name, falls in (("even", (False, False)), ("uneven", (False, True))):
        record(tmp_path / name, falls, SILENT)
        arguments = ["train", "--learner", "gcl", "--dataset", str(tmp_path / name)]
        arguments += ["--copies", "2", "--rollout", "128", "--steps", "128"]
        assert _main([*arguments, "--output", str(tmp_path / f"{name}-run")]) == 0
        said[name] = "".join(capsys.readouterr())
    assert "1 of 2 demonstrations end by themselves, and gcl learns nothing" in said["uneven"]
    assert "gcl learns nothing" not in said["even"]


def test_too_few_steps_are_refused(tmp_path: Path):
    few, failed = (
        record(tmp_path / task.replace("/", "-"), (True,), task) for task in (SILENT, TASK)
    )
    for recordings, count in ((few, "[1-9]"), (failed, "0")):
        with pytest.raises(UserError, match=f"{count} demonstrated steps remain.* at least 16"):
            expert_transitions(recordings)


class Asked(Expert):
    """A policy drives away from the middle, and an expert is asked beside it, or drives."""

    def __init__(self, drives: bool) -> None:
        super().__init__()
        self._drives = drives

    def act(self, observation, now):
        wanted = super().act(observation, now).action
        if self._drives:
            return Decision(wanted, Source.HUMAN, human_action=wanted)
        away = np.full(1, -1.0, np.float32)
        return Decision(away, Source.POLICY, policy_action=away, human_action=wanted)


def test_a_policys_steps_beside_which_an_expert_was_asked_are_no_demonstrations(tmp_path: Path):
    env = make_env(TASK)
    with DatasetRecorder(tmp_path / "asked", env.spec, state_size=env.state_size) as recorder:
        for seed in range(4):
            rollout(env, Asked(drives=seed < 2), seed=seed, recorder=recorder)
    env.close()
    asked = Dataset.open(tmp_path / "asked")
    assert labels(asked)[0].all()
    found = expert_transitions(asked)
    assert set(found.episode.tolist()) == {0, 1}
    assert (found.actions > -1.0).all()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"inputs": "state"}, "none"),
        ({"inputs": "state-action"}, "gradient-penalty"),
        ({"inputs": "state", "penalty": 0.5}, "gradient-penalty"),
        ({"inputs": "state-action", "regularizer": "logit-clip"}, "logit-clip"),
    ],
)
def test_the_regularizer_suits_what_the_reward_reads(options, expected, tmp_path: Path):
    airl = Airl(dataset=tmp_path, output=tmp_path, **options)
    assert airl._config().discriminator.regularizer == expected
