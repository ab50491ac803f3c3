"""Preferences: the answers on disk, scripted judges, and the reward that is learnt from them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.cli import _main
from ilrobot.cli.people import scripted_expert
from ilrobot.data.comparisons import FILE, Answer, Clip, Compared, Comparison, Comparisons
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.finetuning.judges import ScriptedJudge
from ilrobot.learners.finetuning.preferences import (
    Fit,
    PreferenceConfig,
    fit_preferences,
    preference_loss,
    probability,
)
from ilrobot.noisy_expert import NoisyExpert
from ilrobot.rewards.model import RewardModel
from ilrobot.rollout import rollout
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    observations=(Feature("observation.state", (2,)),), action=Feature("action", (1,)), rate=10.0
)
TASK = "ilrobot/PointPath-v0"


def true_reward(seen: np.ndarray, done: np.ndarray) -> np.ndarray:
    return np.tanh(2 * seen[:, 0]) - 0.5 * seen[:, 1] ** 2 - 0.5 * np.abs(done[:, 0])


def wandering(episodes: int = 60, ticks: int = 15, seed: int = 0) -> MemoryRecordings:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(episodes):
        seen = rng.normal(size=2) + 0.5 * rng.normal(size=(ticks, 2))
        done = rng.normal(size=(ticks, 1))
        columns = {
            "observation.state": seen.astype(np.float32),
            "action": done.astype(np.float32),
            "next.reward": true_reward(seen, done).astype(np.float32),
        }
        outcome = Outcome.SUCCESS if number % 2 else Outcome.FAILURE
        made.append(Episode(EpisodeInfo("wander", 10.0, outcome=outcome), columns))
    return MemoryRecordings(SPEC, made)


def answers(
    data: MemoryRecordings, count: int, error_rate: float = 0.0, ticks: int | None = None
) -> list[Comparison]:
    judge = ScriptedJudge("return", data, error_rate, seed=3)
    compared = Compared("memory", data.num_episodes, "", ticks, seed=1)
    given = []
    for number in range(count):
        left, right = compared.pair(data, number)
        given.append(Comparison(left, right, judge.judge(left, right, number), "return"))
    return given


def fitted(data: MemoryRecordings, given: list[Comparison], **changes: object) -> Fit:
    return fit_preferences(data, given, PreferenceConfig(**{"steps": 300, **changes}))


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def test_the_probability_is_that_of_bradley_and_terry():
    sums = torch.tensor([[1.0, 0.5], [-3.0, 2.0]])
    expected = sums.exp()[:, 0] / sums.exp().sum(dim=1)
    advantage = sums[:, 0] - sums[:, 1]
    torch.testing.assert_close(probability(advantage, 0.0), expected)
    # One answer in ten is a toss, half of which go either way.
    torch.testing.assert_close(probability(advantage, 0.1), 0.9 * expected + 0.05)


def test_the_loss_is_the_cross_entropy_and_an_equal_pair_wants_no_advantage():
    half = torch.tensor([0.5])
    toss = preference_loss(torch.zeros(1), half, 0.0)
    assert toss.item() == pytest.approx(math.log(2))
    assert preference_loss(torch.tensor([1.0]), half, 0.0) > toss
    sure = torch.tensor([4.0])
    for error_rate in (0.0, 0.2):
        p = probability(sure, error_rate).item()
        loss = preference_loss(sure, torch.ones(1), error_rate).item()
        assert loss == pytest.approx(-math.log(p), rel=1e-5)
    # Whoever errs at times cannot be held to a single answer.
    assert preference_loss(-20 * torch.ones(1), torch.ones(1), 0.2).item() < 2.4


@pytest.mark.parametrize(
    ("noise", "agrees", "alike"), [(0.0, 0.9, 0.9), (0.1, 0.88, 0.88), (0.3, 0.84, 0.8)]
)
def test_the_reward_is_recovered_from_judges_that_err(noise: float, agrees: float, alike: float):
    data, fresh = wandering(), wandering(seed=9)
    fit = fitted(data, answers(data, 400, noise), error_rate=noise)
    # Judged by somebody who does not err, on episodes that were not compared.
    truth = answers(fresh, 300)
    rewards = fit.model.of(Transitions.of(fresh, rewards=True))
    steps = Transitions.of(fresh, rewards=True)
    assert steps.rewards is not None
    assert rank_correlation(rewards, steps.rewards) > alike
    sums = {n: rewards[steps.episode == n].sum() for n in np.unique(steps.episode)}
    said = [sums[c.left.episode] > sums[c.right.episode] for c in truth]
    assert np.mean([s == (c.answer is Answer.LEFT) for s, c in zip(said, truth, strict=True)]) > (
        agrees
    )


def test_a_judge_errs_as_often_as_it_is_told_to():
    data = wandering()
    right, wrong = answers(data, 2_000), answers(data, 2_000, error_rate=0.3)
    differ = np.mean([a.answer is not b.answer for a, b in zip(right, wrong, strict=True)])
    assert differ == pytest.approx(0.15, abs=0.03)  # every other toss is right


def test_short_clips_teach_too():
    data = wandering()
    given = answers(data, 400, ticks=4)
    assert {len(clip) for one in given for clip in (one.left, one.right)} == {4}
    held_out = fitted(data, given, error_rate=0.0).held_out_accuracy
    assert held_out is not None
    assert held_out > 0.85


def test_a_reward_of_equal_clips_has_mean_nought_and_deviation_one():
    data = wandering(20)
    fit = fitted(data, answers(data, 100), steps=100)
    steps = Transitions.of(data, rewards=False)
    rewards = fit.model(*(torch.from_numpy(x) for x in (steps.observations, steps.actions)), None)
    assert rewards.mean().item() == pytest.approx(0, abs=0.1)
    assert rewards.std().item() == pytest.approx(1, abs=0.1)


def test_clips_of_several_lengths_keep_the_sign_of_the_reward():
    """Whoever likes short episodes better wants every tick to cost something."""
    rng = np.random.default_rng(0)
    made = []
    for length in rng.integers(5, 40, size=30):
        columns = {
            "observation.state": rng.normal(size=(length, 2)).astype(np.float32),
            "action": np.zeros((length, 1), np.float32),
            "next.reward": -np.ones(length, np.float32) + 1e-3 * rng.random(length, np.float32),
        }
        made.append(Episode(EpisodeInfo("hurry", 10.0, outcome=Outcome.UNKNOWN), columns))
    data = MemoryRecordings(SPEC, made)
    fit = fitted(data, answers(data, 200))
    assert (fit.model.of(Transitions.of(data, rewards=False)) < 0).mean() > 0.95


def test_the_same_seed_gives_the_same_reward():
    data = wandering(20)
    given = answers(data, 60)
    one, other = (fitted(data, given, steps=30).model.state_dict() for _ in range(2))
    for name, value in one.items():
        assert torch.equal(value, other[name])


def test_skipped_pairs_teach_nothing_and_too_few_answers_are_refused():
    data = wandering(10)
    given = answers(data, 40)
    skipped = [Comparison(c.left, c.right, Answer.SKIP, "person") for c in given]
    assert fitted(data, given + skipped, steps=5).comparisons == 40
    with pytest.raises(UserError, match="too few to learn from"):
        fitted(data, skipped + given[:3])
    equal = [Comparison(c.left, c.right, Answer.EQUAL, "person") for c in given]
    with pytest.raises(UserError, match="0 of them for one side"):
        fitted(data, equal)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"batch_size": 10**6}, "--batch-size must be at most 65536"),
        ({"weight_decay": -1.0}, "--weight-decay must be at least 0"),
        ({"weight_decay": float("nan")}, "--weight-decay must be at least 0"),
        ({"seed": -1}, "--seed must be at least 0"),
        ({"width": 5_000}, "width must be within 1 and 4096"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_fitted(setting, said):
    with pytest.raises(UserError, match=said):
        PreferenceConfig(**setting).check()


def test_what_is_not_finite_is_refused_where_it_is():
    data = wandering(10)
    data.column("observation.state")[17, 1] = np.nan
    with pytest.raises(UserError, match="episode 1, frame 2"):
        fitted(data, answers(data, 60))


def test_a_judge_of_success_needs_outcomes_and_one_of_returns_rewards():
    data = wandering(6)
    judge = ScriptedJudge("success", data)
    whole = [Clip(number, 0, 15) for number in range(3)]
    assert judge.judge(whole[1], whole[0], 0) is Answer.LEFT
    assert judge.judge(whole[0], whole[1], 0) is Answer.RIGHT
    assert judge.judge(whole[0], whole[2], 0) is Answer.EQUAL
    del data._columns["next.reward"]
    with pytest.raises(UserError, match="has no rewards"):
        ScriptedJudge("return", data)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PointPath driven well and badly."""
    path = tmp_path_factory.mktemp("preferences") / "mixed"
    env = make_env(TASK, {"horizon": 40})
    with DatasetRecorder(path, env.spec, state_size=env.state_size) as recorder:
        for seed in range(16):
            actor = NoisyExpert.isotropic(scripted_expert(env), env.spec, std=1.5 * (seed % 4))
            rollout(env, actor, seed=seed, recorder=recorder)
    return path


