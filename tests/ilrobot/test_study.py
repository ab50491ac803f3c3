"""``ilrobot study``: names, table, page, JSON."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from ilrobot.cli import _main
from ilrobot.cli.studies import compounding_path
from ilrobot.cli.study import STUDIES
from ilrobot.theory.compounding import HORIZONS, METHODS


def test_compounding_prints_its_table_and_writes_its_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    few = compounding_path.Plan(horizons=(4, 6), seeds=1, labelled=60, judged=4, training=10)
    monkeypatch.setattr(compounding_path, "PLAN", few)
    monkeypatch.setattr("ilrobot.cli.output.QUIET", 0.0)
    assert _main(["study", "compounding", "--output", str(tmp_path / "out"), "--json"]) == 0
    said = capsys.readouterr()
    page = (tmp_path / "out" / "compounding.html").read_text(encoding="utf-8")
    for method in METHODS.values():
        assert method.title in said.out
        assert method.title in page
    assert "<svg" in page
    assert "trainings 12/12" in said.err
    assert "compounding.html" in said.err
    result = json.loads(said.out.strip().splitlines()[-1])
    assert result["name"] == "compounding"
    assert result["horizons"] == list(HORIZONS)
    for key in ("slopes", "predicted", "regrets", "worked", "worked_bounds"):
        assert set(result[key]) == set(METHODS), key
    assert result["slopes"]["bc"] == pytest.approx(2, abs=0.2)
    assert result["slopes"]["dagger"] == pytest.approx(1, abs=0.2)
    assert result["walk"]["displacement_predicted"] == 4
    assert result["path"]["horizons"] == [4, 6]
    for key in ("slopes", "slope_intervals", "predicted", "regrets", "regret_intervals"):
        assert set(result["path"][key]) == (set(METHODS) | {"expert"}) - {"bc_worst"}, key


def test_every_study_has_a_module_and_a_line_of_help(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        _main(["study", "--help"])
    said = capsys.readouterr().out
    for name in STUDIES:
        assert f"{name}: " in said
        assert callable(importlib.import_module(f"ilrobot.cli.studies.{name}").run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compuonding"], "did you mean 'compounding'?"),
        (["nothing"], "choose one of compounding"),
    ],
)
def test_a_study_that_does_not_exist_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    assert _main(["study", *arguments, "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_file_where_the_folder_should_be_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    (tmp_path / "out").write_text("mine")
    assert _main(["study", "compounding", "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert (tmp_path / "out").read_text() == "mine"
