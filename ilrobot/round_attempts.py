"""Which of the recordings that a run of dagger adds to belong to which of its rounds."""

from __future__ import annotations

from pathlib import Path

from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import UNCOUNTED, EpisodeInfo
from ilrobot.run import POLICY_FILE, policy_hash
from ilrobot.run_description import DaggerDescription


def round_folder(path: Path, number: int) -> Path:
    """The run of training after a round, counted from 1, in the folder of a run of dagger."""
    return path / f"round-{number}"


def round_attempts(
    path: Path, run: DaggerDescription, number: int, data: Dataset
) -> list[tuple[int, EpisodeInfo]]:
    """Index and description of each attempt of a round that counts, in the order of recording.

    The seed says the round, and the policy that acted says the run: others may have added to the
    same dataset from the same seeds. Where that policy is gone, the seed alone says both.

    Args:
        path: The run's folder.
        run: What its ``run.json`` holds.
        number: Of the round, from 1.
        data: The recordings that the run began with and adds to.
    """
    seeds, acted = run.plan.seeds(number), _acted(path, run, number)
    return [
        (index, info)
        for index, info in list(enumerate(data.infos))[run.demonstrations.episodes :]
        if info.seed in seeds
        and info.outcome not in UNCOUNTED
        and acted in (None, info.policy_hash)
    ]


def _acted(path: Path, run: DaggerDescription, number: int) -> str | None:
    """Hash of the policy that acted in a round (None: it is gone)."""
    if number == 1:
        return run.initial.policy_hash
    folder = round_folder(path, number - 1)
    return policy_hash(folder) if (folder / POLICY_FILE).exists() else None
