"""A U-Net as ONNX Runtime runs it fastest on one core: the same function in other operators.

Each rewriting was measured to pay in ONNX Runtime at batch 1, and int8 needs the first:

- a signal lies time first, and a convolution is one matrix product over the rows that its taps
  gather, which multiplies whole prepacked matrices and can be quantised;
- what normalisation, Mish and FiLM do to a group lies together, and needs no other layout;
- Mish is x n / (n + 2) with n = eˣ (eˣ + 2), since ONNX Runtime's Softplus takes each number
  alone;
- FiLM (see `unet1d`) of the sampler's times is a table and that of the observations is computed
  once for a chunk: a step only adds the two.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ilrobot.policies.heads.head import Head
from ilrobot.policies.heads.iterated import IteratedHead
from ilrobot.policies.heads.recurrent import RecurrentHead
from ilrobot.policies.networks.network import Network
from ilrobot.policies.networks.unet1d import ConvBlock, FilmBlock, Level, NormMish, UNet1d

#: Beyond it Mish differs from its argument by less than float32 can tell.
_GREATEST_EXPONENT = 20.0


def lower(head: Head) -> None:
    """Exchange the U-Net of a head; the times of a sampler are embedded from then on."""
    if isinstance(head, RecurrentHead):
        head = head.head
    if isinstance(head, IteratedHead):
        head.freeze()
        if isinstance(head.network, UNet1d) and head.embedded is not None:
            lowered = LoweredUNet(head.network, head.shape[0], head.embedded.shape[1])
            head.network, head.embedded = lowered, lowered.film_of_times(head.embedded)
        return
    for name, network in list(head.named_children()):
        if isinstance(network, UNet1d) and network.queries is not None:
            setattr(head, name, LoweredUNet(network, network.queries.shape[2]))


def prepare(head: IteratedHead, condition: Tensor) -> Tensor:
    """What the head's network wants to know of the observations, computed once for a chunk."""
    network = head.network
    return network.film_of(condition) if isinstance(network, LoweredUNet) else condition


