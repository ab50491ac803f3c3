"""The map of risk, and what the report of a run says of its gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset
from ilrobot.learners.interactive.risk_map import risk_map
from ilrobot.policies.loading import load_policy
from ilrobot.report.html import render
from ilrobot.report.risk import risk_section
from ilrobot.report.rounds import GATE_HEADERS, gate_rows, recordings_of
from ilrobot.report.run import run_report
from ilrobot.run import Run
from ilrobot.run_description import DaggerDescription

TITLE = "What the policy may be trusted with"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations, an ensemble and a single net that clone them, and a run of each."""
    base = tmp_path_factory.mktemp("risk")
    task = ["--task", "ilrobot/PandaReach-v0"]
    data = ["--dataset", str(base / "data")]
    record = ["record", *task, "--output", str(base / "data"), "--device", "operator"]
    assert _main([*record, "--episodes", "3"]) == 0
    for name, members in (("ensemble", 2), ("single", 1)):
        small = ["--policy", "bc", "--width", "16", "--steps", "20", "--members", str(members)]
        first, run = str(base / f"bc-{name}"), str(base / name)
        assert _main(["train", *data, *small, "--output", first]) == 0
        dagger = ["dagger", *task, *data, "--policy", first, "--output", run, "--workers", "1"]
        assert _main([*dagger, "--rounds", "2", "--episodes", "1"]) == 0
    return base


def described(run: Path) -> DaggerDescription:
    return Run.read_as(run, DaggerDescription).description


def test_an_ensembles_report_has_its_doubts_and_the_map(folder: Path) -> None:
    run = described(folder / "ensemble")
    assert any(row.log is not None and row.log.doubts for row in run.rounds)
    page = render(run_report(folder / "ensemble"))
    assert TITLE in page
    assert "τ = " in page
    assert "doubt up to τ" in page
    assert "[m]" in page


def test_a_single_net_or_one_that_was_left_alone_has_no_map(folder: Path) -> None:
    assert TITLE not in render(run_report(folder / "single"))
    run = described(folder / "ensemble")
    alone = tuple(
        replace(row, log=None if row.log is None else replace(row.log, doubts=()))
        for row in run.rounds
    )
    assert risk_section(folder / "ensemble", replace(run, rounds=alone)) is None


def test_the_map_shows_visited_positions_and_the_policys_doubt(folder: Path) -> None:
    data = Dataset.open(folder / "ensemble" / "dataset")
    policy = load_policy(folder / "ensemble")
    found = risk_map(policy, data)
    assert found is not None
    assert all(axis.endswith("[m]") for axis in found.axes)
    assert found.axes[0] != found.axes[1]
    assert found.states.shape == (len(found.doubt), 2)
    assert np.all(found.doubt > 0)
    few = risk_map(policy, data, most=10)
    assert few is not None
    assert len(few.doubt) == 10
    assert not any(axis.startswith("goal") for axis in found.axes), "goals stand still"
    # The first tick is the first one of an episode, where the actor has no other history.
    actor = policy.actor()
    actor.reset(0)
    first = {f.name: data.column(f.name)[0] for f in policy.spec.observations}
    actor.act(first, 0.0)
    assert few.doubt[0] == pytest.approx(actor.doubt(first), rel=1e-4)  # type: ignore[attr-defined]


def test_every_round_says_what_its_gate_did(folder: Path) -> None:
    for name in ("ensemble", "single"):
        run = described(folder / name)
        rows = gate_rows(run)
        assert [len(row) for row in rows] == [len(GATE_HEADERS)] * 2
        log = run.rounds[0].log
        assert log is not None
        assert rows[0][:3] == ["Round 1", str(log.switches), str(log.takeovers)]
        page = render(run_report(folder / name))
        for header in GATE_HEADERS:
            assert header in page.replace("&#x27;", "'")


def test_aggregated_attempts_are_found_among_the_demonstrations(folder: Path) -> None:
    run = described(folder / "single")
    data = recordings_of(folder / "single", run)
    assert data is not None
    assert data.num_episodes == 5
    into = recordings_of(folder / "single", replace(run, aggregate=True))
    assert into is not None
    assert into.num_episodes == 3
    moved = replace(run, aggregate=True, demonstrations=replace(run.demonstrations, path="gone"))
    assert recordings_of(folder / "single", moved) is None
