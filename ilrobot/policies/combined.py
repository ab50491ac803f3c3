"""Several policies as one result: a mixture, or one for each stretch of the episode; on disk, too.

Their folder holds ``policies.json`` and a file ``policy-N.pt`` for each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ilrobot.actors import Actor
from ilrobot.atomic import make_folder, write_json
from ilrobot.combined_actors import MixtureActor, SequenceActor
from ilrobot.errors import UserError, explained
from ilrobot.policies.policy import Policy

_FILE = "policies.json"


class Acting(Protocol):
    """What was learnt, as far as it acts: a `Policy`, or several."""

    def actor(self) -> Actor:
        """It as an actor with a memory of its own."""


@dataclass(frozen=True)
class PolicyMixture:
    """Who acts is drawn at every step.

    Attributes:
        policies: The members.
        weights: Their probabilities.
    """

    policies: Sequence[Acting]
    weights: Sequence[float]

    def actor(self) -> MixtureActor:
        """It as an actor."""
        return MixtureActor([policy.actor() for policy in self.policies], self.weights)


@dataclass(frozen=True)
class PolicySequence:
    """Each acts for a block of steps, the last one to the end.

    Attributes:
        policies: In the order of the episode.
        block: Steps of each.
    """

    policies: Sequence[Acting]
    block: int = 1

    def actor(self) -> SequenceActor:
        """It as an actor."""
        return SequenceActor([policy.actor() for policy in self.policies], self.block)


def save_policies(several: PolicyMixture | PolicySequence, folder: Path) -> None:
    """Write them to a new folder, its description last.

    Raises:
        UserError: Something is there already, or the folder cannot be written.
        TypeError: One of them is no `Policy`.
        WorkFailed: The disk is full.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} is not empty; give another folder for the policies")
    description: dict[str, Any] = {"policies": len(several.policies)}
    if isinstance(several, PolicyMixture):
        description["weights"] = [float(weight) for weight in several.weights]
    else:
        description["block"] = several.block
    with explained(folder, "nothing else was changed", "save them again"):
        make_folder(folder)
        for number, policy in enumerate(several.policies, start=1):
            if not isinstance(policy, Policy):
                raise TypeError(f"a {type(policy).__name__} cannot be saved, only policies can")
            policy.save(_policy_file(folder, number))
        write_json(folder / _FILE, description)


def load_policies(folder: Path) -> PolicyMixture | PolicySequence:
    """Inverse of `save_policies`.

    Raises:
        UserError: There are none, or a file is missing or damaged.
        WorkFailed: Weights are not finite.
    """
    file = folder / _FILE
    try:
        found = json.loads(file.read_bytes())
        count = int(found["policies"])
        if count < 1:
            raise ValueError(f"{count} policies")
        weights = [float(w) for w in found["weights"]] if "weights" in found else None
        block = 1 if weights is not None else int(found["block"])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{folder} holds no {_FILE}; give the folder that several policies were saved to"
        ) from error
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file} is damaged ({error}); copy the folder again") from error
    policies = [Policy.load(_policy_file(folder, number)) for number in range(1, count + 1)]
    if weights is None:
        several: PolicyMixture | PolicySequence = PolicySequence(policies, block)
    else:
        several = PolicyMixture(policies, weights)
    several.actor()  # refuses weights and blocks that are none
    return several


def _policy_file(folder: Path, number: int) -> Path:
    return folder / f"policy-{number}.pt"
