"""``ilrobot train --learner raft``: what is kept, what is learnt of it, and where it goes on."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Event, Observation, Source
from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import UNCOUNTED, MemoryRecorder, Outcome
from ilrobot.data.recorder import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.learners.finetuning import raft, tries
from ilrobot.learners.finetuning.raft import ATTEMPTED
from ilrobot.policies.loading import load_policy
from ilrobot.rollout import rollout
from ilrobot.run import Run, read_metrics
from ilrobot.run_description import TrainDescription
from tests.exhaustive import thinned
from tests.forked import Forked
from tests.ilrobot.learner_tester import Case, check_kill, check_mistake, check_run
from tests.ilrobot.learning import line_world
from tests.ilrobot.learning.train_verb import write_dataset
from tests.ilrobot.policy_tester import DISCRETE, assert_same_weights
from tests.still import Still

TASK = line_world.TASK
#: Of four beginnings of which a clone does one of the first two, and of the others none.
SEED = "8"


class _Halfway(Actor):
    """Goes towards the middle, stops short of it, and calls that done."""

    def reset(self, seed: int | None = None) -> None:
        self._left = 15

    def act(self, observation: Observation, now: float) -> Decision:
        x = float(observation["observation.state"][0])
        wanted = 0.3 * np.sign(x) - x
        self._left -= 1
        done = None if self._left else Event.SUCCESS
        action = np.array([np.clip(4 * wanted, -1, 1)], np.float32)
        return Decision(action, Source.DEMO, event=done)


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Runs that imitate one who stops short: a regression, and a flow of chunks."""
    folder = tmp_path_factory.mktemp("clones")
    env = make_env(TASK)
    with DatasetRecorder(folder / "data", env.spec) as recorder:
        for seed in range(4):
            rollout(env, _Halfway(), seed=seed, recorder=recorder)
    env.close()
    made = {}
    for preset, more in (("bc", []), ("flow", ["--horizon", "4", "--execute", "2"])):
        made[preset] = folder / preset
        arguments = ["train", "--dataset", str(folder / "data"), "--policy", preset, *more]
        arguments += ["--width", "16", "--blocks", "1", "--steps", "100", "--device", "cpu"]
        assert _main([*arguments, "--output", str(made[preset])]) == 0
    return made


def _options(clone: Path) -> tuple[str, ...]:
    few = ("--rounds", "1", "--episodes", "2", "--tries", "3", "--exploration", "0.5")
    more = ("--fit-steps", "10", "--device", "cpu", "--workers", "1", "--seed", "0")
    return ("--from", str(clone), *few, *more)


@pytest.mark.parametrize("preset", thinned(["bc", "flow"], ["flow"]))
def test_any_kind_of_policy_is_improved(
    clones: dict[str, Path], preset: str, tmp_path: Path, capsys
):
    case = Case("raft", _options(clones[preset]), (), TASK, leaves=(ATTEMPTED, "round-1"))
    check_run(case, tmp_path, capsys)
    run = Run.read(tmp_path / "run").description
    assert run.config.policy == Run.read(clones[preset]).description.config.policy
    attempts = Dataset.open(tmp_path / "run" / ATTEMPTED)
    _check_tried(attempts, [0, 1], most=3)
    kept = read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]["kept"]
    taught = Run.read(tmp_path / "run" / "round-1").description.dataset
    assert taught.episodes == 4 + kept


def _check_tried(attempts: Dataset, beginnings: list[int], *, most: int) -> None:
    """Each in its turn, until one attempt from there succeeded or all were made."""
    assert list(dict.fromkeys(info.seed for info in attempts.infos)) == beginnings
    for begin in beginnings:
        done = [info.outcome is Outcome.SUCCESS for info in attempts.infos if info.seed == begin]
        assert not any(done[:-1])
        assert done[-1] or len(done) == most


