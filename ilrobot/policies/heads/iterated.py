"""Heads that call their network several times and tell it how far the sample has come.

At each step the network tells which clean chunk the sample means, and the sample goes some way
towards it. What differs from step to step is given to them as rows of tables, so that `forward` can
run the steps one after the other, and an exporter wrap one of them as a loop.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ilrobot.policies.heads.guidance import Guidance, Lead, free, towards
from ilrobot.policies.heads.head import Head
from ilrobot.policies.heads.prefix import Prefix
from ilrobot.policies.networks.mish import Mish
from ilrobot.policies.networks.network import Network

#: Size of the embedding of the time.
TIME_EMBEDDING = 128
#: A time from 0 to 1 is embedded as one of so many steps.
TIME_STEPS = 100

#: What a step hands to the next, each of shape (B, H, A); the first is the sample.
State = tuple[Tensor, ...]
#: What a step is given of the tables.
Row = tuple[Tensor, ...]


class IteratedHead(Head):
    """A sample is refined step by step; the action chunk must be normalised to [-1, 1].

    Args:
        make_network: Makes the network for a condition of a given size.
        condition: Size of the encoded observations.
        shape: Horizon and action size of the chunk.
        times: When each step calls the network, counted in steps of training, shape (steps,).
        prefix: At most so many actions can be told of a chunk, see `Prefix`.
    """

    times: Tensor
    embedded: Tensor | None

    def __init__(
        self,
        make_network: Callable[[int], Network],
        *,
        condition: int,
        shape: tuple[int, int],
        times: Tensor,
        prefix: int = 0,
    ) -> None:
        super().__init__()
        self.shape = shape
        self.prefix = Prefix(prefix, shape[1])
        self.register_buffer("times", times.float(), persistent=False)
        self.register_buffer("embedded", None, persistent=False)
        self.embed = nn.Sequential(
            nn.Linear(TIME_EMBEDDING, 2 * TIME_EMBEDDING),
            Mish(),
            nn.Linear(2 * TIME_EMBEDDING, TIME_EMBEDDING),
        )
        self.network = make_network(condition + self.prefix.features + TIME_EMBEDDING)

    @abstractmethod
    def begin(self, condition: Tensor, noise: Tensor | None) -> tuple[State, tuple[Tensor, ...]]:
        """The first step's state, and the tables whose rows the steps are given.

        Args:
            condition: Of which the samples are counted, shape (B, C).
            noise: Standard normal of shape (B, *noise_shape) for heads that sample, else None.

        Returns:
            The state, and tables whose first axis is the steps.
        """

    @abstractmethod
    def clean(self, state: State, row: Row, condition: Tensor) -> Tensor:
        """The clean chunk that the sample means, as far as the network knows, shape (B, H, A)."""

    @abstractmethod
    def advance(self, state: State, clean: Tensor, row: Row) -> State:
        """Towards that clean chunk, and in the last step up to it."""

    @property
    def steps(self) -> int:
        """How many there are."""
        return len(self.times)

    def step(self, state: State, row: Row, condition: Tensor, lead: Lead = free) -> State:
        """One step, with its row of each table; the last one's sample is the chunk.

        On its way the clean chunk is led where `lead` has it.
        """
        return self.advance(state, lead(self.clean(state, row, condition)), row)

    def forward(
        self, condition: Tensor, noise: Tensor | None = None, guidance: Guidance | None = None
    ) -> Tensor:
        """All steps, unrolled: deterministic given `noise` and where it is led."""
        condition, guidance = self.prefix.given(condition, guidance)
        state, tables = self.begin(condition, noise)
        for index, row in enumerate(zip(*(table.unbind(0) for table in tables), strict=True)):
            lead: Lead = free
            if guidance is not None:
                lead = towards(guidance.prefix, guidance.weights[:, index])
            state = self.step(state, row, condition, lead)
        return state[0]

    def freeze(self) -> None:
        """Embed the times of the steps once for all; the weights must not change any more."""
        self.embedded = self.embed_times().detach()

    def embed_times(self) -> Tensor:
        """Embedding of the times of the steps, each part's own: shape (steps, parts · E)."""
        if self.embedded is not None:
            return self.embedded
        by_part = self.embed_time(self.times.repeat(self.parts)).unflatten(0, (self.parts, -1))
        return by_part.transpose(0, 1).flatten(1)

    def embed_time(self, time: Tensor) -> Tensor:
        """Embedding of times that are counted in steps: shape (N,) to (N, TIME_EMBEDDING)."""
        embedding: Tensor = self.embed(sinusoids(time, TIME_EMBEDDING))
        return embedding

    def predict(self, sample: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        """What the network says.

        Args:
            sample: Shape (B, H, A).
            time: Embedded, shape (B, TIME_EMBEDDING), or a row of `embed_times` for all alike.
            condition: Encoded observations and what `Prefix` appends, shape (B, C).

        Returns:
            Shape (B, H, A).
        """
        if time.dim() == 1:
            by_part = time.reshape(self.parts, 1, -1)
            time = by_part.expand(-1, sample.shape[0] // self.parts, -1).flatten(0, 1)
        prediction: Tensor = self.network(torch.cat([condition, time], dim=1), sample)
        return prediction


def sinusoids(time: Tensor, size: int) -> Tensor:
    """Sines and cosines of falling frequency, shape (N,) to (N, size).

    The positional encoding of Vaswani et al. 2017, "Attention is all you need", section 3.5.
    """
    half = size // 2
    steps = torch.arange(half, device=time.device)
    phase = time[:, None] * torch.exp(steps * (-math.log(10_000) / (half - 1)))
    return torch.cat([phase.sin(), phase.cos()], dim=1)


def given(noise: Tensor | None) -> Tensor:
    """The noise of a head that samples, which must not be missing."""
    if noise is None:
        raise ValueError("a head that samples needs noise of shape (B, *noise_shape)")
    return noise
