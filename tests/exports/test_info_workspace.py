"""`ilrobot info` of a contract with a workspace fits into the 80 columns of a terminal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ilrobot.cli import main
from ilrobot.control.contract_guards import Workspace
from ilrobot.control.contract_parts import Limits
from tests.exports.identity import constant_policy
from tests.ilrobot.control.contracts import DELTA, contract_for


def test_limits_and_workspace_are_told_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    action = replace(DELTA.action, names=("gripper_opening", "dx"), units=("1", "rad/tick"))
    limits = Limits(
        *(("delta", "delta"), (-0.02, -0.1), (0.02, 0.1)),
        *((0.4, 2.0), (4.185, 7.953), (5.25, 50.5)),
    )
    contract = replace(
        contract_for(replace(DELTA, action=action), limits),
        workspace=Workspace((0.25, float("-inf")), (0.875, float("inf"))),
        golden=(),
    )
    constant_policy(tmp_path / "policy.onnx", contract)
    with pytest.raises(SystemExit) as stop:
        main(["info", str(tmp_path / "policy.onnx")])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "…" not in said
    for words in ("rad/tick", "greatest", "4.185", "5.25", "workspace", "0.25", "0.875", "any"):
        assert words in said