def test_what_succeeded_is_learnt(clones: dict[str, Path], tmp_path: Path, capsys):
    run = tmp_path / "run"
    more = ("--rounds", "2", "--episodes", "10", "--tries", "4", "--exploration", "0.5")
    arguments = ["train", "--learner", "raft", "--from", str(clones["bc"]), *more]
    arguments += ["--fit-steps", "300", "--workers", "1"]
    assert _main([*arguments, "--output", str(run)]) == 0
    rows = read_metrics(run / "metrics.jsonl")
    assert len(rows) == 20
    fitted = [Run.read_as(run / f"round-{n}", TrainDescription).description.result for n in (1, 2)]
    assert all(result is not None for result in fitted)
    losses = [result.loss for result in fitted if result is not None]
    assert [row["loss"] for row in rows] == [None] * 9 + [losses[0]] * 10 + [losses[1]]
    returns = [row["return"] for row in rows]  # of the first attempts, without exploration
    assert np.mean(returns[10:]) > np.mean(returns[:10]) + 0.5
    rate = np.mean([row["success"] for row in rows[10:]])
    assert f"success {rate:g} (first attempts of the last round" in capsys.readouterr().out
    attempts = Dataset.open(run / ATTEMPTED)
    shown = Dataset.open(clones["bc"].parent / "data")
    assert not {info.seed for info in attempts.infos} & {info.seed for info in shown.infos}
    assert sum(row["tries"] for row in rows) == attempts.num_episodes
    assert sum(row["tried"] for row in rows) == attempts.num_frames


def test_the_first_attempt_is_the_policy_as_it_is(clones: dict[str, Path], tmp_path: Path):
    run = tmp_path / "run"
    assert _main(["train", "--learner", "raft", *_options(clones["bc"]), "--output", str(run)]) == 0
    attempts = Dataset.open(run / ATTEMPTED)
    env = make_env(TASK)
    recorder = MemoryRecorder(env.spec)
    rollout(env, load_policy(clones["bc"]).actor(), seed=0, recorder=recorder)
    env.close()
    acted = recorder.episodes[0].columns["action"]
    assert np.array_equal(attempts.episode(0).columns["action"], acted)
    assert attempts.infos[1].seed == 0
    assert not np.array_equal(attempts.episode(1).columns["action"], acted)


def test_processes_that_share_the_attempts_change_nothing(clones: dict[str, Path], tmp_path: Path):
    recorded = []
    for workers in ("1", "2"):
        run = tmp_path / workers
        options = [*_options(clones["flow"]), "--episodes", "3", "--workers", workers]
        assert _main(["train", "--learner", "raft", *options, "--output", str(run)]) == 0
        recorded.append(Dataset.open(run / ATTEMPTED).content_hash)
    assert recorded[0] == recorded[1]


def test_a_kill_loses_nothing(clones: dict[str, Path], tmp_path: Path):
    options = tuple(o for o in _options(clones["bc"]))
    case = Case("raft", options, ("--rounds", "100000"), TASK)
    check_kill(case, tmp_path)
    attempts = Dataset.open(tmp_path / "run" / ATTEMPTED)
    assert attempts.num_episodes >= 2


def _killed_in_the_first_attempt(arguments: list[str]) -> None:
    def killed(env, actor, **options):
        def kill(decision, step):
            os.kill(os.getpid(), signal.SIGKILL)

        return rollout(env, actor, **options, on_tick=kill)

    tries.rollout = killed
    _main(arguments)


def test_a_kill_in_the_first_attempt_is_gone_on_from(clones, tmp_path):
    run = tmp_path / "run"
    arguments = ["train", "--learner", "raft", *_options(clones["bc"]), "--output", str(run)]
    first = Forked(_killed_in_the_first_attempt, arguments, errors=tmp_path / "errors.txt")
    assert first.wait() == -signal.SIGKILL
    assert (run / ATTEMPTED / "meta" / "info.json").exists()
    assert _main([*arguments, "--resume"]) == 0
    counted = [i for i in Dataset.open(run / ATTEMPTED).infos if i.outcome not in UNCOUNTED]
    assert {info.seed for info in counted} == {0, 1}


def test_a_time_budget_ends_after_a_round(clones: dict[str, Path], tmp_path: Path):
    run = tmp_path / "run"
    arguments = ["train", "--learner", "raft", *_options(clones["bc"]), "--tries", "20"]
    arguments += ["--rounds", "3", "--output", str(run)]
    assert _main([*arguments, "--time-budget", "0.01s"]) == 0
    _check_tried(Dataset.open(run / ATTEMPTED), [0, 1], most=20)
    assert_same_weights(load_policy(run), load_policy(run / "round-1"))
    assert _main([*arguments, "--time-budget", "1h", "--resume"]) == 0
    _check_tried(Dataset.open(run / ATTEMPTED), [0, 1, 2, 3, 4, 5], most=20)
    assert_same_weights(load_policy(run), load_policy(run / "round-3"))


