"""What every offline learner is: a policy, networks beside it, and one step from a batch."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.data.transitions import Transitions
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.offline.experience import Batch
from ilrobot.policies.config import HeadName
from ilrobot.policies.policy import Policy
from ilrobot.ranges import NOT_NEGATIVE, Range, check_ranges

#: Features of the hidden layers of values, as in the papers.
HIDDEN = (256, 256)
#: Of targets: ten times that of the papers, for a tenth of their million steps.
TARGET_RATE = 0.05
#: Returns that are nearly alike count as apart by this share of the greatest, so that their little
#: differences are not blown up.
_LEAST_RANGE = 0.1

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class OfflineLearner(ABC):
    """Improves a policy from batches alone.

    Args:
        policy: Of one observation and one action, with its normalisation, on its device.

    Attributes:
        policy: The same, improved in place.
        networks: All that changes, the policy's head among it, by name.
        optimizers: What changes it, by name.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.networks: dict[str, nn.Module] = {"policy": policy}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._rates: dict[str, float] = {}
        self._moves = (policy.action_normalizer.spread > 0).float()

    @abstractmethod
    def update(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """One step of each optimiser.

        Args:
            batch: To learn from.
            step: Steps before this one.
            generator: Of all that is drawn, on the batch's device.

        Returns:
            Name to a number on the device, to be averaged and reported; ``loss`` is one of them,
            and ``value`` where there is a critic: what it thinks of the batch.
        """

    def state(self) -> dict[str, Any]:
        """Everything that changes, as tensors and plain values."""
        return {
            "networks": {name: n.state_dict() for name, n in self.networks.items()},
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`.

        Raises:
            KeyError, RuntimeError, ValueError: It is of another learner.
        """
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])

    def adam(self, name: str, parameters: Iterable[nn.Parameter], rate: float) -> Any:
        """A new optimiser of some parameters."""
        made = torch.optim.Adam(list(parameters), lr=rate, fused=True)
        self.optimizers[name], self._rates[name] = made, rate
        return made

    def slow_down(self, share: float) -> None:
        """Go on with this share of the policy's learning rate."""
        self.optimizers["policy"].param_groups[0]["lr"] = share * self._rates["policy"]

    def network(self, name: str, network: AnyModule) -> AnyModule:
        """A network beside the policy, on its device."""
        network.to(self.policy.action_normalizer.offset.device)
        self.networks[name] = network
        return network

    def copied(self, name: str, network: AnyModule) -> AnyModule:
        """A copy that follows a network slowly, see `follow`; it takes no gradient."""
        copied = copy.deepcopy(network).requires_grad_(False)
        self.networks[name] = copied
        return copied

    def movable(self, actions: Tensor) -> Tensor:
        """Normalised actions as they are executed: what never moved in the data does not."""
        return actions * self._moves


@dataclass(frozen=True)
class OfflineMethod(ABC):
    """Settings of a learner; each has its own, with the paper's defaults.

    Attributes:
        name: As ``--learner`` names it.
        head: What its policies are of.
        learning_rate: Adam's, of its networks.
    """

    name: ClassVar[str]
    head: ClassVar[HeadName]
    learning_rate: ClassVar[float] = 1e-3

    @abstractmethod
    def learner(self, policy: Policy, config: TrainConfig) -> OfflineLearner:
        """Make it for a policy on its device."""

    def weights(self, transitions: Transitions) -> NDArray[np.float64] | None:
        """How often each transition is drawn beside the others, (N,) (None: all alike)."""
        return None

    def note(self, transitions: Transitions) -> str:
        """What whoever trains should know of these data (empty: nothing)."""
        return ""

    def reward_scale(self, transitions: Transitions) -> float:
        """What rewards are multiplied by."""
        return 1.0

    def settings(self) -> dict[str, Any]:
        """Plain JSON of what its run keeps."""
        return asdict(self)

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: The first setting found.
        """
        check_ranges(self, {field.name: _RANGES[field.name] for field in fields(self)})


#: Settings and what they may be, whichever learners have them.
_RANGES = {
    "alpha": NOT_NEGATIVE,
    "beta": NOT_NEGATIVE,
    "best": Range(0.01, 100),
    "discount": Range(0, 0.99999),
    "expectile": Range(0.5, 0.999),
    "actions": Range(1, 1_000),
    "temperature": Range(0.001),
}


def scale_by_returns(transitions: Transitions) -> float:
    """Steps of the longest episode by the range of the returns.

    Multiplied by it, the best return is that of one per step above the worst, whatever the rewards
    are counted in, as in the program of Kostrikov et al. 2022 (`iql`). It is of the rewards that
    critics see: what a step that was cut off brought is none of them.
    """
    returns = replace(transitions, cut_off=None).returns()[1]
    spread = max(float(np.ptp(returns)), _LEAST_RANGE * float(np.abs(returns).max()))
    longest = float(np.bincount(transitions.episode).max())
    return longest / spread if spread > 0 else 1.0


@torch.no_grad()
def follow(slow: nn.Module, fast: nn.Module, rate: float) -> None:
    """θ' ← (1 - rate) θ' + rate θ."""
    torch._foreach_lerp_(list(slow.parameters()), list(fast.parameters()), rate)