class LoweredUNet(Network):
    """A `UNet1d` whose condition, where it refines a sample, is FiLM: of observations and of time.

    Args:
        unet: Which.
        horizon: Ticks of the chunk.
        embedding: Size of the time's embedding, the last part of its condition.
    """

    def __init__(self, unet: UNet1d, horizon: int, embedding: int = 0) -> None:
        super().__init__()
        shortest = horizon >> (len(unet.down) - 1)
        down = [level for level in unet.down if isinstance(level, Level)]
        across = [block for block in unet.across if isinstance(block, FilmBlock)]
        up = [level for level in unet.up if isinstance(level, Level)]
        inner, last = unet.leave
        assert isinstance(inner, ConvBlock)
        assert isinstance(last, nn.Conv1d)
        self.down = nn.ModuleList(_Level(level, horizon >> i) for i, level in enumerate(down))
        self.across = nn.ModuleList(_Block(block, shortest) for block in across)
        self.up = nn.ModuleList(_Level(level, shortest << i) for i, level in enumerate(up))
        self.leave = nn.Sequential(_ConvBlock(inner, horizon), _Conv(last, horizon))
        in_turn = nn.ModuleList([*down, *across, *up]).modules()
        films = [module.film for module in in_turn if isinstance(module, FilmBlock)]
        norm = inner[1]
        assert isinstance(norm, NormMish)
        self._groups = norm.num_groups
        sizes = [film.out_features // 2 for film in films for _ in range(2)]
        self._sizes = [size // self._groups for size in sizes]
        order = _by_group(sizes, self._groups)
        weight = torch.cat([film.weight for film in films])[order]
        split = weight.shape[1] - embedding
        self.of_observations = nn.Buffer(weight[:, :split].T.contiguous())
        self.of_times = nn.Buffer(weight[:, split:].T.contiguous())
        self.bias = nn.Buffer(torch.cat([film.bias for film in films])[order])
        queries = unet.queries
        self.queries = nn.Buffer(torch.empty(0) if queries is None else queries[0].T.contiguous())

    def film_of(self, condition: Tensor) -> Tensor:
        """Of the encoded observations, shape (1, C) to (1, F)."""
        return _mish(condition) @ self.of_observations

    def film_of_times(self, embedded: Tensor) -> Tensor:
        """Of the embedded times, shape (steps, E) to (steps, F)."""
        return torch.addmm(self.bias, _mish(embedded), self.of_times)

    def forward(self, condition: Tensor, sample: Tensor | None = None) -> Tensor:
        """See `Network`, in batches of one.

        With a sample the condition is what `film_of` and `film_of_times` gave, shape (1, 2 F).
        """
        if sample is None:
            film = self.film_of(condition) + self.bias
            x: Tensor = self.queries
        else:
            of_observations, of_time = condition.chunk(2, dim=1)
            film = of_observations + of_time
            x = sample[0]
        films = list(film.reshape(self._groups, 1, -1).split(self._sizes, dim=2))
        skips = []
        for level in self.down:
            x, skip = level(x, films)
            skips.append(skip)
        for block in self.across:
            x = block(x, films)
        for level in self.up:
            x, _ = level(torch.cat([x, skips.pop()], dim=1), films)
        y: Tensor = self.leave(x)
        return y[None]


class _Level(nn.Module):
    def __init__(self, level: Level, ticks: int) -> None:
        super().__init__()
        self.first, self.second = _Block(level.first, ticks), _Block(level.second, ticks)
        resize = level.resize
        self.resize: nn.Module = nn.Identity()
        if isinstance(resize, nn.ConvTranspose1d):
            self.resize = _Double(resize, ticks)
        elif isinstance(resize, nn.Conv1d):
            self.resize = _Conv(resize, ticks)

    def forward(self, x: Tensor, films: list[Tensor]) -> tuple[Tensor, Tensor]:
        x = self.second(self.first(x, films), films)
        return self.resize(x), x


class _Block(nn.Module):
    """A `FilmBlock`; takes its scale and bias, shape (groups, 1, c) each, from the list."""

    def __init__(self, block: FilmBlock, ticks: int) -> None:
        super().__init__()
        self.first = _ConvBlock(block.first, ticks)
        self.second = _ConvBlock(block.second, ticks)
        skip = block.skip
        self.skip = _Conv(skip, ticks) if isinstance(skip, nn.Conv1d) else nn.Identity()

    def forward(self, x: Tensor, films: list[Tensor]) -> Tensor:
        scale, bias = films.pop(0), films.pop(0)
        y: Tensor = self.second(self.first(x, scale, bias)) + self.skip(x)
        return y


class _ConvBlock(nn.Module):
    def __init__(self, block: ConvBlock, ticks: int) -> None:
        super().__init__()
        conv, norm = block
        assert isinstance(conv, nn.Conv1d)
        assert isinstance(norm, NormMish)
        self.conv = _Conv(conv, ticks)
        self._rows, self._eps = (
            (ticks, norm.num_groups, norm.num_channels // norm.num_groups),
            norm.eps,
        )
        self.weight = nn.Buffer(norm.weight.reshape(norm.num_groups, 1, -1).clone())
        self.bias = nn.Buffer(norm.bias.reshape(norm.num_groups, 1, -1).clone())

    def forward(self, x: Tensor, scale: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Shape (T, inputs) to (T, outputs)."""
        ticks, groups, channels = self._rows
        x = self.conv(x).reshape(self._rows).transpose(0, 1)
        x = functional.instance_norm(x.reshape(1, groups, -1), eps=self._eps).reshape(
            groups, ticks, channels
        )
        x = _mish(x * self.weight + self.bias)
        if scale is not None and bias is not None:
            x = x * scale + bias
        return x.transpose(0, 1).reshape(ticks, -1)


class _Conv(nn.Module):
    """A convolution as one product of gathered rows, (T, inputs) to (T', outputs)."""

    def __init__(self, conv: nn.Conv1d, ticks: int) -> None:
        super().__init__()
        (kernel,), (stride,) = conv.kernel_size, conv.stride
        self.gather = nn.Identity() if kernel == 1 else _Gather(ticks, kernel, stride)
        self.weight = nn.Buffer(conv.weight.permute(2, 1, 0).flatten(0, 1).contiguous())
        assert conv.bias is not None
        self.bias = nn.Buffer(conv.bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, self.gather(x), self.weight)


class _Double(nn.Module):
    """The transposed convolution of kernel 4, stride 2 and padding 1, (T, C) to (2 T, outputs).

    Tick 2t sees w₃ at t-1 and w₁ at t; tick 2t+1 sees w₂ at t and w₀ at t+1.
    """

    def __init__(self, conv: nn.ConvTranspose1d, ticks: int) -> None:
        super().__init__()
        self.gather = _Gather(ticks, 3, 1)
        self._shape = 2 * ticks, conv.out_channels
        w0, w1, w2, w3 = conv.weight.unbind(2)
        none = torch.zeros_like(w0)
        even, odd = torch.cat([w3, w1, none]), torch.cat([none, w2, w0])
        self.weight = nn.Buffer(torch.cat([even, odd], dim=1))
        assert conv.bias is not None
        self.bias = nn.Buffer(conv.bias.repeat(2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, self.gather(x), self.weight).reshape(self._shape)


class _Gather(nn.Module):
    """The rows that an odd kernel sees at each of its places, (T, C) to (T', kernel C)."""

    def __init__(self, ticks: int, kernel: int, stride: int) -> None:
        super().__init__()
        places = torch.arange(0, ticks, stride)[:, None] + torch.arange(kernel) - kernel // 2
        outside = (places < 0) | (places >= ticks)
        self._count = len(places)
        self.rows = nn.Buffer(places.masked_fill(outside, ticks).flatten())

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, (0, 0, 0, 1))
        return padded.index_select(0, self.rows).reshape(self._count, -1)


def _mish(x: Tensor) -> Tensor:
    """Shape (...) to the same; Mish is x itself where eˣ would overflow."""
    grown = x.clamp(max=_GREATEST_EXPONENT).exp()
    squared = grown * (grown + 2)
    return x * (squared / (squared + 2))


def _by_group(sizes: list[int], groups: int) -> Tensor:
    """Where elements of vectors laid end to end come from when the groups of all stand together."""
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + size)
    parts = [torch.arange(a, b).reshape(groups, -1) for a, b in pairwise(starts)]
    return torch.cat(parts, dim=1).flatten()
