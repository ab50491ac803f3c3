"""Whatever imitates a recording says where ``next.success`` tells its episodes apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.data.writing import write_episodes
from tests.ilrobot.dagger_runs import TASK, demonstrated_and_cloned

SMALL = ("--copies", "2", "--rollout", "128", "--steps", "128")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Demonstrations that nobody judged, of which two reached the goal, and a clone."""
    folder = tmp_path_factory.mktemp("mixed")
    shown = Dataset.open(demonstrated_and_cloned(folder, 20)[0])
    episodes = []
    for number in range(4):
        episode = shown.episode(number)
        flags = np.full(len(episode.columns["action"]), number < 2)
        info = replace(episode.info, outcome=Outcome.UNKNOWN)
        episodes.append(
            replace(episode, info=info, columns=episode.columns | {"next.success": flags})
        )
    write_episodes(folder / "mixed", shown.spec, episodes)
    return folder


@pytest.mark.parametrize(
    "options",
    [
        ("train", "--learner", "gail", *SMALL),
        ("train", "--learner", "airl", *SMALL),
        ("train", "--learner", "gcl", *SMALL),
        ("dagger", "--rounds", "1", "--episodes", "1", "--workers", "1", "--device", "expert"),
    ],
)
def test_it_is_said(
    options: Sequence[str], made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verb, *others = options
    if verb == "dagger":
        others += ["--policy", str(made / "bc"), "--gate", "beta"]
    output = ["--output", str(tmp_path / "run")]
    data = made / "mixed"
    assert _main([verb, *others, "--dataset", str(data), "--task", TASK, *output]) == 0
    said = capsys.readouterr().out
    assert said.count("mind       next.success is true in 2 of 4 episodes of unknown") == 1
    assert f"ilrobot edit {data} outcome --episodes 2-3 --outcome failure" in said
