"""Small networks in numpy, forward and backward, on the memory of a torch module's weights.

What acts and learns online is small: of its step in torch three quarters go by between the matrix
products, in asking for a hundred operations and in the graph of their gradients. Here a layer is a
few operations on arrays, and its gradient is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
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
    """y = x Wᵀ + b."""

    def __init__(self, layer: nn.Linear, gradient: Callable[[Tensor], Array]) -> None:
        self._weight, self._bias = _shared(layer.weight), _shared(layer.bias)
        self._to_weight, self._to_bias = gradient(layer.weight), gradient(layer.bias)

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        self._x = x
        y: Array = x @ self._weight.T
        y += self._bias
        return y

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        np.matmul(gradient.T, self._x, out=self._to_weight)
        np.matmul(_ones(len(gradient)), gradient, out=self._to_bias)
        return gradient @ self._weight


class Normalization:
    """y = w x̂ + b, x̂ = (x - E[x]) / √(Var[x] + ε) over the features of a row (Ba et al. 2016)."""

    def __init__(self, layer: nn.LayerNorm, gradient: Callable[[Tensor], Array]) -> None:
        self._weight, self._bias = _shared(layer.weight), _shared(layer.bias)
        self._to_weight, self._to_bias = gradient(layer.weight), gradient(layer.bias)
        self._least = np.float32(layer.eps)

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        centred = x - _row_means(x)
        self._precision = 1 / np.sqrt(_row_means(centred**2) + self._least)
        self._x = centred * self._precision
        return self._x * self._weight + self._bias

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        np.matmul(_ones(len(gradient)), gradient * self._x, out=self._to_weight)
        np.matmul(_ones(len(gradient)), gradient, out=self._to_bias)
        inner = gradient * self._weight
        result: Array = self._precision * (
            inner - _row_means(inner) - self._x * _row_means(inner * self._x)
        )
        return result


class Silu:
    """y = x σ(x)."""

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        self._x = x
        self._gate = 0.5 * np.tanh(0.5 * x) + np.float32(0.5)
        return x * self._gate

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        gate = self._gate
        return gradient * gate * (1 + self._x * (1 - gate))


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


def explicit(module: nn.Module, gradient: Callable[[Tensor], Array]) -> Layer:
    """A module of torch on the CPU, in evaluation mode, as layers that share its weights.

    Args:
        module: A perceptron, or a residual one of a single tick.
        gradient: Where the gradient of a weight is to be written, an array of its shape.

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


def _row_means(x: Array) -> Array:
    """(B, F) to (B, 1); as a product, several times faster than numpy's own."""
    count = x.shape[1]
    return x @ np.full((count, 1), 1 / count, dtype=np.float32)


def _ones(count: int) -> Array:
    """Sums columns, as a product; see `_row_means`."""
    return np.ones(count, dtype=np.float32)


def _shared(weight: Tensor) -> Array:
    array: NDArray[Any] = weight.detach().numpy()
    return array
