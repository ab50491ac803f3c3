"""What the page `irl` works out, and which questions it refuses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ilrobot.cli.explorers.irl import EXPLORATION, LONGEST_PATH, MOST_PATHS
from ilrobot.errors import UserError

STAIRS = [[0, 0], [0, 1], [1, 1], [1, 2], [2, 2], [2, 3], [3, 3], [3, 4], [4, 4]]
#: What the page sends.
ASKED: dict[str, Any] = {
    "side": 5,
    "slip": 0.0,
    "goal": [4, 4],
    "paths": [STAIRS],
    "method": "maxent",
}


def answer(**changes: Any) -> dict[str, Any]:
    found, rest = EXPLORATION.step(None, EXPLORATION.begin({**ASKED, **changes}))
    assert rest is None
    parsed: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return parsed


@pytest.mark.parametrize("method", ["maxent", "projection", "max-margin"])
def test_each_method_finds_the_goal_and_goes_where_the_expert_went(method: str) -> None:
    found = answer(method=method)
    assert int(np.argmax(found["recovered"])) == 24 == int(np.argmax(found["true"]))
    assert found["correlation"] > 0.3
    assert found["iterations"] == len(found["history"]) > 1
    assert found["converged"]
    assert found["remark"] == ""
    expert, learner = np.array(found["expert"]), np.array(found["learner"])
    assert expert.sum() == pytest.approx(1)
    assert learner.sum() == pytest.approx(1)
    assert np.abs(expert - learner).max() <= found["gap"] < 0.2
    policy = np.array(found["policy"])
    assert policy.sum(axis=1) == pytest.approx(np.ones(25), abs=1e-3)
    # From everywhere it goes towards the goal: never up, never left.
    likeliest = {found["moves"][move] for move in policy.argmax(axis=1)[:24]}
    assert likeliest <= {"right", "down"}


def test_more_demonstrations_tell_more_of_the_true_reward() -> None:
    everywhere = [
        [[row, column] for column in range(first, 5)] + [[down, 4] for down in range(row + 1, 5)]
        for row in range(5)
        for first in range(5)
    ]
    assert answer(paths=everywhere)["correlation"] > answer()["correlation"]


def test_where_steps_slip_a_drawn_path_cannot_be_kept_and_that_is_said() -> None:
    found = answer(slip=0.2)
    assert np.isfinite(found["recovered"]).all()
    assert int(np.argmax(found["recovered"])) == 24
    assert found["gap"] > 0.5
    assert "a gap remains" in found["remark"]


def test_a_path_that_ends_elsewhere_is_believed_and_that_is_said() -> None:
    found = answer(paths=[STAIRS[:5]])
    assert int(np.argmax(found["recovered"])) == 12
    assert "1 of 1 paths do not end in the goal" in found["remark"]


def test_the_greatest_grid_is_answered() -> None:
    edge = [[row, 0] for row in range(20)] + [[19, column] for column in range(1, 20)]
    found = answer(side=20, goal=[19, 19], paths=[edge])
    assert int(np.argmax(found["recovered"])) == 399


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "1 × 1": ({"side": 1}, "a grid of 1 × 1 cells"),
    "21 × 21": ({"side": 21}, "2 to 20 cells a side"),
    "slip": ({"slip": 1.5}, "a slip of 1.5"),
    "no goal": ({"goal": None}, "there is no goal"),
    "goal outside": ({"goal": [5, 0]}, "the goal has a cell outside"),
    "no path": ({"paths": []}, "there is no path"),
    "empty path": ({"paths": [STAIRS, []]}, "path 2 is empty"),
    "a gap": ({"paths": [[[0, 0], [0, 2]]]}, "between row 1, column 1 and row 1, column 3"),
    "diagonal": ({"paths": [[[0, 0], [1, 1]]]}, "each cell must touch the one before"),
    "cell outside": ({"paths": [[[0, -1], [0, 0]]]}, "path 1 has a cell outside the 5 × 5 grid"),
    "too many": ({"paths": [STAIRS] * (MOST_PATHS + 1)}, f"at most {MOST_PATHS}"),
    "too long": ({"paths": [[[0, 0]] * (LONGEST_PATH + 1)]}, f"at most {LONGEST_PATH}"),
}


@pytest.mark.parametrize(("changes", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_question_that_makes_no_sense_is_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as refused:
        EXPLORATION.begin({**ASKED, **changes})
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"side": "5"}, "side"),
        ({"side": True}, "side"),
        ({"goal": [4]}, "the goal"),
        ({"paths": [[[0, 0, 0]]]}, "path 1"),
        ({"paths": [[0, 0]]}, "paths"),
        ({"paths": {"0": []}}, "paths"),
        ({"method": "gail"}, "method"),
        ({"reward": [1]}, "reward"),
    ],
)
def test_what_the_page_never_sends_is_no_question(changes: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        EXPLORATION.begin({**ASKED, **changes})
