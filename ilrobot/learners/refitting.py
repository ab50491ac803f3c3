"""How the policy of a run is cloned again, when there is more to learn from."""

from __future__ import annotations

from pathlib import Path

from ilrobot.learners.config import PRESETS, TrainConfig
from ilrobot.run import RUN_FILE, Run
from ilrobot.run_description import Description, TrainDescription

#: The learner whose runs hold one of cloning for each round, and the names of their folders.
_BY_ROUNDS, _ROUNDS = "raft", "round-*"


def cloning_of(run: Path) -> Description | None:
    """The cloning of the policy, in RAFT of its last round; None where it was learnt otherwise.

    There the settings of the run are of other things: what learns by trying counts the steps of its
    environment. What RAFT clones begins with the dataset of its run; the best attempts come after.

    Raises:
        UserError: There is no run, or its ``run.json`` is damaged or of another version.
    """
    known = Run.read(run).description
    if not isinstance(known, TrainDescription) or known.learner == "bc":
        return known
    rounds = [path.parent for path in run.glob(f"{_ROUNDS}/{RUN_FILE}")]
    if known.learner != _BY_ROUNDS or not rounds:
        return None
    last = max(rounds, key=lambda path: int(path.name.rpartition("-")[2]))
    return Run.read(last).description


def cloned_with(run: Path) -> TrainConfig | None:
    """How the policy was cloned, see `cloning_of`.

    Raises:
        UserError: As `cloning_of` says.
    """
    known = cloning_of(run)
    return None if known is None else known.config.train


def refit_config(run: Path) -> TrainConfig:
    """How the policy is cloned again: as it was, else by the preset of its head (else by ``bc``'s).

    Raises:
        UserError: As `cloning_of` says.
    """
    known = cloned_with(run)
    if known is not None:
        return known
    head = Run.read(run).description.config.policy.head
    alike = [training for policy, training in PRESETS.values() if policy.head == head]
    return alike[0] if alike else PRESETS["bc"][1]
