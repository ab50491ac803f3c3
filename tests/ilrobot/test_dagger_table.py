"""What ``dagger`` says of its rounds that a table does not show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ilrobot.atomic import write_json
from ilrobot.cli.dagger_table import print_rounds
from ilrobot.gates.log import GateLog
from ilrobot.learners.interactive.gate_values import CLASSIFIER, VALUES
from ilrobot.run_description import RoundSummary


def told(
    capsys: pytest.CaptureFixture[str],
    run: Path,
    expert_steps: int = 9,
    takeovers: int = 1,
    budget: float | None = None,
) -> str:
    """What is printed of a round of 100 steps."""
    switches = 2 * takeovers
    log = GateLog(100, expert_steps, takeovers, switches, expert_steps, 1.0, budget=budget)
    print_rounds([RoundSummary(1, 2, 2, 0, takeovers, expert_steps, 100, log)], run)
    return capsys.readouterr().out


def test_a_round_in_which_nobody_took_over_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "nobody took over, so that no correction was added to learn from"
    assert said in told(capsys, tmp_path, expert_steps=0, takeovers=0)
    assert said not in told(capsys, tmp_path)


def test_a_budget_that_was_no_bound_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "that is nearly all of them"
    # The policy had 2 steps, and called at both.
    assert said in told(capsys, tmp_path, expert_steps=100, takeovers=2, budget=0.1)
    assert said not in told(capsys, tmp_path, expert_steps=80, takeovers=5, budget=0.1)
    assert said not in told(capsys, tmp_path, expert_steps=100, takeovers=2, budget=0.99)
    assert said not in told(capsys, tmp_path, expert_steps=100, takeovers=2)


@pytest.mark.parametrize(("brier", "chance"), [(0.04, False), (0.09, True)])
def test_what_the_policy_came_to_alone_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], brier: float, chance: bool
) -> None:
    validation = {"rehearsals": 100, "successes": 54, "brier": brier, "constant": 0.08}
    (tmp_path / "gate-1").mkdir()
    write_json(tmp_path / "gate-1" / VALUES, {"validation": validation})
    assert "54 of 100" not in told(capsys, tmp_path)  # of a gate that did not rehearse
    (tmp_path / "rehearsal-1").mkdir()
    out = told(capsys, tmp_path)
    assert "round 1: its policy succeeded in 54 of 100 attempts" in out
    assert ("may be chance" in out) == chance


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        ({"frames": 0, "auc": None}, "round 1: its classifier saw one episode"),
        ({"frames": 90, "auc": 0.25}, "(AUC 0.25, of a coin 0.5)"),
        ({"frames": 90, "auc": 0.8}, ""),
        ({"frames": 90, "auc": None}, ""),  # Nothing was unsafe.
    ],
)
def test_a_classifier_that_tells_nothing_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], validation: dict[str, Any], said: str
) -> None:
    (tmp_path / "gate-1").mkdir()
    write_json(tmp_path / "gate-1" / VALUES, {"validation": validation})
    assert "its classifier" not in told(capsys, tmp_path)  # of another gate
    (tmp_path / "gate-1" / CLASSIFIER).touch()
    out = told(capsys, tmp_path)
    assert said in out
    assert ("its classifier" in out) == bool(said)
