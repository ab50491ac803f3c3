"""What each member of an ensemble is trained on."""

from __future__ import annotations

import numpy as np
import torch

from ilrobot.data.batch import Batch
from ilrobot.data.windows import Windows


class Bootstraps:
    """For each member as many windows as there are, drawn with replacement once and for all.

    Efron 1979, "Bootstrap methods: another look at the jackknife". A member sees 63 % of the
    windows, some of them several times. Where a window is taught at several ticks, as by
    ``bc-rnn``, nearly every label is in some window of each member, which then differ by how often
    they see it and by their first weights. The draw depends on the seed and the member alone.

    Args:
        windows: To draw from, on their device.
        members: How many.
        seed: Of the draws.
    """

    def __init__(self, windows: Windows, members: int, seed: int) -> None:
        self._windows = windows
        chosen = []
        for member in range(members):
            key = np.random.SeedSequence([seed, member]).generate_state(1, np.uint64)
            generator = torch.Generator().manual_seed(int(key[0]))
            chosen.append(windows.draw(len(windows), generator))
        self._chosen = torch.stack(chosen).to(windows.device)

    def sample(self, batch_size: int, generator: torch.Generator, ticks: int = 1) -> Batch:
        """`batch_size` windows of each member, one member after the other; see `Windows`."""
        shape = (len(self._chosen), batch_size)
        draws = torch.randint(
            len(self._windows), shape, generator=generator, device=self._windows.device
        )
        return self._windows.drawn(self._chosen.gather(1, draws).flatten(), ticks)
