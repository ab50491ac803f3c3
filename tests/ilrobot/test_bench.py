"""``ilrobot bench``: names, rows, goals, failures."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import onnx
import pytest

from benchmarks import row
from ilrobot.cli import _main, bench
from ilrobot.errors import UserError, WorkFailed


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A benchmark named ``fake`` that measures nothing."""
    module = ModuleType("benchmarks.fake")
    module.run = lambda: [  # type: ignore[attr-defined]
        row("fast [enough]", 3.0, "Hz", reference=2.0, at_least=1.4, of="ratio"),
        row("slow", 9.0, "s", at_most=1.0),
    ]
    monkeypatch.setitem(sys.modules, "benchmarks.fake", module)
    monkeypatch.setattr(bench, "benchmark_names", lambda root: ["fake"])
    return module


def test_a_missed_goal_is_told_and_is_no_failure(
    fake: ModuleType, capsys: pytest.CaptureFixture[str]
):
    assert _main(["bench", "fake", "--json"]) == 0
    out = capsys.readouterr().out
    result = json.loads(out.strip().splitlines()[-1])
    assert result["name"] == "fake"
    assert result["machine"]
    assert [r["met"] for r in result["rows"]] == [True, False]
    assert result["rows"][0]["ratio"] == 1.5
    assert "fast [enough]" in out


def test_all_runs_everything(fake: ModuleType, capsys: pytest.CaptureFixture[str]):
    assert _main(["bench", "all", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    assert {r["benchmark"] for r in result["rows"]} == {"fake"}


def test_an_unknown_name_is_told_the_names(capsys: pytest.CaptureFixture[str]):
    assert _main(["bench", "strtup"]) == 2
    said = capsys.readouterr().err
    assert "startup" in said
    assert len(said.strip().splitlines()) == 1


def test_without_a_name_the_names_are_listed(fake: ModuleType, capsys: pytest.CaptureFixture[str]):
    assert _main(["bench", "--json"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert (first, json.loads(last)) == ("fake", {"names": ["fake"]})


def test_a_benchmark_that_raises_fails(fake: ModuleType, capsys: pytest.CaptureFixture[str]):
    def broken() -> list[dict[str, object]]:
        raise ValueError("two\nlines")

    fake.run = broken  # type: ignore[attr-defined]
    assert _main(["bench", "fake"]) == 1
    assert "benchmark 'fake' failed: two lines" in capsys.readouterr().err
    with pytest.raises(WorkFailed):
        bench.run_benchmark("fake")


def test_without_a_checkout_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    import ilrobot

    monkeypatch.setattr(ilrobot, "__file__", str(tmp_path / "ilrobot" / "__init__.py"))
    with pytest.raises(UserError, match="source checkout"):
        bench.source_checkout()


def test_names_are_the_files_that_can_be_run(tmp_path: Path):
    folder = tmp_path / "benchmarks"
    (folder / "peers").mkdir(parents=True)
    for name in ("__init__.py", "_shared.py", "windows.py", "startup.py", "notes.md"):
        (folder / name).write_text('"""What."""\n\n\ndef run():\n    return []\n')
    (folder / "program.py").write_text('"""What."""\n\n\ndef main():\n    return []\n')
    assert bench.benchmark_names(tmp_path) == ["startup", "windows"]


def test_every_name_that_is_listed_can_be_run():
    names = bench.benchmark_names(bench.source_checkout())
    assert {"startup", "pusht", "policy"} <= set(names)
    assert "panda" not in names
    for name in names:
        assert callable(importlib.import_module(f"benchmarks.{name}").run), name


def test_after_a_failure_all_goes_on_and_says_so(
    fake: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(bench, "benchmark_names", lambda root: ["absent", "fake"])
    assert _main(["bench", "all", "--json"]) == 1
    out, err = capsys.readouterr()
    result = json.loads(out.strip().splitlines()[-1])
    assert {r["benchmark"] for r in result["rows"]} == {"fake"}
    assert result["failures"] == ["absent"]
    assert "benchmarks that failed: absent" in err


def test_a_row_without_reference_or_goal():
    assert row("x", 1.0, "s") == {
        **{"what": "x", "value": 1.0, "unit": "s"},
        **{"reference": None, "ratio": None, "goal": "", "met": None},
    }


def test_a_goal_on_the_ratio_speaks_of_the_ratio():
    assert row("x", 4.0, "s", reference=2.0, at_most=1.25, of="ratio")["goal"] == "ratio ≤ 1.25"
    assert row("x", 4.0, "s", reference=2.0, at_most=1.25, of="ratio")["met"] is False
    assert row("x", 4.0, "s", reference=2.0, at_most=5, of="value")["met"] is True


@pytest.mark.parametrize("words", [["startup", "--minutes", "1"], ["soak", "--minutes", "0"]])
def test_minutes_are_for_the_soak_test(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert _main(["bench", *words]) == 2
    assert "--minutes is for 'ilrobot bench soak', and more than 0" in capsys.readouterr().err


def test_a_chunk_is_timed_of_the_network_that_meets_the_goal_of_quality():
    policy = importlib.import_module("benchmarks.policy")
    pusht = importlib.import_module("benchmarks.pusht")
    recipe, _ = pusht.METHODS["flow"].configure(policy.SPEC)
    timed = [config for name, (config, _) in policy.POLICIES.items() if "goal" in name]
    assert [config.sampler_steps for config in timed] == [2, recipe.sampler_steps]
    for config in timed:
        for size in ("head", "network", "n_obs", "horizon", "width", "blocks"):
            assert getattr(config, size) == getattr(recipe, size)


def test_an_act_in_8_bits_is_timed_with_the_parameters_that_act(tmp_path: Path):
    policy = importlib.import_module("benchmarks.policy")
    small = replace(policy.ACT, width=16, layers=1)
    parameters, exported, eager = policy._both(small, tmp_path, int8=True)
    operators = {node.op_type for node in onnx.load(tmp_path / "policy.onnx").graph.node}
    assert "DynamicQuantizeLinear" in operators
    assert parameters < sum(p.numel() for p in policy.Policy(policy.SPEC, small).parameters())
    exported()
    eager()
