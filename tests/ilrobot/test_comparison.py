"""What a comparison counts and keeps: intervals over runs, labels, methods that are one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from ilrobot.atomic import write_json
from ilrobot.comparison import Row, Score, group
from ilrobot.contenders import Contender, Learnt, expert_labels
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.intervals import runs_interval, t_interval, wilson_interval
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.report.compare import compare_report, score_text
from ilrobot.report.html import render
from ilrobot.rollout import EpisodeResult
from ilrobot.run import POLICY_FILE, RUN_FILE
from ilrobot.run_description import Config
from ilrobot.scores import Scores
from ilrobot.typed_json import dump
from tests.ilrobot.described_runs import train_description
from tests.ilrobot.policy_tester import CONTINUOUS


def test_runs_of_raft_that_differ_by_their_seeds_are_alike(tmp_path: Path) -> None:
    def read(name: str, seed: int, tries: int = 3) -> Contender:
        settings = {"seed": seed, "tries": tries}
        known = train_description(
            learner="raft", settings=settings, config=Config(PolicyConfig(), TrainConfig(seed=seed))
        )
        (tmp_path / name).mkdir()
        (tmp_path / name / POLICY_FILE).touch()
        write_json(tmp_path / name / RUN_FILE, dump(known))
        return Contender.read(tmp_path / name)

    first, second, other = read("a", 0), read("b", 1), read("c", 1, tries=2)
    assert first.alike == second.alike
    assert first.alike != other.alike


def test_students_t_over_runs_is_as_the_tables_have_it() -> None:
    low, high = t_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (high - low) / 2 == pytest.approx(2.776 * np.std([1, 2, 3, 4, 5], ddof=1) / 5**0.5)
    values = list(range(21))  # 20 degrees of freedom: 2.086, from the expansion
    low, high = t_interval(values)
    assert (high - low) / 2 == pytest.approx(2.086 * np.std(values, ddof=1) / 21**0.5, rel=1e-3)


def test_runs_that_came_out_alike_still_have_an_interval() -> None:
    assert runs_interval([1.0, 1.0, 1.0], 20) == pytest.approx(wilson_interval(60, 60))
    low, high = runs_interval([0.1, 0.9], 100)
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("returns", "said"),
    [
        ([(3.0,)], "3.0 [one episode]"),
        ([(3.0, 5.0)], "4.0 [-8.7, 16.7]"),
        ([(3.0,), (5.0,)], "4.0 [-8.7, 16.7]"),
    ],
)
def test_a_return_has_an_interval_where_several_were_measured(
    returns: list[tuple[float, ...]], said: str
) -> None:
    policies = [Learnt(Path(f"runs/{n}"), 0, labels=7) for n in range(len(returns))]
    row = Row.over("ppo", policies, [Score(None, of) for of in returns])
    assert score_text(row, judged=False) == said
    assert said in render(compare_report([row], range(len(returns[0]))))


def episode(source: str, wanted: list[float], outcome: Outcome, human: bool) -> Episode:
    steps = len(wanted)
    columns = {
        "observation.state": np.zeros((steps, 3), np.float32),
        "observation.target": np.zeros((steps, 1), np.float32),
        "action": np.zeros((steps, 2), np.float32),
        "control.source": np.array([source] * steps, dtype=object),
        "control.human_action": np.repeat(np.array(wanted)[:, None], 2, axis=1),
        "intervention": np.array([human and np.isfinite(w) for w in wanted]),
    }
    return Episode(EpisodeInfo("test", 10.0, outcome=outcome), columns)


def test_labels_are_what_the_expert_demonstrated_or_was_asked_for() -> None:
    nan = float("nan")
    data = MemoryRecordings(
        CONTINUOUS,
        [
            episode("demo", [nan] * 4, Outcome.SUCCESS, False),
            episode("demo", [nan] * 4, Outcome.FAILURE, False),
            episode("policy", [nan, 1.0, 1.0, nan], Outcome.TIMEOUT, True),
            episode("policy", [1.0] * 3, Outcome.TIMEOUT, False),
        ],
    )
    assert expert_labels(data).tolist() == [4, 0, 2, 3]


def contender(path: str, method: str, alike: str) -> Contender:
    return Contender(Path(path), method, alike, (Learnt(Path(path), 0, 1),))


def test_runs_that_differ_by_their_seed_alone_are_one_method() -> None:
    runs = [contender("r/hg-0", "human", "a"), contender("r/hg-1", "human", "a")]
    assert {name: len(g) for name, g in group(runs).items()} == {"human": 2}
    runs.append(contender("r/wide-0", "human", "b"))
    assert {name: len(g) for name, g in group(runs).items()} == {
        "human (hg)": 2,
        "human (wide)": 1,
    }
    runs.append(contender("q/wide-0", "human", "c"))
    assert len(group(runs)) == 3


def test_what_was_measured_is_kept_and_a_damaged_file_is_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "episodes.json"
    scores = Scores(file)
    result = EpisodeResult(7, Outcome.SUCCESS, True, 1.0, 2.5, 3, 0, 0, 0)
    scores.add("policy", result)
    scores.save()
    again = Scores(file)
    assert again.missing("policy", [7, 8]) == [8]
    assert again.missing("other", [7]) == [7]
    assert again.score("policy", [7]).successes == 1
    assert again.score("policy", [7]).returns == (2.5,)
    file.write_text(file.read_text()[:-5])
    assert Scores(file).missing("policy", [7]) == [7]


@pytest.mark.parametrize("reward", [math.nan, math.inf])
def test_a_reward_that_is_no_number_is_kept_as_none(reward: float, tmp_path: Path) -> None:
    file = tmp_path / "episodes.json"
    scores = Scores(file)
    scores.add("policy", EpisodeResult(7, Outcome.UNKNOWN, False, 1.0, reward, 3, 0, 0, 0))
    scores.save()
    for kept in (scores, Scores(file)):
        assert kept.missing("policy", [7]) == []
        assert math.isnan(kept.score("policy", [7]).returns[0])


def test_two_comparisons_into_one_folder_keep_what_both_measured(tmp_path: Path) -> None:
    one, other = Scores(tmp_path / "episodes.json"), Scores(tmp_path / "episodes.json")
    for scores, seed in ((one, 1), (other, 2)):
        scores.add("policy", EpisodeResult(seed, Outcome.SUCCESS, True, 1.0, 2.5, 3, 0, 0, 0))
        scores.save()
    assert Scores(tmp_path / "episodes.json").missing("policy", [1, 2, 3]) == [3]