def test_more_rounds_follow_those_that_are_done(clones: dict[str, Path], tmp_path: Path, capsys):
    run = tmp_path / "run"
    arguments = ["train", "--learner", "raft", *_options(clones["bc"]), "--tries", "20"]
    arguments += ["--output", str(run)]
    assert _main(arguments) == 0
    first = load_policy(run)
    assert _main([*arguments, "--resume", "--rounds", "2"]) == 0
    _check_tried(Dataset.open(run / ATTEMPTED), [0, 1, 2, 3], most=20)
    learnt = load_policy(run)
    assert_same_weights(learnt, load_policy(run / "round-2"))
    assert_same_weights(first, load_policy(run / "round-1"))
    assert len(read_metrics(run / "metrics.jsonl")) == 4
    assert "changes nothing" not in capsys.readouterr().err
    more = [*arguments, "--resume", "--rounds", "2", "--tries", "21"]
    assert _main(more) == 0
    said = capsys.readouterr().err
    assert "--tries 21 changes nothing here" in said
    assert "--rounds 3 or more goes on" in said
    assert_same_weights(learnt, load_policy(run))
    arguments = [*arguments, "--tries", "21"]
    check_mistake(
        [*arguments, "--resume"], "was begun with --rounds 2, and may go on with more", capsys
    )


