"""Small networks in numpy, forward and backward, on the memory of a torch module's weights.

What learns online is small: of its step in torch most goes by between the matrix products, in
asking for a hundred operations and in the graph of their gradients. Here a layer is a few
operations on arrays, in numpy or by torch's kernels, and its gradient is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ilrobot.policies.networks.dropout import Dropout
from ilrobot.policies.networks.mlp import ResidualBlock, ResidualMLP

Array = NDArray[np.float32]


class Layer(Protocol):
    """Part of a network, rows in and rows out."""

    def forward(self, x: Array) -> Array:
        """Shape (B, inputs) to (B, outputs); remembered until `backward`."""

    def backward(self, gradient: Array) -> Array:
        """Gradient of the outputs to that of the inputs; that of the weights is kept."""


class Affine:
    """y = x Wᵀ + b; its products are torch's, which keep to torch's number of threads."""

    def __init__(self, layer: nn.Linear, gradient: Callable[[Tensor], Tensor]) -> None:
        self._weight, self._bias = layer.weight.detach(), layer.bias.detach()
        self._to_weight, self._to_bias = gradient(layer.weight), gradient(layer.bias)
        self._ones = torch.ones(0)

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        self._x = torch.from_numpy(x)
        y: Array = torch.addmm(self._bias, self._x, self._weight.T).numpy()
        return y

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        rows = torch.from_numpy(gradient)
        torch.mm(rows.T, self._x, out=self._to_weight)
        if len(self._ones) != len(rows):
            self._ones = torch.ones(len(rows))
        torch.mv(rows.T, self._ones, out=self._to_bias)  # faster than a sum
        back: Array = torch.mm(rows, self._weight).numpy()
        return back


class Normalization:
    """y = w x̂ + b, x̂ = (x - E[x]) / √(Var[x] + ε) over the features of a row (Ba et al. 2016)."""

    def __init__(self, layer: nn.LayerNorm, gradient: Callable[[Tensor], Tensor]) -> None:
        self._weight, self._bias = layer.weight.detach(), layer.bias.detach()
        self._to_weight, self._to_bias = gradient(layer.weight), gradient(layer.bias)
        self._shape, self._least = list(layer.normalized_shape), layer.eps

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        self._x = torch.from_numpy(x)
        normalized, self._mean, self._precision = torch.native_layer_norm(
            self._x, self._shape, self._weight, self._bias, self._least
        )
        y: Array = normalized.numpy()
        return y

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        back, to_weight, to_bias = torch.ops.aten.native_layer_norm_backward(
            torch.from_numpy(gradient),
            self._x,
            self._shape,
            self._mean,
            self._precision,
            self._weight,
            self._bias,
            [True, True, True],
        )
        self._to_weight.copy_(to_weight)
        self._to_bias.copy_(to_bias)
        found: Array = back.numpy()
        return found


class Silu:
    """y = x σ(x)."""

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        self._x = torch.from_numpy(x)
        y: Array = nn.functional.silu(self._x).numpy()
        return y

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        back: Array = torch.ops.aten.silu_backward(torch.from_numpy(gradient), self._x).numpy()
        return back


class Tanh:
    """y = tanh x."""

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        self._y: Array = np.tanh(x)
        return self._y

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        return gradient * (1 - self._y**2)


class Chain:
    """One layer after another."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        for layer in self._layers:
            x = layer.forward(x)
        return x

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        for layer in reversed(self._layers):
            gradient = layer.backward(gradient)
        return gradient


class Shortcut:
    """y = x + f(x)."""

    def __init__(self, inner: Layer) -> None:
        self._inner = inner

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        return x + self._inner.forward(x)

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        return gradient + self._inner.backward(gradient)


def explicit(module: nn.Module, gradient: Callable[[Tensor], Tensor]) -> Layer:
    """A module of torch on the CPU, in evaluation mode, as layers that share its weights.

    Args:
        module: A perceptron, or a residual one of a single tick.
        gradient: Where the gradient of a weight is to be written, of its shape.

    Raises:
        TypeError: There is no such layer here.
    """

    def made(part: nn.Module) -> Layer:
        return explicit(part, gradient)

    match module:
        case nn.Linear():
            return Affine(module, gradient)
        case nn.LayerNorm():
            return Normalization(module, gradient)
        case nn.SiLU():
            return Silu()
        case nn.Tanh():
            return Tanh()
        case nn.Sequential():
            inner = [part for part in module if not isinstance(part, Dropout | nn.Dropout)]
            return Chain([made(part) for part in inner])
        case ResidualBlock():
            return Shortcut(made(module.layers))
        case ResidualMLP():
            return Chain([made(module.enter), made(module.blocks), made(module.leave)])
    raise TypeError(f"{type(module).__name__} has no explicit form")
