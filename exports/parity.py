"""Does the exported graph do what the trained module does? Compared on real observations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from exports.samples import Samples
from ilrobot.control.drawing import Guide, Prediction
from ilrobot.control.signals import DOUBT, NOVELTY, ROUNDING
from ilrobot.ensemble import doubt, novelty, spread
from ilrobot.learners.interactive.gate_network import GateNetwork
from ilrobot.policies.policy import Policy

#: Greatest allowed difference in float32, as a fraction of an element's command range.
TOLERANCE = 1e-5
#: Of a policy whose sampler magnifies rounding: so many times what its own module differs by where
#: it is asked for all windows at once and for each alone, up to `MOST_TOLERANCE`.
_OF_ROUNDING = 4.0
MOST_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Parity:
    """How far two ways of running a policy differ.

    Attributes:
        windows: How many real observation windows were compared.
        relative: Greatest |difference| as a fraction of the element's command range high - low;
            for discrete actions the share of actions that differ.
        absolute: Greatest |difference| in the action's units; None for discrete actions.
        tolerance: What `relative` may be at most: more than `TOLERANCE` where the module rounds.
        signals: Greatest |difference| of each signal, which may be `ROUNDING` at most.
    """

    windows: int
    relative: float
    absolute: float | None
    tolerance: float
    signals: Mapping[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether they agree."""
        alike = self.relative <= self.tolerance  # False for NaN too
        return alike and all(apart <= ROUNDING[name] for name, apart in self.signals.items())

    def __str__(self) -> str:
        """How they differ, in words for a person."""
        apart = (f"; {apart:.1e} of its {name}" for name, apart in self.signals.items())
        return f"{self._actions}{''.join(apart)}"

    @property
    def _actions(self) -> str:
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
    predict: Callable[..., Prediction],
    samples: Samples,
    scale: NDArray[np.float64] | None,
    critics: Mapping[str, GateNetwork[Any]] = MappingProxyType({}),
) -> Parity:
    """Run the same inputs through torch and through another predictor.

    Args:
        policy: The trained module, on the CPU.
        predict: The exported graph, see `ExportedPolicy.predict`.
        samples: The inputs.
        scale: Command range of each action element (None: discrete actions, which must be equal).
        critics: What judges it, by the names of their signals. They are compared on what the
            predictor wants, since a probability magnifies by how little that differs.
    """
    count = len(samples)
    chunks, members = _opinions(policy, samples)
    expected: NDArray[Any] = chunks.numpy()
    predictions = [predict(*asked) for asked in samples.each()]
    given = np.stack([prediction.chunk for prediction in predictions])
    apart = _signal_errors(policy, members.numpy(), samples, predictions, critics)
    if scale is None:
        differ = float(np.mean(given != expected))
        return Parity(count, differ, None, 0.0, apart)
    difference = np.abs(np.subtract(given, expected, dtype=np.float64))
    relative, tolerance = float((difference / scale).max()), TOLERANCE
    if relative > tolerance:
        rounding = np.abs(np.subtract(_each_alone(policy, samples), expected, dtype=np.float64))
        own = _OF_ROUNDING * float((rounding / scale).max())
        tolerance = min(max(tolerance, own), MOST_TOLERANCE)
    return Parity(count, relative, float(difference.max()), tolerance, apart)


def _each_alone(policy: Policy, samples: Samples) -> NDArray[Any]:
    """The module's chunks where it is asked for one window at a time: summed in another order."""
    return np.concatenate(
        [_opinions(policy, samples.alone(i))[0].numpy() for i in range(len(samples))]
    )


@torch.inference_mode()
def _signal_errors(
    policy: Policy,
    members: NDArray[Any],
    samples: Samples,
    predictions: Sequence[Prediction],
    critics: Mapping[str, GateNetwork[Any]],
) -> dict[str, float]:
    """Greatest difference of each signal from what torch says of the same chunks."""
    expected = {}
    if policy.config.members > 1:
        apart = spread(members, policy.spec, policy.disagreement_scale)
        expected = {DOUBT: doubt(apart), NOVELTY: novelty(apart)}
    newest = {name: torch.from_numpy(window[:, -1]) for name, window in samples.windows.items()}
    for name, critic in critics.items():
        first = torch.from_numpy(np.stack([prediction.chunk[0] for prediction in predictions]))
        expected[name] = critic.judge(newest, first).numpy()[:, None]
    return {
        name: float(np.max(np.abs(np.stack([p.signals[name] for p in predictions]) - wanted)))
        for name, wanted in expected.items()
    }


@torch.inference_mode()
def _opinions(policy: Policy, samples: Samples) -> tuple[Tensor, Tensor]:
    """See `Policy.opinions`."""
    noise, guides = samples.noise, samples.guides
    return policy.opinions(
        {name: torch.from_numpy(window) for name, window in samples.windows.items()},
        None if noise is None else torch.from_numpy(noise),
        *([None, None] if guides is None else _batch(guides)),
    )


def _batch(guides: Sequence[Guide]) -> list[Tensor]:
    return [
        torch.from_numpy(np.stack(arrays))
        for arrays in ([g.prefix for g in guides], [g.weights for g in guides])
    ]