def compare(recorded: Path, folder: Path, count: int = 12) -> None:
    asked = ["prefer", str(recorded), "--output", str(folder), "--judge", "return"]
    assert _main([*asked, "--comparisons", str(count)]) == 0


def test_answers_are_kept_and_gone_on_with(recorded: Path, tmp_path: Path, capsys):
    compare(recorded, tmp_path, 5)
    five = (tmp_path / FILE).read_bytes()
    compare(recorded, tmp_path, 12)
    twelve = (tmp_path / FILE).read_bytes()
    assert twelve.startswith(five)
    compare(recorded, tmp_path / "whole", 12)
    assert (tmp_path / "whole" / FILE).read_bytes() == twelve
    assert len(Comparisons.read(tmp_path).answers) == 12
    assert "answers    12" in capsys.readouterr().out


def test_a_kill_loses_no_answer_and_what_it_cut_off_is_dropped(recorded: Path, tmp_path: Path):
    script = str(Path(__file__).with_name("judging_child.py"))
    command = [sys.executable, script, str(recorded), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(20):
            child.stdout.readline()
        child.kill()
        told = 20 + len(child.stdout.read().split())
    kept = Comparisons.read(tmp_path).answers
    assert len(kept) >= told
    with (tmp_path / FILE).open("a") as file:
        file.write('{"left": {"episo')
    assert Comparisons.read(tmp_path).answers == kept
    count = len(kept) + 2
    compare(recorded, tmp_path, count)
    compare(recorded, tmp_path / "whole", count)
    assert (tmp_path / FILE).read_bytes() == (tmp_path / "whole" / FILE).read_bytes()


def test_two_cannot_answer_into_one_file(recorded: Path, tmp_path: Path, capsys):
    compared = Compared.of(Dataset.open(recorded), None, 0)
    with Comparisons.writing(tmp_path, compared):
        asked = ["prefer", str(recorded), "--output", str(tmp_path), "--judge", "return"]
        assert _main(asked) == 2
    assert "another process is at work" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seconds", "2"], "was begun with clips of whole episodes, not 20 ticks"),
        (["--seed", "4"], "was begun with seed 0, not 4"),
        (["--error-rate", "2"], "--error-rate must be within 0 and 1"),
        (["--attempts", "3"], "--attempts is for the attempts of a run"),
        (["--comparisons", "0"], "--comparisons must be at least 1"),
        (["--judge", "person", "--error-rate", "0.1"], "--error-rate is for a program"),
        (["--judge", "success", "--seconds", "1"], "--judge success compares whole episodes"),
    ],
)
def test_mistakes_are_one_line(recorded: Path, tmp_path: Path, capsys, options, said: str):
    compare(recorded, tmp_path, 2)
    before = (tmp_path / FILE).read_bytes()
    capsys.readouterr()
    asked = ["prefer", str(recorded), "--output", str(tmp_path), "--judge", "return"]
    assert _main([*asked, *options]) == 2
    out, error = capsys.readouterr()
    assert said in error
    assert error.count("\n") == 1
    assert out == ""
    assert (tmp_path / FILE).read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        '{"left": {}}',
        json.dumps(
            {
                "left": {"episode": 99, "begin": 0, "end": 3},
                "right": {"episode": 0, "begin": 0, "end": 3},
                "answer": "left",
                "judge": "person",
            }
        ),
    ],
)
def test_a_damaged_line_is_named(recorded: Path, tmp_path: Path, line: str):
    compare(recorded, tmp_path, 2)
    with (tmp_path / FILE).open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(UserError, match="line 4 is damaged"):
        Comparisons.read(tmp_path)


