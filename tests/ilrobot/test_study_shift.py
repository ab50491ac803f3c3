"""The study `shift` and the measured half of `compounding`: small runs, and their numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.cli.studies import compounding_path, shift
from ilrobot.erring import ErringActor
from ilrobot.report.compounding_path import METHODS, PathRegrets, path_rows, path_section
from tests.exhaustive import thinned


@pytest.mark.parametrize("tasks", thinned([1, 2], [1]))
def test_shift_drives_prints_and_draws(
    tasks: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    few = shift.Plan(rounds=1, episodes=2, judged=3, training=20)
    monkeypatch.setattr(shift, "PLAN", few)
    monkeypatch.setattr(shift, "TASKS", shift.TASKS[:tasks])
    monkeypatch.setattr("ilrobot.cli.output.QUIET", 0.0)
    assert _main(["study", "shift", "--output", str(tmp_path / "out"), "--json"]) == 0
    said, told = capsys.readouterr()
    assert f"tasks {tasks}/{tasks}" in told
    page = (tmp_path / "out" / "shift.html").read_text(encoding="utf-8")
    result = json.loads(said.strip().splitlines()[-1])
    assert [*result["tasks"]] == ["ilrobot/PointPath-v0", "ilrobot/PandaPush-v0"][:tasks]
    assert page.count("<svg") == tasks * 3 * 2  # tasks, figures, widths
    for task, found in result["tasks"].items():
        assert task in said
        assert found["episodes"] == 3
        assert found["labels"]["BC"] > 0
        assert set(found["driven"]) == {"expert", "BC", "DAgger"}
        for driven in found["driven"].values():
            distance = driven["distance"]
            assert distance["low"] <= distance["high"]
            low, high = driven["error_last_quarter_interval"]
            assert low <= driven["error_last_quarter"] <= high


def test_a_clone_that_knows_nothing_is_further_from_the_expert_than_the_expert_is():
    few = shift.Plan(rounds=1, episodes=3, judged=6, training=1)
    found = shift._shift(None, (few, 0))
    distances = found.distances()
    assert distances["BC"].value > 2 * distances["expert"].value
    assert found.driven["expert"].successes == 6
    assert found.labels["BC"] == 300


@pytest.mark.exhaustive  # that they learn: test_interactive_methods
def test_the_methods_learn_on_a_short_path():
    plan = compounding_path.Plan(
        epsilon=0.1, horizons=(8,), seeds=1, labelled=200, judged=8, training=80
    )
    untaught = compounding_path._regret(None, (replace(plan, training=1), "bc", 8, 0))
    for name in compounding_path.METHODS:
        assert compounding_path._regret(None, (plan, name, 8, 0)) < untaught / 2, name


def test_the_methods_learn_the_same_from_the_same_seeds():
    tiny = compounding_path.Plan(
        epsilon=0.2, horizons=(6,), seeds=1, labelled=60, judged=8, training=10
    )
    for name in compounding_path.METHODS:
        regret, again = (compounding_path._regret(None, (tiny, name, 6, 0)) for _ in range(2))
        assert regret == again, name


def test_who_never_errs_and_knows_the_way_has_no_regret():
    world = compounding_path._World(replace(compounding_path.PLAN, epsilon=0.0), 40)
    assert world.regret(world.expert) == 0.0


def test_regret_from_two_strata_is_that_over_all_episodes():
    plan = compounding_path.Plan(epsilon=0.02, judged=600)
    world = compounding_path._World(plan, 20)
    erring = ErringActor(world.expert, world.env.spec, plan.epsilon)
    plain = [world.cost(erring, seed) for seed in range(1_500)]
    half = 4 * np.std(plain, ddof=1) / np.sqrt(len(plain))
    low, high = np.mean(plain) - half, np.mean(plain) + half
    assert low < world.regret(world.expert) < high
    assert high < 2 * low


def test_a_longer_path_is_no_more_to_learn():
    world = compounding_path._World(compounding_path.PLAN, 100)
    seen = [world.env.reset(3)]
    for _ in range(100):
        seen.append(world.env.step(world.expert.act(seen[-1], 0.0).action).observation)
    x = np.array([o["observation.state"][0] for o in seen])
    assert x.min() >= 0
    assert x.max() <= np.pi + 1e-6
    assert (np.diff(x) < 0).sum() >= 2


def _found(exponent: float, seeds: int = 3) -> PathRegrets:
    """Regrets that grow by a known power, and scatter by a fifth."""
    rng = np.random.default_rng(0)
    horizons = (10, 16, 25, 40)
    regrets = [(h**exponent * np.exp(rng.normal(0, 0.2, seeds))).tolist() for h in horizons]
    return PathRegrets(0.01, horizons, dict.fromkeys(METHODS, regrets))


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_a_known_slope_is_found_within_its_interval(exponent: float):
    found = _found(exponent)
    low, high = found.slope_interval("bc")
    assert found.slope("bc") == pytest.approx(exponent, abs=0.2)
    assert low < exponent < high
    # ±t · σ / √Σ(ln T - mean)², with 10 degrees of freedom and 12 trainings
    assert high - low == pytest.approx(2 * 2.228 * 0.2 / (3 * 1.077) ** 0.5, rel=0.5)
    assert "0.01" in "".join(path_section(found).blocks)


def test_two_trainings_do_not_tell_how_they_scatter():
    found = PathRegrets(0.01, (10, 20), {name: [[1.0], [2.0]] for name in METHODS})
    assert found.slope("bc") == pytest.approx(1)
    assert found.slope_interval("bc") is None


def test_no_slope_is_told_where_nothing_was_lost():
    found = PathRegrets(0.01, (10, 20), {name: [[0.0, 0.0], [1.0, 2.0]] for name in METHODS})
    assert found.slope("bc") is None
    assert found.slope_interval("bc") is None
    assert found.to_json()["slopes"]["bc"] is None
    assert path_rows(found)[0][2] == "none"
    path_section(found)
    path_section(PathRegrets(0.01, (10, 20), {name: [[0.0, 0.0]] * 2 for name in METHODS}))
