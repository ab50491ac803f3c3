"""What a contract says of a policy's signals: what they are to be held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ilrobot.control.contract_parts import floats


@dataclass(frozen=True)
class DoubtScale:
    """What an ensemble's doubt is to be held against, see `ilrobot.ensemble`.

    Attributes:
        scale: What each element's disagreement was measured by, in the action's units (None:
            choices).
        usual: Greatest doubt about the present tick in 95 % of the real observations of the export.
        threshold: The doubt from which the gate of the policy's own DAgger run calls for help
            (None: it has none).
        novelty_threshold: The novelty likewise.
    """

    scale: tuple[float, ...] | None
    usual: float
    threshold: float | None = None
    novelty_threshold: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "scale": None if self.scale is None else list(self.scale),
            "usual": self.usual,
            "threshold": self.threshold,
            "novelty_threshold": self.novelty_threshold,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> DoubtScale:
        """Inverse of `to_json`; raises as `Limits.from_json` does."""
        scale = data["scale"]
        return cls(
            scale=None if scale is None else floats(scale),
            usual=floats([data["usual"]])[0],
            threshold=_float_or_none(data["threshold"]),
            novelty_threshold=_float_or_none(data.get("novelty_threshold")),
        )


@dataclass(frozen=True)
class CriticScale:
    """What a critic's signal is to be held against, see `ilrobot.control.signals`.

    Attributes:
        usual: Greatest value about the present tick in 95 % of the real observations of the export.
        threshold: From which the gate of the policy's own DAgger run calls for help (None: it has
            none).
    """

    usual: float
    threshold: float | None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CriticScale:
        """Inverse of `vars`; raises as `Limits.from_json` does."""
        return cls(floats([data["usual"]])[0], _float_or_none(data["threshold"]))


def _float_or_none(value: Any) -> float | None:
    return None if value is None else floats([value])[0]