def test_no_comparisons_and_a_changed_dataset_are_told(recorded: Path, tmp_path: Path, capsys):
    asked = ["train", "--learner", "preferences", "--output", str(tmp_path / "reward")]
    assert _main([*asked, "--comparisons", str(tmp_path)]) == 2
    assert "make some with `ilrobot prefer`" in capsys.readouterr().err
    compare(recorded, tmp_path)
    file = tmp_path / FILE
    file.write_text(file.read_text().replace('"content_hash": "', '"content_hash": "0'))
    assert _main([*asked, "--comparisons", str(tmp_path)]) == 2
    assert "has changed since it was compared" in capsys.readouterr().err
    assert not (tmp_path / "reward").exists()


def test_a_dataset_needs_a_place_for_its_comparisons(recorded: Path, capsys):
    assert _main(["prefer", str(recorded), "--judge", "return"]) == 2
    assert "--output is missing" in capsys.readouterr().err


def test_from_answers_to_a_reward_by_the_verbs(recorded: Path, tmp_path: Path, capsys):
    compare(recorded, tmp_path / "judged", 60)
    asked = ["train", "--learner", "preferences", "--comparisons", str(tmp_path / "judged")]
    asked += ["--output", str(tmp_path / "reward"), "--steps", "150", "--json"]
    assert _main(asked) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["accuracy"] > 0.8
    model = RewardModel.load(tmp_path / "reward" / "reward.pt")
    steps = Transitions.of(Dataset.open(recorded), rewards=True)
    assert steps.rewards is not None
    sums = [np.bincount(steps.episode, weights=of) for of in (model.of(steps), steps.rewards)]
    assert rank_correlation(*sums) > 0.7
    assert _main(["eval", "--policy", str(tmp_path / "reward"), "--episodes", "1"]) == 2
    assert "holds a reward and no policy" in capsys.readouterr().err
    # A run that is done is left as it is, and one that was cut off is fitted anew.
    assert _main(asked) == 2
    before = (tmp_path / "reward" / "reward.pt").read_bytes()
    assert _main([*asked, "--resume"]) == 0
    assert (tmp_path / "reward" / "reward.pt").read_bytes() == before
    description = tmp_path / "reward" / "run.json"
    description.write_text(description.read_text().replace('"done"', '"running"'))
    (tmp_path / "reward" / "reward.pt").unlink()
    assert _main([*asked, "--resume"]) == 0
    again = RewardModel.load(tmp_path / "reward" / "reward.pt").state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, again[name])
    # Other answers, as many: not the same run.
    answers = tmp_path / "judged" / "preferences.jsonl"
    lines = answers.read_text().splitlines()
    last = json.loads(lines[-1])
    last["answer"] = "right" if last["answer"] == "left" else "left"
    answers.write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    capsys.readouterr()
    assert _main([*asked, "--resume"]) == 2
    assert "answers of hash" in capsys.readouterr().err