@pytest.mark.parametrize("when", ["before", "during"])
def test_a_cloning_that_was_cut_off_is_made(clones, when, tmp_path, capsys, monkeypatch):
    """Neither a checkpoint nor the round is there then; the attempts are."""

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    def cut(*args, **options):
        if when == "during":
            train(*args, **options, on_progress=stop)
        stop(None)

    train = raft.train
    monkeypatch.setattr(raft, "train", cut)
    run = tmp_path / "run"
    arguments = ["train", "--learner", "raft", *_options(clones["bc"]), "--output", str(run)]
    assert _main(arguments) == 130
    said = capsys.readouterr().err
    assert "Go on with: ilrobot train --learner raft" in said
    assert "--resume" in said
    monkeypatch.setattr(raft, "train", train)
    assert (run / "round-1").exists() == (when == "during")
    assert _main([*arguments, "--resume"]) == 0
    assert Run.read(run / "round-1").done
    _check_tried(Dataset.open(run / ATTEMPTED), [0, 1], most=3)
    attempts, rows = Dataset.open(run / ATTEMPTED), read_metrics(run / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2]
    for seed, row in enumerate(rows):
        made = [index for index, info in enumerate(attempts.infos) if info.seed == seed]
        first = attempts.episode(made[0])
        assert row["return"] == pytest.approx(first.columns["next.reward"].sum())
        assert row["length"] == len(first)
        assert row["success"] == (first.info.outcome is Outcome.SUCCESS)
        assert row["tries"] == len(made)
    cloned, learnt, begun = (load_policy(f) for f in (run / "round-1", run, clones["bc"]))
    assert_same_weights(learnt, cloned)
    with pytest.raises(AssertionError):
        assert_same_weights(learnt, begun)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "nowhere"], "no policy at nowhere"),
        (["--from", "{clone}", "--tries", "0"], "--tries must be at least 1"),
        (["--from", "{clone}", "--exploration", "-1"], "--exploration must be at least 0"),
        (["--from", "{clone}", "--time-budget", "0s"], "--time-budget takes a time such as"),
        (["--from", "{clone}", "--fit-steps", "0"], "--fit-steps must be at least 1"),
        (["--from", "{clone}", "--seed", str(2**63 - 1)], "--seed must be from 0 to"),
        (["--from", "{clone}", "--task", "Pendulum-v1"], "the policy of --from"),
        (["--from", "{clone}", "--dataset", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line(
    clones: dict[str, Path], options: list[str], said: str, tmp_path: Path, capsys
):
    given = [option.format(clone=clones["bc"]) for option in options]
    output = ["--output", str(tmp_path / "run")]
    check_mistake(["train", "--learner", "raft", *given, *output], said, capsys)


def test_demonstrations_of_another_task_are_refused_before_anything_is_tried(
    clones: dict[str, Path], tmp_path: Path, capsys
):
    env = make_env("Pendulum-v1", {"max_episode_steps": 3})
    with DatasetRecorder(tmp_path / "other", env.spec) as recorder:
        rollout(env, Still(1), seed=0, recorder=recorder)
    env.close()
    given = [*_options(clones["bc"]), "--dataset", str(tmp_path / "other")]
    said = f"{tmp_path / 'other'}: 'observation.state' has shape [3] in the dataset"
    arguments = ["train", "--learner", "raft", *given, "--output", str(tmp_path / "run")]
    check_mistake(arguments, said, capsys)


def test_choices_are_refused_before_a_run_is_begun(tmp_path: Path, capsys):
    data = write_dataset(tmp_path / "data", DISCRETE)
    clone = ["train", "--dataset", str(data), "--policy", "bc", "--steps", "2", "--width", "8"]
    assert _main([*clone, "--output", str(tmp_path / "clone")]) == 0
    capsys.readouterr()
    given = [*_options(tmp_path / "clone"), "--task", "CartPole-v1"]
    arguments = ["train", "--learner", "raft", *given, "--output", str(tmp_path / "run")]
    check_mistake(arguments, "its actions are 3 choices", capsys)
    assert not (tmp_path / "run").exists()


def _few(clone: Path, output: Path, seed: str, *more: str) -> list[str]:
    few = ("--episodes", "2", "--tries", "1", "--exploration", "0.5", "--workers", "1")
    options = ("--from", str(clone), *few, "--fit-steps", "100", "--device", "cpu", *more)
    return ["train", "--learner", "raft", *options, "--seed", seed, "--output", str(output)]


def test_where_nothing_succeeds_more_tries_help(clones: dict[str, Path], tmp_path: Path, capsys):
    run = tmp_path / "run"
    begun = _few(clones["bc"], run, "3", "--rounds", "1")
    for again in ([], ["--resume"]):
        assert _main([*begun, *again]) == 1
        said = capsys.readouterr().err
        assert "none of 2 attempts succeeded" in said
        assert "give more --tries with --resume" in said
    assert Run.read(run).description.status == "failed"
    check_mistake(["eval", "--policy", str(run), "--task", TASK], "failed and has no", capsys)
    assert _main([*begun, "--resume", "--tries", "9"]) == 0
    _check_tried(Dataset.open(run / ATTEMPTED), [3, 4], most=9)
    described = Run.read_as(run, TrainDescription).description
    assert (described.status, described.settings["tries"]) == ("done", 9)
    assert described.result is not None
    assert described.result.steps == 2
    assert_same_weights(load_policy(run), load_policy(run / "round-1"))
    last = read_metrics(run / "metrics.jsonl")[-1]
    assert (last["step"], last["length"], last["success"]) == (2, 20, 0)
    assert last["tries"] > 1
    check_mistake([*begun, "--resume"], "begun with tries 9, not 1", capsys)


def test_a_round_in_which_nothing_succeeds_leaves_the_policy(
    clones: dict[str, Path], tmp_path: Path, capsys
):
    run = tmp_path / "run"
    begun = _few(clones["bc"], run, SEED, "--rounds", "2")
    assert _main(begun) == 0
    said = capsys.readouterr()
    assert "nothing new succeeded in round 2: the policy stayed as it was" in said.err
    assert " 0 steps/s" not in said.err
    assert "beginnings 4 in the task, 80 steps" in said.out
    assert not (run / "round-2").exists()
    assert [row.get("new") for row in read_metrics(run / "metrics.jsonl")] == [None, 1, None, 0]
    assert_same_weights(load_policy(run), load_policy(run / "round-1"))
    assert _main([*begun, "--resume", "--tries", "9", "--rounds", "3"]) == 0
    tried = Dataset.open(run / ATTEMPTED).infos
    counts = [sum(i.seed == int(SEED) + n for i in tried) for n in range(4)]
    assert counts[:2] == [1, 1]  # what is cloned stays as it is
    assert min(counts[2:]) > 1
    assert (run / "round-2").exists()


def test_other_beginnings_in_a_round_are_refused(clones: dict[str, Path], tmp_path: Path, capsys):
    begun = _few(clones["bc"], tmp_path / "run", SEED, "--rounds", "1")
    assert _main(begun) == 0
    again = [*begun, "--resume", "--episodes", "1"]
    check_mistake(again, "was begun with --episodes 2, not 1", capsys)


def test_it_goes_on_with_the_seed_that_it_was_begun_with(clones: dict[str, Path], tmp_path: Path):
    run = tmp_path / "run"
    assert _main(_few(clones["bc"], run, SEED, "--rounds", "1")) == 0
    more = _few(clones["bc"], run, SEED, "--rounds", "2", "--resume")
    del more[more.index("--seed") : more.index("--seed") + 2]
    assert _main(more) == 0
    assert {i.seed for i in Dataset.open(run / ATTEMPTED).infos} >= {int(SEED), int(SEED) + 3}
