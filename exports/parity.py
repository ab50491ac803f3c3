"""Does the exported graph do what the trained module does? Compared on real observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.control.chunks import ChunkPredictor
from ilrobot.control.drawing import Guide
from ilrobot.policies.policy import Policy

#: Greatest allowed difference in float32, as a fraction of an element's command range.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Parity:
    """How far two ways of running a policy differ.

    Attributes:
        windows: How many real observation windows were compared.
        relative: Greatest |difference| as a fraction of the element's command range high - low;
            for discrete actions the share of actions that differ.
        absolute: Greatest |difference| in the action's units; None for discrete actions.
        tolerance: What `relative` may be at most.
    """

    windows: int
    relative: float
    absolute: float | None
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether they agree."""
        return self.relative <= self.tolerance  # False for NaN too

    def __str__(self) -> str:
        """How they differ, in words for a person."""
        if self.absolute is None:
            if self.relative == 0:
                return f"the same choices on {self.windows} real observations"
            return (
                f"{self.relative:.2g} of the choices on {self.windows} real observations are others"
            )
        return (
            f"{self.relative:.1e} of the command range on {self.windows} real observations (at "
            f"most {self.tolerance:.0e}); {self.absolute:.1e} in the action's units"
        )


def measure_parity(
    policy: Policy,
    predict: ChunkPredictor,
    windows: Mapping[str, NDArray[np.float32]],
    noise: NDArray[np.float32] | None,
    scale: NDArray[np.float64] | None,
    guides: Sequence[Guide] | None = None,
) -> Parity:
    """Run the same inputs through torch and through another predictor.

    Args:
        policy: The trained module, on the CPU.
        predict: The exported graph.
        windows: Name to shape (N, n_obs, *shape), physical units.
        noise: Shape (N, *noise_shape), or None.
        scale: Command range of each action element (None: discrete actions, which must be equal).
        guides: Where the sampler is led at each (None: nowhere).
    """
    count = len(next(iter(windows.values())))
    with torch.inference_mode():
        expected: NDArray[Any] = policy(
            {name: torch.from_numpy(window) for name, window in windows.items()},
            None if noise is None else torch.from_numpy(noise),
            *([] if guides is None else _batch(guides)),
        ).numpy()
    given = np.stack(
        [
            predict(
                {name: window[i] for name, window in windows.items()},
                None if noise is None else noise[i],
                None if guides is None else guides[i],
            )
            for i in range(count)
        ]
    )
    if scale is None:
        differ = float(np.mean(given != expected))
        return Parity(count, differ, None, 0.0)
    difference = np.abs(np.subtract(given, expected, dtype=np.float64))
    relative = float((difference / scale).max())
    return Parity(count, relative, float(difference.max()), TOLERANCE)


def _batch(guides: Sequence[Guide]) -> list[torch.Tensor]:
    return [
        torch.from_numpy(np.stack(arrays))
        for arrays in ([g.prefix for g in guides], [g.weights for g in guides])
    ]
