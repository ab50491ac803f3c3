"""Preferences by the verbs: answers on disk, their mistakes, and the way from them to a policy."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.cli import _main
from ilrobot.cli.people import scripted_expert
from ilrobot.data.comparisons import FILE, Answer, Clip, Compared, Comparisons
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.data.transitions import Transitions
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.learners.finetuning.judges import ScriptedJudge
from ilrobot.noisy_expert import NoisyExpert
from ilrobot.rewards.model import RewardModel
from ilrobot.rollout import rollout
from tests.ilrobot.learner_tester import check_mistake
from tests.ilrobot.preferred import SPEC, rank_correlation, wandering

TASK = "ilrobot/PointPath-v0"


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
    data.infos = tuple(replace(info, outcome=Outcome.SUCCESS) for info in data.infos)
    with pytest.raises(UserError, match="all of its episodes succeeded"):
        ScriptedJudge("success", data)


def test_a_reward_that_is_the_same_at_each_step_tells_by_how_long_it_took():
    info = EpisodeInfo("wander", 10.0)

    def taken(*lengths: int) -> MemoryRecordings:
        columns = {"observation.state": (2,), "action": (1,)}
        made = []
        for length in lengths:
            known = {n: np.zeros((length, *shape), np.float32) for n, shape in columns.items()}
            known["next.reward"] = np.full(length, -1, np.float32)
            made.append(Episode(info, known))
        return MemoryRecordings(SPEC, made)

    with pytest.raises(UserError, match="all the same, and so are the sums"):
        ScriptedJudge("return", taken(9, 9))
    judge = ScriptedJudge("return", taken(15, 9))
    assert judge.judge(Clip(0, 0, 15), Clip(1, 0, 9), 0) is Answer.RIGHT


def test_discarded_episodes_are_not_compared():
    data = wandering(6)
    compared = Compared("memory", 6, "", None, seed=1)
    before = [compared.pair(data, number) for number in range(40)]
    thrown_away = {1, 4}
    data.infos = tuple(
        replace(info, outcome=Outcome.DISCARDED) if number in thrown_away else info
        for number, info in enumerate(data.infos)
    )
    pairs = [compared.pair(data, number) for number in range(40)]
    assert {clip.episode for pair in before for clip in pair} == set(range(6))
    assert {clip.episode for pair in pairs for clip in pair} == set(range(6)) - thrown_away
    judge = ScriptedJudge("success", data)
    assert judge.judge(Clip(3, 0, 15), Clip(0, 0, 15), 0) is Answer.LEFT
    data.infos = tuple(replace(info, outcome=Outcome.DISCARDED) for info in data.infos)
    with pytest.raises(UserError, match="0 of its episodes are not discarded"):
        compared.pair(data, 0)


def record(path: Path, seeds: range) -> None:
    """PointPath driven well and badly."""
    env = make_env(TASK, {"horizon": 40})
    state, more = env.state_size, seeds.start > 0
    with DatasetRecorder(path, env.spec, state_size=state, resume=more) as recorder:
        for seed in seeds:
            actor = NoisyExpert.isotropic(scripted_expert(env), env.spec, std=1.5 * (seed % 4))
            rollout(env, actor, seed=seed, recorder=recorder)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("preferences") / "mixed"
    record(path, range(16))
    return path


def compare(recorded: Path, folder: Path, count: int = 12) -> None:
    asked = ["prefer", str(recorded), "--output", str(folder), "--judge", "return"]
    assert _main([*asked, "--answers", str(count)]) == 0


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


def test_what_is_recorded_later_does_not_change_the_pairs(tmp_path: Path, capsys):
    data, folder = tmp_path / "data", tmp_path / "answers"
    record(data, range(4))
    compare(data, folder, 2)
    record(data, range(4, 6))
    compare(data, folder, 12)
    known = Comparisons.read(folder)
    assert known.compared.episodes == 4
    assert len(known.answers) == 12
    assert {clip.episode for one in known.answers for clip in (one.left, one.right)} == set(
        range(4)
    )
    assert Dataset.open(data).num_episodes == known.open_dataset().num_episodes == 6


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


def test_clips_longer_than_any_episode_are_refused(recorded: Path, tmp_path: Path, capsys):
    asked = ["prefer", str(recorded), "--output", str(tmp_path / "p"), "--judge", "return"]
    check_mistake([*asked, "--seconds", "3000"], "longer than any episode", capsys)
    check_mistake([*asked, "--seconds", "1e300"], "above 0 and below 3600, not 1e+300", capsys)
    assert not (tmp_path / "p").exists()


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
        (["--options", "engine=pybullet"], "--options is for the attempts of a run"),
        (["--answers", "0"], "--answers must be at least 1"),
        (["--judge", "person", "--error-rate", "0.1"], "--error-rate is for a program"),
        (["--judge", "return", "--device", "keyboard"], "are what a person answers by"),
        (["--judge", "return", "--port", "0"], "are what a person answers by"),
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


def test_too_few_answers_leave_no_run(recorded: Path, tmp_path: Path, capsys):
    compare(recorded, tmp_path / "judged", 1)
    asked = ["train", "--learner", "preferences", "--comparisons", str(tmp_path / "judged")]
    check_mistake([*asked, "--output", str(tmp_path / "reward")], "1 answer is too few", capsys)
    assert not (tmp_path / "reward").exists()


@pytest.mark.parametrize(("error_rate", "chance"), [(0.0, False), (0.5, True)])
def test_agreement_by_chance_is_said(error_rate, chance, recorded: Path, tmp_path: Path, capsys):
    judge = ["prefer", str(recorded), "--judge", "return", "--error-rate", str(error_rate)]
    assert _main([*judge, "--answers", "200", "--output", str(tmp_path / "judged")]) == 0
    fit = ["train", "--learner", "preferences", "--comparisons", str(tmp_path / "judged")]
    assert _main([*fit, "--output", str(tmp_path / "reward"), "--steps", "150"]) == 0
    assert ("which may be chance" in capsys.readouterr().out) == chance


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
    check_mistake(["reward", str(tmp_path / "reward"), "--seed", "5"], "holds no policy", capsys)
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
    run = str(tmp_path / "bc")
    short = ["--steps", "50", "--batch-size", "32"]
    assert (
        _main(["train", "--dataset", str(recorded), "--policy", "bc", "--output", run, *short]) == 0
    )
    asked = ["prefer", run, "--judge", "return", "--attempts", "4", "--options", "horizon=20"]
    assert _main([*asked, "--answers", "20"]) == 0
    assert Dataset.open(tmp_path / "bc" / "preferences" / "attempts").num_episodes == 4
    judged, reward = str(tmp_path / "bc" / "preferences"), str(tmp_path / "reward")
    fit = ["train", "--learner", "preferences", "--comparisons", judged, "--output", reward]
    assert _main([*fit, "--steps", "50"]) == 0
    better = ["train", "--learner", "ppo", "--from", run, "--reward", reward, "--leash", "0.1"]
    better += ["--steps", "192", "--copies", "2", "--rollout", "64"]
    better += ["--output", str(tmp_path / "p")]
    assert _main([*better, "--options", "horizon=20"]) == 0
    assert (tmp_path / "p" / "policy.pt").exists()
