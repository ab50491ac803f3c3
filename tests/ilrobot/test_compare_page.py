"""The page of ``compare``: who is called best, and how many methods its figure tells apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ilrobot.comparison import Row
from ilrobot.intervals import wilson_interval
from ilrobot.report.compare import compare_report
from ilrobot.report.figures import styles
from ilrobot.report.html import render


def row(method: str, successes: int, round_: int = 0, policy: str = "") -> Row:
    """Of 50 attempts."""
    return Row(
        method=method,
        round=round_,
        runs=1,
        labels=889.0,
        success=successes / 50,
        success_interval=wilson_interval(successes, 50),
        mean_return=0.0,
        return_interval=(0.0, 0.0),
        helped=None,
        helped_interval=None,
        expert_steps=0.0,
        takeovers=0.0,
        switches=0.0,
        policies=(policy or f"runs/{method}-{round_}",),
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row("mse", 0), row("human", 0)], "No policy succeeded without help."),
        ([row("mse", 25)], "mse: 50.0% [37%, 63%] from 889 labels of the expert."),
        (
            [row("mse", 10), row("human", 5, 1), row("human", 40, 2)],
            "Best was human after round 2: 80.0% [67%, 89%] from 889 labels of the expert; its "
            "interval lies above all others.",
        ),
        (
            [row("mse", 30), row("human", 31)],
            "Not told apart: every interval overlaps that of the highest, human: 62.0% [48%, 74%] "
            "from 889 labels of the expert.",
        ),
        (
            [row("mse", 10), row("beta", 36, 1), row("human", 40, 1), row("human", 35, 2)],
            "Highest was human after round 1: 80.0% [67%, 89%] from 889 labels of the expert. Not "
            "told apart from it, by their intervals: beta, human after round 2.",
        ),
        # The clone that both began with is not a rival of itself.
        (
            [row("mse", 45, policy="bc"), row("human", 45, 0, "../compare/bc"), row("human", 9, 1)],
            "Best was mse: 90.0% [79%, 96%] from 889 labels of the expert; its interval lies above "
            "all others.",
        ),
    ],
)
def test_a_best_is_named_where_its_interval_is_apart(
    rows: list[Row], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "compare").mkdir()
    monkeypatch.chdir(tmp_path / "compare")
    assert compare_report(rows, range(50)).summary == said


@pytest.mark.parametrize("count", [1, 6, 8, 20, 60])
def test_as_many_lines_are_told_apart(count: int) -> None:
    assert len({(style.colour, style.marker) for style in styles(count)}) == count
    assert len({(style.colour, style.mark) for style in styles(count)}) == count


def test_more_methods_than_colours_have_marks_of_their_own_in_the_key() -> None:
    page = render(compare_report([row(f"method-{n}", n) for n in range(11)], range(50)))
    key = re.findall(r'<li><i style="background:([^"]+)"></i>([^<]+)</li>', page)
    assert [name.split()[-1] for _, name in key] == [f"method-{n}" for n in range(11)]
    assert len({(colour, name.rpartition(" ")[0]) for colour, name in key}) == 11


def test_the_page_says_by_which_seeds_and_options_was_measured() -> None:
    page = render(compare_report([row("mse", 1)], range(7, 57), {"size": 3, "engine": "x"}))
    said = "50 episodes of each policy, from seed 7 on"
    assert f"{said}, with --options engine=x size=3" in page
    assert f"{said}, by the options of the training" in render(
        compare_report([row("mse", 1)], range(7, 57))
    )
