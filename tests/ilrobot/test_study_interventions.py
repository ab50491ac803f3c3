"""The study `interventions`, small: real runs on disk, killed and gone on with, and its page."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ilrobot.cli import _main
from ilrobot.cli.studies.interventions import jobs, measure
from ilrobot.cli.studies.interventions_job import Job, Scale, Setting, Workshop
from ilrobot.comparison import Row
from ilrobot.learners.config import TrainConfig
from ilrobot.lock import LOCK_FILE, WriteLock
from ilrobot.policies.config import PolicyConfig
from ilrobot.report.html import render
from ilrobot.report.interventions import (
    HEADERS,
    TITLES,
    InterventionRow,
    intervention_rows,
    interventions_report,
    references,
)
from tests.forked import Forked

REACH = "ilrobot/PandaReach-v0"
SCALE = Scale(
    seeds=1,
    attempts=2,
    settings={
        REACH: Setting(
            start=4,
            more=(5,),
            rounds=2,
            episodes=1,
            policy=PolicyConfig(width=16, members=2),
            training=TrainConfig(batch_size=128, held_out=0.1).with_steps(20),
        )
    },
    gates=("human", "dart"),
    workers=2,
)


def row(method: str, success: float, **changes: Any) -> InterventionRow:
    """Of one method on a task; its demonstrations took 100 steps."""
    half = (max(0.0, success - 0.1), min(1.0, success + 0.1))
    came_to = Row(
        method=method,
        round=0 if method == "bc" else 2,
        runs=1,
        labels=150.0,
        success=success,
        success_interval=half,
        mean_return=0.0,
        return_interval=(0.0, 0.0),
        helped=None if method == "bc" else 0.9,
        helped_interval=None if method == "bc" else (0.8, 1.0),
        expert_steps=0.0,
        takeovers=0.0,
        switches=0.0,
    )
    return InterventionRow("some/Task", method, 10, 100.0, replace(came_to, **changes))


def test_a_killed_study_goes_on_and_comes_to_what_one_process_would(tmp_path: Path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    begun = Forked(measure, killed, SCALE, errors=tmp_path / "errors")
    run = killed / "PandaReach-v0" / "seed-0" / "human"
    deadline = time.monotonic() + 300
    try:
        while not (run / "dataset" / "meta").exists():
            assert begun.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline, "it never came to the first round"
            time.sleep(0.02)
    finally:
        begun.kill()
        begun.wait()
    # Its own processes see that it is gone, and let go of what they had.
    while any(WriteLock.is_held(lock.parent) for lock in killed.rglob(LOCK_FILE)):
        assert time.monotonic() < deadline, "its processes outlive it"
        time.sleep(0.02)
    told: list[None] = []
    rows = measure(killed, SCALE, lambda: told.append(None))
    assert len(told) == len(jobs(SCALE)) == 4
    assert [(one.method, one.demonstrations) for one in rows] == [
        ("bc", 4),
        ("bc", 5),
        ("human", 4),
        ("dart", 4),
    ]
    assert rows[3].came_to.round == 2
    assert rows[3].came_to.expert_steps > 0
    assert rows[0].expert_steps == rows[0].shown == rows[0].came_to.labels

    shop = Workshop(whole, SCALE)
    for one, job in zip(rows[:3:2], jobs(SCALE)[:3:2], strict=True):
        alone = shop.do(job)
        learnt = alone.run.policies[0]
        assert one.came_to.labels == learnt.labels
        assert one.shown == alone.shown
        assert one.success == (alone.scores[-1].successes or 0) / 2
    # All is there: nothing is made a second time.
    policy = whole / "PandaReach-v0" / "seed-0" / "human" / "policy.pt"
    before = policy.stat().st_mtime_ns
    (last,) = shop.do(Job(REACH, 0, 4, "human")).run.policies
    # Measured after every round, the last one is what it was.
    each = Workshop(whole, replace(SCALE, every_round=True)).do(Job(REACH, 0, 4, "human"))
    assert [learnt.round for learnt in each.run.policies] == [1, 2]
    assert each.run.policies[-1] == last
    assert len(each.scores) == 2
    assert policy.stat().st_mtime_ns == before


def test_an_order_is_said_where_the_intervals_bear_it_out() -> None:
    def found(thrifty: float, human: float, bc: float) -> str:
        given = {"thrifty": thrifty, "human": human, "bc": bc}
        rows = [row(method, success) for method, success in given.items()]
        return references(rows, "some/Task")[0].found

    assert found(0.9, 0.5, 0.2).endswith("BC, 10 episodes 20% (10% to 30%): the same order")
    assert found(0.2, 0.9, 0.5).startswith("HG-DAgger 90%")
    assert found(0.2, 0.9, 0.5).endswith(": another order")
    assert found(0.41, 0.4, 0.39).endswith(": not told apart")
    above = "ThriftyDAgger above BC, 10 episodes, HG-DAgger above BC, 10 episodes"
    assert found(0.71, 0.7, 0.2).endswith(f": not told apart, but for {above}")
    assert references([row("bc", 0.2)], "some/Task")[0].found == "not measured"


def test_references_say_what_was_found_also_against_a_paper() -> None:
    rows = [
        row("bc", 0.2),
        replace(row("bc", 0.8), demonstrations=40, shown=400.0),
        row("safe", 0.5, switches=10.0),
        row("lazy", 0.5, switches=4.0),
        row("dart", 0.5, expert_steps=100.0),
    ]
    _, switches, better = references(rows, "some/Task")
    assert "60% fewer (4.0 and 10.0)" in switches.found
    assert better.found.endswith("38% worse (50%, BC 80% with 2.0 times its expert steps)")
    near = references([*rows[:-1], row("dart", 0.9, expert_steps=100.0)], "some/Task")[-1]
    assert near.found.endswith(
        "12% better (90%, BC 80% with 2.0 times its expert steps), not told apart"
    )
    # No clone had as many: the largest.
    (_, _, better) = references([rows[0], row("dart", 0.6, expert_steps=100.0)], "some/Task")
    assert "200% better (60%, BC 20% with 0.5 times" in better.found
    failed = references([row("bc", 0.0), rows[-1]], "some/Task")[-1]
    assert failed.found.endswith("50%, BC 0% with 0.5 times its expert steps")


def test_switches_that_were_not_counted_are_not_called_none() -> None:
    lazy = row("lazy", 0.5, switches=4.0)
    uncounted = references([row("safe", 0.5, switches=None), lazy], "some/Task")[1]
    assert uncounted.found.endswith("switches were not counted")
    never = references([row("safe", 0.5, switches=0.0), lazy], "some/Task")[1]
    assert never.found.endswith("SafeDAgger never switched, LazyDAgger 4.0 times")


def test_the_page_the_table_and_the_json() -> None:
    rows = [row("bc", 0.2), row("human", 0.7, expert_steps=50.0, switches=6.0)]
    assert intervention_rows(rows)[1][:2] == ("HG-DAgger", "70%")
    assert intervention_rows(rows)[1][-3:] == ("150", "150", "6.0")
    page = render(
        interventions_report({"some/Task": rows}, references(rows, "some/Task"), "Some words.")
    )
    assert page.count("<svg") == 2
    for said in (*HEADERS, "ThriftyDAgger 73", "60 % less often", "62 % better", "some/Task"):
        assert said in page
    told = rows[1].to_json()
    assert told["expert_steps"] == 150
    assert told["helped_interval"] == (0.8, 1.0)
    assert {"task", "method", "success", "success_interval", "switches"} <= told.keys()


def test_every_gate_has_the_name_of_its_paper() -> None:
    assert set(Scale(1, 1, {}).gates) | {"bc"} == set(TITLES)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["chunks", "--seeds", "2"], "--seeds is for 'ilrobot study interventions'"),
        (["interventions", "--seeds", "0"], "--seeds must be at least 1, not 0"),
    ],
)
def test_seeds_are_for_this_study_alone(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(["study", *given]) == 2
    assert said in capsys.readouterr().err
