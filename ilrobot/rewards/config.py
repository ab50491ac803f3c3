"""What a learnt reward reads, is made of, and says about the end of an episode."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ilrobot.errors import UserError
from ilrobot.typed_json import parse_fields

#: What a reward is a function of: r(s), r(s, a) or r(s, a, s').
Inputs = Literal["state", "state-action", "state-action-next"]

#: What a reward of one sign does to episodes that can end by themselves (Kostrikov et al. 2019,
#: "Discriminator-Actor-Critic", section 4.1): all positive, it pays to survive; all negative, it
#: pays to finish; of either sign, neither.
TerminationBias = Literal["survive", "finish", "none"]

_SIZES = {"width": (1, 4096), "layers": (1, 16)}


@dataclass(frozen=True)
class RewardConfig:
    """What a `RewardModel` is made of.

    Attributes:
        inputs: What it reads.
        width: Features of each hidden layer.
        layers: Hidden layers, each followed by tanh.
        termination_bias: How the network's score z becomes the reward: log(1 + e^z), always
            positive (survive); -log(1 + e^-z), always negative (finish); z itself (none).
        limit: The score is cut off at ± this (None: it is not).
        absorbing: Whether observations have one more element, which says that the episode is over.
    """

    inputs: Inputs = "state-action"
    width: int = 100
    layers: int = 2
    termination_bias: TerminationBias = "none"
    limit: float | None = None
    absorbing: bool = False

    def __post_init__(self) -> None:
        for name, (low, high) in _SIZES.items():
            if not low <= getattr(self, name) <= high:
                raise UserError(f"a reward's {name} must be within {low} and {high}")

    @property
    def reads_action(self) -> bool:
        """Whether it is a function of the action, too."""
        return self.inputs != "state"

    @property
    def reads_next(self) -> bool:
        """Whether it is a function of the next observation, too."""
        return self.inputs == "state-action-next"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> RewardConfig:
        """Inverse of `to_json`.

        Raises:
            ValueError: Something is missing, unknown or of another type.
        """
        return parse_fields(cls, dict(data))
