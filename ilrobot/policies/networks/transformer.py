"""A transformer from the history's observations to the chunk's ticks.

The encoder-decoder of Vaswani et al. 2017, "Attention is all you need", section 3, as policies use
it. Observations, and a latent or the step of a sampler, are the tokens of the encoder. The decoder
has a token per tick: a learned query as in ACT (Zhao et al. 2023, "Learning fine-grained bimanual
manipulation with low-cost hardware", section IV-C), to which a sample to be denoised is added as in
the transformer of Chi et al. 2023, "Diffusion Policy". As there, layers are normalised first (Xiong
et al. 2020, "On layer normalization in the transformer architecture").

Ticks of the chunk attend to each other both ways, as in ACT; Diffusion Policy lets each see only
those before it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ilrobot.errors import UserError
from ilrobot.policies.networks.dropout import Dropout, dropout
from ilrobot.policies.networks.network import Network, Sizes

_EXPANSION = 4
_POSITION_STD = 0.02


class Attention(nn.Module):
    """softmax(Q Kᵀ / √d) V in several heads at once (Vaswani et al. 2017, eq. 1)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self._heads, self._dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.leave = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """What each of x reads: shapes (B, T, width) and (B, S, width) to (B, T, width)."""
        query, key, value = (
            tokens.unflatten(2, (self._heads, -1)).transpose(1, 2)
            for tokens in (self.query(x), *self.key_value(memory).chunk(2, dim=2))
        )
        chance = self._dropout if self.training else 0.0
        if x.device.type == "cpu" and not torch.compiler.is_compiling():
            # With factors that may be rounded, torch's blocks take up to twenty times as long.
            scores = (query * query.shape[3] ** -0.5) @ key.transpose(2, 3)
            shares = scores.softmax(dim=3)
            read = (dropout(shares, chance) if chance else shares) @ value
        else:
            read = functional.scaled_dot_product_attention(query, key, value, dropout_p=chance)
        y: Tensor = self.leave(read.transpose(1, 2).flatten(2))
        return y


class Layer(nn.Module):
    """x + attention(x), then, where there is a memory, + attention(memory), then + MLP(x)."""

    def __init__(self, width: int, heads: int, dropout: float, *, reads_memory: bool) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, heads, dropout)
        if reads_memory:
            self.cross_norm, self.cross = nn.LayerNorm(width), Attention(width, heads, dropout)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, _EXPANSION * width),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(_EXPANSION * width, width),
            Dropout(dropout),
        )
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """Shapes (B, T, width) and (B, S, width) to (B, T, width)."""
        seen = self.norm(x)
        x = x + self.dropout(self.attention(seen, seen))
        if memory is not None:
            x = x + self.dropout(self.cross(self.cross_norm(x), memory))
        y: Tensor = x + self.mlp(x)
        return y


class Transformer(Network):
    """Encoder over observations, decoder over the chunk, of as many layers each.

    Args:
        sizes: What the head asks for.
        width: Features of a token, a multiple of `attention_heads`.
        layers: Layers of the encoder, and of the decoder.
        attention_heads: Of every layer.
        dropout: Probability of dropping attention and features while training.

    Raises:
        UserError: The width is not a multiple of the heads.
    """

    def __init__(
        self, sizes: Sizes, *, width: int, layers: int, attention_heads: int, dropout: float
    ) -> None:
        super().__init__()
        if width % attention_heads:
            raise UserError(
                f"--width must be a multiple of --attention-heads {attention_heads}, not {width}"
            )
        self._sizes = sizes
        layer = (width, attention_heads, dropout)
        self.observe = nn.Linear(sizes.observation, width)
        self.steps = nn.Parameter(torch.randn(1, sizes.history, width) * _POSITION_STD)
        self.encoder = nn.ModuleList(Layer(*layer, reads_memory=False) for _ in range(layers))
        self.remember = nn.LayerNorm(width)
        self.queries = nn.Parameter(torch.randn(1, sizes.horizon, width) * _POSITION_STD)
        self.decoder = nn.ModuleList(Layer(*layer, reads_memory=True) for _ in range(layers))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, sizes.output))
        if sizes.extra:
            self.follow = nn.Linear(sizes.extra, width)
        if sizes.sample:
            self.enter = nn.Linear(sizes.sample, width)

    def forward(self, condition: Tensor, sample: Tensor | None = None) -> Tensor:
        """See `Network`."""
        history, extra = self._sizes.split(condition)
        memory = self.observe(history) + self.steps
        if extra is not None:
            memory = torch.cat([memory, self.follow(extra)[:, None]], dim=1)
        for layer in self.encoder:
            memory = layer(memory)
        memory = self.remember(memory)
        x = self.queries.expand(condition.shape[0], -1, -1)
        if sample is not None:
            x = x + self.enter(sample)
        for layer in self.decoder:
            x = layer(x, memory)
        y: Tensor = self.leave(x)
        return y
