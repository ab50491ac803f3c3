"""What an exported policy and the trained one are both asked, and what a contract keeps of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.runtime.session import BoundSession
from ilrobot.control.contract import Contract
from ilrobot.control.contract_check import ACTION
from ilrobot.control.contract_golden import Golden
from ilrobot.control.drawing import Guide, Guided

#: Golden vectors in the contract, and where the sampler is led as many more.
GOLDEN = 4
#: Cells along the longer side of a golden picture, which is of one colour in each of them.
_CELLS = 16
#: Of the samples each of so many is led as whoever executes the chunks leads it.
AS_EXECUTED = 2

_SEED = 0


@dataclass(frozen=True)
class Samples:
    """What two ways of running a policy are asked.

    Attributes:
        windows: Real observations: name to shape (N, n_obs, *shape), physical units.
        noise: Shape (N, *noise_shape), or None.
        guides: Where the sampler is led at each of the N (None: nowhere).
    """

    windows: Mapping[str, NDArray[np.float32]]
    noise: NDArray[np.float32] | None = None
    guides: Sequence[Guide] | None = None

    def __len__(self) -> int:
        return len(next(iter(self.windows.values())))

    def free(self) -> Samples:
        """The same led nowhere."""
        return replace(self, guides=None)

    def alone(self, index: int) -> Samples:
        """One of them."""
        one = slice(index, index + 1)
        return Samples(
            {name: window[one] for name, window in self.windows.items()},
            None if self.noise is None else self.noise[one],
            None if self.guides is None else self.guides[one],
        )

    def each(self) -> Iterator[tuple[dict[str, NDArray[np.float32]], Any, Guide | None]]:
        """One after the other: history, noise and guide."""
        for i in range(len(self)):
            yield (
                {name: window[i] for name, window in self.windows.items()},
                None if self.noise is None else self.noise[i],
                None if self.guides is None else self.guides[i],
            )


def draw_samples(contract: Contract, windows: Mapping[str, NDArray[np.float32]]) -> Samples:
    """Real windows, drawn noise, and where a sampler is led: anywhere within the training data.

    Args:
        contract: What the policy promises, golden vectors apart.
        windows: See `Samples`.
    """
    generator = np.random.default_rng(_SEED)
    count = len(next(iter(windows.values())))
    noise = guides = None
    if contract.noise_shape is not None:
        noise = generator.standard_normal((count, *contract.noise_shape), dtype=np.float32)
    if contract.sampler_steps is not None:
        shape, range_ = contract.spec.action.shape, contract.training_range[ACTION]
        low, high = np.reshape(range_.low, shape), np.reshape(range_.high, shape)
        plans = generator.uniform(low, high, (count, contract.horizon, *shape)).astype(np.float32)
        guides = list(_guides(contract, plans, contract.sampler_steps, generator))
    return Samples(windows, noise, guides)


def _guides(
    contract: Contract, plans: NDArray[np.float32], steps: int, generator: np.random.Generator
) -> Iterator[Guide]:
    """Towards each plan, as whoever executes the chunks leads the sampler, and otherwise.

    Half of them by the contract's own chunking: by each delay, and by all that it leaves of a plan
    as well as by less, as after a late prediction. The others by any weights, of every other the
    first ticks kept throughout, which is what a policy may have been trained to be told
    (`ilrobot.policies.heads.prefix`): a file may be executed otherwise than it says.
    """
    _, draw = contract.chunking.make(contract.predicts)
    assert isinstance(draw, Guided)
    longest = contract.horizon - contract.execute
    for i, plan in enumerate(plans):
        turn, other = divmod(i, AS_EXECUTED)
        if not other:
            missing, delay = divmod(turn, contract.execute + 1)
            guide = draw.guide(plan[: longest - missing % longest], delay)
            yield Guide(guide.prefix.copy(), guide.weights.copy())
            continue
        weights = generator.random((steps, len(plan)), dtype=np.float32)
        if turn % 2:
            weights[:, : generator.integers(1, len(plan))] = 1.0
        yield Guide(plan, weights)


def golden_vectors(session: BoundSession, samples: Samples) -> tuple[Golden, ...]:
    """Some of the samples and what they give: free, and led as whoever executes them does.

    Of their pictures some pixels are kept alone: all of a sensor's noise would be megabytes of a
    contract, and what a graph gives to any picture tells as much of the machine that runs it.
    """
    chosen = _spread(list(samples.free().each()))
    if samples.guides is not None:
        chosen += _spread(list(samples.each())[::AS_EXECUTED])
    golden = []
    for windows, noise, guide in chosen:
        observations = {
            name: _coarse(window) if window.dtype == np.uint8 else window
            for name, window in windows.items()
        }
        given = session.predict(observations, noise, guide)
        golden.append(Golden(observations, noise, given.chunk, given.signals, guide))
    return tuple(golden)


def _coarse(pictures: NDArray[Any]) -> NDArray[Any]:
    """Pictures (n_obs, H, W, C) in cells, each of the colour of its first pixel."""
    height, width = pictures.shape[1:3]
    cell = -(-max(height, width) // _CELLS)
    return pictures[:, ::cell, ::cell].repeat(cell, 1).repeat(cell, 2)[:, :height, :width]


def _spread(items: list[Any]) -> list[Any]:
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, GOLDEN).astype(int))]
