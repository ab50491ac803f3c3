"""`ilrobot view` of a log of ticks: a page, or a file for rerun."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest

from exports.runtime.tick_layout import CLOSED_AT, layout
from exports.runtime.tick_log import TickLog
from ilrobot.actors import Source
from ilrobot.cli import _main
from ilrobot.control.activation import NOTHING, Activation
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    (Feature("observation.state", (2,), units=("m", "rad"), names=("reach", "turn")),),
    Feature("action", (1,), names=("push",)),
    rate=100.0,
    task="test/Arm-v0",
)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def write(path: Path, count: int, activation: Activation = NOTHING) -> Path:
    kept = layout(SPEC, 100.0, [1.0], {"robot": "an <arm>", "policy": "p.onnx"})
    with TickLog(path, kept, 2000) as log:
        for tick in range(count):
            log.append(
                {"observation.state": np.array([tick, 0], np.float32)},
                None if tick == 3 else np.array([0.1]),
                None if tick == 4 else np.array([0.2]),
                Source.POLICY,
                *(0.01 * tick, tick // 1000, int(activation), 0.0, 0.001, 0.002, 0.001, False),
            )
    return path


@pytest.mark.parametrize("count", [1, 1500])
def test_a_log_becomes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str], count: int):
    log = write(tmp_path / "run.ticks", count, Activation.FALLBACK | Activation.OBSERVATION_STALE)
    assert _main(["view", str(log)]) == 0
    page = Path(capsys.readouterr().out.strip()).read_text()
    assert "Deployment run" in page
    assert "an &lt;arm&gt;" in page
    assert f"{count} at 100 Hz" in page
    assert "observation stale" in page
    for name in ("reach", "turn", "push"):
        assert name in page
    assert "never closed" not in page


def test_what_a_crash_left_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = write(tmp_path / "run.ticks", 10)
    content = bytearray(log.read_bytes())
    content[CLOSED_AT] = 0
    log.write_bytes(content)
    assert _main(["view", str(log), "--output", "a/page.html"]) == 0
    page = Path("a/page.html").read_text()
    assert "never closed" in page
    assert "every command passed" in page


@pytest.mark.parametrize(
    ("count", "options", "words"),
    [(0, [], "holds no tick"), (5, ["--episode", "0"], "--episode is for datasets")],
)
def test_what_cannot_be_shown_is_one_line(tmp_path: Path, capsys, count, options, words):
    log = write(tmp_path / "run.ticks", count)
    assert _main(["view", str(log), *options]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert not Path("runs").exists()


def test_a_log_becomes_a_recording_for_rerun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    logged: list[tuple[str, object]] = []

    class Stream:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def save(self, path: Path) -> None:
            path.write_bytes(b"RRF")

        def set_time(self, *_: object, **__: object) -> None:
            pass

        def log(self, place: str, what: object, static: bool = False) -> None:
            logged.append((place, what))

        def flush(self) -> None:
            pass

    rerun = types.ModuleType("rerun")
    vars(rerun).update(
        RecordingStream=Stream,
        Scalars=lambda row: row.tolist(),
        SeriesLines=lambda names: names,
        TextLog=lambda text: text,
    )
    monkeypatch.setitem(sys.modules, "rerun", rerun)
    log = write(tmp_path / "run.ticks", 6, Activation.FALLBACK)
    assert _main(["view", str(log), "--rerun"]) == 0
    assert Path("runs/view/run-ticks.rrd").exists()
    assert ("observation/state", ["reach", "turn"]) in logged
    assert ("observation/state", [5.0, 0.0]) in logged
    assert logged.count(("guard", "fallback")) == 6
    assert ("command", [0.1]) in logged