def test_a_policys_attempts_are_compared_and_improved_by_the_reward(
    recorded: Path, tmp_path: Path, capsys
):
    pytest.importorskip("stable_baselines3")
    run = str(tmp_path / "bc")
    short = ["--steps", "50", "--batch-size", "32"]
    assert (
        _main(["train", "--dataset", str(recorded), "--policy", "bc", "--output", run, *short]) == 0
    )
    asked = ["prefer", run, "--judge", "return", "--attempts", "4", "--options", "horizon=20"]
    assert _main([*asked, "--comparisons", "20"]) == 0
    assert Dataset.open(tmp_path / "bc" / "preferences" / "attempts").num_episodes == 4
    judged, reward = str(tmp_path / "bc" / "preferences"), str(tmp_path / "reward")
    fit = ["train", "--learner", "preferences", "--comparisons", judged, "--output", reward]
    assert _main([*fit, "--steps", "50"]) == 0
    better = ["train", "--learner", "ppo", "--from", run, "--reward", reward, "--leash", "0.1"]
    better += ["--steps", "192", "--copies", "2", "--rollout", "64"]
    better += ["--output", str(tmp_path / "p")]
    assert _main([*better, "--options", "horizon=20"]) == 0
    assert (tmp_path / "p" / "policy.pt").exists()
