"""The study `efficiency`, small."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.cli.studies.efficiency import TASK, jobs, measure
from ilrobot.cli.studies.efficiency_job import Scale, Setting
from ilrobot.errors import UserError
from ilrobot.report.efficiency import Efficiency, Learnt, efficiency_report, efficiency_rows
from ilrobot.report.html import render

SMALL = Scale(
    TASK,
    Setting(
        options={"horizon": 20},
        sizes=(1, 2),
        few=(2,),
        rounds=2,
        episodes=1,
        clone_steps=20,
        steps=256,
        rollout=128,
    ),
    attempts=2,
)


def test_every_method_is_tried_and_paid_for(tmp_path: Path):
    told: list[None] = []
    found = measure(tmp_path, SMALL, lambda: told.append(None))
    assert len(told) == len(jobs(SMALL)) == 6
    paid = {(p.method, p.trajectories): p.steps for p in found.points()}
    assert paid == {
        ("bc", 1): 0,
        ("bc", 2): 0,
        ("dagger", 2): 20,
        ("dagger", 3): 40,
        ("gail", 2): 256,
        ("airl", 2): 256,
        ("ppo", 0): 256,
    }
    assert all(len(one.returns) == 2 for one in found.learnt)
    assert all(ret < found.expert for one in found.learnt for ret in one.returns)
    # What is done is only read.
    files = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.pt")}
    assert measure(tmp_path, SMALL) == found
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.pt")} == files


def learnt(method: str, seed: int, trajectories: int, level: float, steps: int = 0) -> Learnt:
    curve = tuple((step, level * step / steps) for step in (10, steps)) if steps else ()
    return Learnt(method, seed, trajectories, steps, (level, level + 1.0), curve)


FOUND = Efficiency(
    "task",
    expert=10.0,
    attempts=2,
    learnt=(
        *(learnt("bc", seed, count, seed + count) for seed in (0, 1) for count in (1, 4)),
        *(learnt("gail", seed, 4, 8.0 + seed, 100) for seed in (0, 1)),
        learnt("ppo", 0, 0, 9.0, 200),
    ),
)


def test_seeds_are_put_together():
    point = next(p for p in FOUND.points() if (p.method, p.trajectories) == ("bc", 4))
    assert point.by_seed == (4.5, 5.5)
    assert point.mean == 5.0
    low, high = point.interval
    assert (high - low) / 2 == pytest.approx(12.706 * np.std([4.5, 5.5], ddof=1) / 2**0.5, rel=1e-3)
    single = next(p for p in FOUND.points() if p.method == "ppo")
    assert single.interval[0] < single.mean < single.interval[1]


def test_curves_go_as_far_as_all_seeds_do():
    steps, mean, least, most = FOUND.curves("gail", 4)
    assert (steps[0], steps[-1]) == (10, 100)
    assert mean[-1] == pytest.approx(8.5)
    assert (least[-1], most[-1]) == pytest.approx((8.0, 9.0))
    assert FOUND.curves("airl", 4)[0].size == 0
    assert FOUND.shown == 4


def test_the_page_and_its_table():
    (first, *_) = efficiency_rows(FOUND)
    assert first[:4] == ("cloning", "1", "0", "2")
    assert first[-1] == "-8"
    page = render(efficiency_report(FOUND))
    assert page.count("<svg") == 2
    assert "PPO from scratch" in page
    json.dumps(FOUND.to_json())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["efficiency", "--task", "CartPole-v1"], "take one of these"),
        (["efficiency", "--task", "ilrobot/Nowhere-v0"], "unknown task"),
        (["chunks", "--task", TASK], "--task is for 'ilrobot study efficiency'"),
        (["efficiency", "--seeds", "0"], "--seeds must be at least 1"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, capsys, options: list[str], said: str):
    assert _main(["study", *options, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_runs_of_other_settings_are_refused(tmp_path: Path):
    scale = Scale(TASK, Setting(options={"horizon": 20}, sizes=(1,), few=(), clone_steps=5))
    folder = tmp_path / TASK.replace("/", "-") / "seed-0"
    (folder / "ppo-0").mkdir(parents=True)
    (folder / "ppo-0" / "mine.txt").write_text("kept")
    with pytest.raises(UserError, match="not empty and no run"):
        measure(tmp_path, scale)
    assert (folder / "ppo-0" / "mine.txt").read_text() == "kept"
