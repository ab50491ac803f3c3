"""The benchmark of interactive imitation: a larger scale of the study, held against its goals."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.interactive import goals, plan
from ilrobot.cli.studies.interventions import PEG, SETTINGS, jobs
from ilrobot.comparison import Row
from ilrobot.learners.config import PRESETS
from ilrobot.report.interventions import InterventionRow


def point(method: str, round_: int, success: float, steps: float) -> InterventionRow:
    came_to = Row(
        method=method,
        round=round_,
        runs=5,
        labels=None,
        success=success,
        success_interval=(0.0, 1.0),
        mean_return=0.0,
        return_interval=(0.0, 0.0),
        helped=None,
        helped_interval=None,
        expert_steps=steps,
        takeovers=0.0,
        switches=None,
    )
    return InterventionRow(PEG, method, 20, 0.0, came_to)


CLONES = [point("bc", 0, 0.3, 3_000), point("bc", 0, 0.8, 16_000), point("bc", 0, 0.8, 30_000)]


def met(points: list[InterventionRow]) -> list[bool]:
    return [row["met"] for row in goals([*CLONES, *points])]


def test_steps_are_held_against_the_cheapest_of_the_best_clones() -> None:
    assert met([point("human", 1, 0.92, 8_000)]) == [True, True]
    assert met([point("human", 1, 0.92, 8_001)]) == [True, False]
    assert met([point("human", 1, 0.85, 8_000)]) == [False, True]


def test_the_best_affordable_round_counts() -> None:
    rounds = [
        point("human", 1, 0.7, 5_000),
        point("human", 2, 0.91, 7_000),
        point("human", 3, 0.95, 9_000),
    ]
    success, steps = goals([*CLONES, *rounds])
    assert (success["value"], steps["value"]) == (0.91, 7_000)


def test_a_gate_of_the_robot_is_held_against_hg_dagger() -> None:
    person = point("human", 1, 0.92, 8_000)
    assert met([person, point("thrifty", 1, 0.89, 4_000)])[2:] == [True, True]
    assert met([person, point("thrifty", 1, 0.88, 4_000)])[2:] == [False, True]
    assert met([person, point("thrifty", 1, 0.95, 4_001)])[2:] == [True, False]


def test_the_robot_is_not_charged_with_the_demonstrations_that_both_begin_with() -> None:
    person = replace(point("human", 1, 0.92, 5_000), shown=3_000.0)
    robot = replace(point("thrifty", 1, 0.91, 2_400), shown=3_000.0)
    *_, steps = goals([*CLONES, person, robot])
    assert (steps["value"], steps["reference"], steps["met"]) == (2_400, 5_000, True)


def test_it_is_the_study_at_a_larger_scale_with_every_round_measured() -> None:
    words = "--seeds 2 --start 20 --sizes 20 50 --gates human dart --output there"
    place, scale = plan(words.split())
    assert place == Path("there")
    assert scale.every_round
    setting, small = scale.settings[PEG], SETTINGS[PEG]
    assert setting.training.steps > small.training.steps
    assert setting.rounds > small.rounds
    assert setting.policy.horizon == small.policy.horizon
    assert setting.weighting == "plain"
    of_iwr = plan([*words.split(), "--weighting", "iwr"])[1].settings[PEG]
    assert of_iwr == replace(setting, weighting="iwr")
    runs = [(job.seed, job.gate, job.demonstrations) for job in jobs(scale)]
    each = [(None, 20), (None, 50), ("human", 20), ("dart", 20)]
    assert runs == [(seed, *run) for seed in (0, 1) for run in each]


def test_the_novice_is_an_ensemble_of_clones_or_a_preset() -> None:
    of_bc, of_flow, of_three = (
        plan([*words.split(), "--output", "there"])[1].settings[PEG]
        for words in (
            "--steps 7",
            "--policy flow",
            "--policy flow --members 3 --gates thrifty --steps 7",
        )
    )
    assert (of_bc.policy.head, of_bc.policy.members, of_bc.training.steps) == ("log-cosh", 5, 7)
    policy, training = PRESETS["flow"]
    assert (of_flow.policy, of_flow.training) == (policy, training)
    assert of_three.policy == replace(policy, members=3)
    assert of_three.training == training.with_steps(7)


def test_the_novice_is_told_the_frame_of_the_task_where_that_is_asked_for() -> None:
    words = ["--policy", "bc-chunk", "--output", "there"]
    policy = replace(PRESETS["bc-chunk"][0], head="l1")
    assert plan(words)[1].settings[PEG].policy == policy
    framed = plan([*words, "--frame", "auto"])[1].settings[PEG].policy
    assert framed == replace(policy, frame=("peg", "hole"))


def test_what_goes_by_doubt_is_refused_a_single_net(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        plan(["--policy", "flow", "--gates", "human", "thrifty", "--output", "there"])
    assert left.value.code == 2
    assert "--gates thrifty" in (said := capsys.readouterr().err)
    assert "--members" in said.splitlines()[-1]


@pytest.mark.parametrize("wrong", ["--seeds 0", "--gates hg-dagger", "--task PushT"])
def test_what_cannot_be_asked_for_is_refused(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        plan([*wrong.split(), "--output", "there"])
    assert left.value.code == 2
    assert wrong.split()[0] in capsys.readouterr().err
