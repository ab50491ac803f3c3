"""What the page `drift` works out, round by round, and which settings it refuses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ilrobot.cli.explorers import drift
from ilrobot.cli.explorers.drift import EXPLORATION, JUDGED, Drift
from ilrobot.errors import UserError

SET: dict[str, Any] = {"rounds": 2, "episodes": 1, "ridge": 2.0, "seed": 3}


def test_rounds_follow_one_another_and_dagger_is_taught_where_it_drives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drift, "_TRAINING", 40)
    state: Drift | None = EXPLORATION.begin(SET)
    rounds = []
    while state is not None:
        told, state = EXPLORATION.step(None, state)
        rounds.append(json.loads(json.dumps(told, allow_nan=False)))
    assert [one["round"] for one in rounds] == [1, 2]
    first, second = (one["learners"] for one in rounds)

    # The first round is the same demonstrations for both, and so the same policy.
    assert first["bc"] == first["dagger"]
    assert first["bc"]["labels"] == 100
    # Then both have as many labels, of other states.
    assert second["bc"]["labels"] == second["dagger"]["labels"] == 200
    (cloned,), (taught,) = second["bc"]["taught"], second["dagger"]["taught"]
    off = {
        name: [abs(y - np.sin(2 * x)) for x, y in episode["states"]]
        for name, episode in (("bc", cloned), ("dagger", taught))
    }
    assert max(off["bc"]) < 0.05
    assert max(off["dagger"]) > 0.2
    # The expert's label there leads back.
    states, labels = np.array(taught["states"]), np.array(taught["labels"])
    beside = states[:, 1] - np.sin(2 * states[:, 0])
    worst = int(np.abs(beside).argmax())
    assert labels[worst] * beside[worst] < 0
    for learner in (*first.values(), *second.values()):
        assert len(learner["driven"]) == JUDGED
        assert 0 <= learner["kept"] <= JUDGED
        assert learner["distance"] == pytest.approx(
            np.mean([abs(y - np.sin(2 * x)) for episode in learner["driven"] for x, y in episode]),
            abs=1e-3,
        )
    for x, y in rounds[0]["path"]:
        assert y == pytest.approx(np.sin(2 * x), abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rounds": 0}, "rounds of 0: choose 1 to 10"),
        ({"episodes": 6}, "episodes of 6: choose 1 to 5"),
        ({"ridge": -0.5}, "ridge of -0.5: choose 0 to 4"),
        ({"seed": 1_000}, "seed of 1000: choose 0 to 999"),
    ],
)
def test_settings_out_of_range_are_one_line(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        EXPLORATION.begin({**SET, **changes})


@pytest.mark.parametrize("changes", [{"rounds": 2.5}, {"rounds": "2"}, {"steps": 1}])
def test_what_the_page_never_sends_is_no_setting(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        EXPLORATION.begin({**SET, **changes})
