"""Small networks in numpy, forward and backward, on the memory of a torch module's weights.

What learns online is small: of its step in torch most goes by between the matrix products, in
asking for a hundred operations and in the graph of their gradients. Here a layer is a few
operations on arrays, and its gradient is written down.
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
        self._to_weight, self._to_bias = gradient(layer.weight), gradient(layer.bias).numpy()

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        self._x = torch.from_numpy(x)
        y: Array = torch.addmm(self._bias, self._x, self._weight.T).numpy()
        return y

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        rows = torch.from_numpy(gradient)
        torch.mm(rows.T, self._x, out=self._to_weight)
        gradient.sum(axis=0, out=self._to_bias)
        back: Array = torch.mm(rows, self._weight).numpy()
        return back


class Normalization:
    """y = w x̂ + b, x̂ = (x - E[x]) / √(Var[x] + ε) over the features of a row (Ba et al. 2016)."""

    def __init__(self, layer: nn.LayerNorm, gradient: Callable[[Tensor], Tensor]) -> None:
        self._weight, self._bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        self._to_weight = gradient(layer.weight).numpy()
        self._to_bias = gradient(layer.bias).numpy()
        self._least = np.float32(layer.eps)

    def forward(self, x: Array) -> Array:
        """See `Layer`."""
        centred = x - _means(x)
        self._precision = 1 / np.sqrt(_means(centred, centred) + self._least)
        self._x: Array = centred * self._precision
        return self._x * self._weight + self._bias

    def backward(self, gradient: Array) -> Array:
        """See `Layer`."""
        (gradient * self._x).sum(axis=0, out=self._to_weight)
        gradient.sum(axis=0, out=self._to_bias)
        inner = gradient * self._weight
        back: Array = self._precision * (inner - _means(inner) - self._x * _means(inner, self._x))
        return back


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


def _means(x: Array, *by: Array) -> Array:
    """Mean of each row of x, or of its product with another, (B, F) to (B, 1)."""
    sums: Array = np.einsum("bf,bf->b", x, *by) if by else np.einsum("bf->b", x)
    return (sums / np.float32(x.shape[1]))[:, None]
