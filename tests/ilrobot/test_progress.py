"""What a verb tells of its progress where nobody watches a bar."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ilrobot.cli import output
from ilrobot.cli.training_progress import pace


@pytest.fixture(autouse=True)
def from_the_first_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "QUIET", 0.0)


def test_work_that_is_done_at_once_prints_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "QUIET", 3600.0)
    assert told(monkeypatch, 40) == ""


def told(
    monkeypatch: pytest.MonkeyPatch, total: int, note: str = "", *, terminal: bool = False
) -> str:
    screen = io.StringIO()
    monkeypatch.setattr(
        output, "console", Console(file=screen, force_terminal=terminal, width=30, highlight=False)
    )
    with output.progress_bar() as bars:
        bar = bars.add_task("policies", total=0, note="")
        for _ in range(total):
            bars.update(bar, total=total, advance=1, note=note)
    return screen.getvalue()


def test_a_pipe_gets_a_line_for_the_first_step_and_for_every_tenth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = told(monkeypatch, 40).splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"policies {done}/40" for done in (1, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40)
    ]


def test_a_line_has_the_note_and_is_one_however_long(monkeypatch: pytest.MonkeyPatch) -> None:
    note = "a note of [brackets] that is longer than the terminal is wide"
    lines = told(monkeypatch, 2, note).splitlines()
    assert len(lines) == 2
    assert all(line.endswith(f" s, {note}") for line in lines)


def test_a_terminal_gets_a_bar_and_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "policies 1/40" not in told(monkeypatch, 40, terminal=True)


def test_advancing_tells_too(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=screen, force_terminal=False))
    with output.progress_bar() as bars:
        bar = bars.add_task("runs", total=2, note="")
        bars.advance(bar)
        assert screen.getvalue().startswith("runs 1/2")


@pytest.mark.parametrize(
    ("rate", "said"),
    [(0.0, "0 steps/s"), (0.2234, "0.22 steps/s"), (9.87, "9.9 steps/s"), (1234.5, "1234 steps/s")],
)
def test_a_slow_pace_is_more_than_none(rate: float, said: str):
    assert pace(rate) == said
