"""Several modules of one shape as one, each for its own part of the batch.

A product of small matrices takes as long to begin as to do. On one core, five MLPs of width 128 are
trained in some two thirds of the time and asked in a quarter of it when each layer of the five is
one product of stacked matrices; `torch.func.vmap` over stacked weights gains nothing there. What
has no weights is one operation on the whole batch anyway.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

AnyModule = TypeVar("AnyModule", bound=nn.Module)


class StackedLinear(nn.Module):
    """x Wᵀ + b, with a W and a b for each part of the batch.

    Args:
        layers: One for each part.
    """

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (members · B, ..., inputs), one part after the other, to (..., outputs)."""
        parts = x.reshape(len(self.weight), -1, x.shape[-1])
        y = torch.baddbmm(self.bias[:, None], parts, self.weight.transpose(1, 2))
        return y.reshape(*x.shape[:-1], y.shape[-1])

    def alone(self, member: int) -> nn.Linear:
        """The layer of one part, a copy."""
        outputs, inputs = self.weight.shape[1:]
        return _with_parameters(nn.Linear(inputs, outputs), self, member)


class StackedLayerNorm(nn.Module):
    """Layer normalisation, with a scale and a bias for each part of the batch.

    Args:
        layers: One for each part.
    """

    def __init__(self, layers: Sequence[nn.LayerNorm]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.stack([layer.weight.detach() for layer in layers]))
        self.bias = nn.Parameter(torch.stack([layer.bias.detach() for layer in layers]))
        self._eps = layers[0].eps

    def forward(self, x: Tensor) -> Tensor:
        """Shape (members · B, ..., features), one part after the other, to the same."""
        normal = nn.functional.layer_norm(x, x.shape[-1:], eps=self._eps)
        parts = normal.reshape(len(self.weight), -1, x.shape[-1])
        return torch.addcmul(self.bias[:, None], parts, self.weight[:, None]).reshape(x.shape)

    def alone(self, member: int) -> nn.LayerNorm:
        """The layer of one part, a copy."""
        return _with_parameters(nn.LayerNorm(self.weight.shape[1], self._eps), self, member)


def can_stack(module: nn.Module) -> bool:
    """Whether all its weights are in layers of which there is a stacked form."""
    return all(
        _has_stacked_form(part) or not list(part.parameters(recurse=False))
        for part in module.modules()
    )


def stack(modules: Sequence[AnyModule]) -> AnyModule:
    """One module that does to each part of a batch what one of these does.

    All but the layers with weights is the first one's, so it must be alike in all of them; each
    layer must be given all samples of the batch, and they must be treated apart from each other.

    Args:
        modules: Of one shape, each of which `can_stack`.
    """
    together = copy.deepcopy(modules[0])
    for name, part in list(together.named_modules()):
        layers = [module.get_submodule(name) for module in modules]
        if type(part) is nn.Linear:
            together.set_submodule(name, StackedLinear(layers))  # type: ignore[arg-type]
        elif type(part) is nn.LayerNorm:
            together.set_submodule(name, StackedLayerNorm(layers))  # type: ignore[arg-type]
    return together


def unstack(together: AnyModule, member: int) -> AnyModule:
    """One of the modules that were stacked, a copy."""
    alone = copy.deepcopy(together)
    for name, part in list(alone.named_modules()):
        if isinstance(part, StackedLinear | StackedLayerNorm):
            alone.set_submodule(name, part.alone(member))
    return alone


def _has_stacked_form(part: nn.Module) -> bool:
    return type(part) in (nn.Linear, nn.LayerNorm) and part.bias is not None


def _with_parameters(layer: AnyModule, stacked: nn.Module, member: int) -> AnyModule:
    for name, values in stacked.named_parameters():
        parameter = nn.Parameter(values[member].detach().clone(), values.requires_grad)
        layer.register_parameter(name, parameter)
    return layer.train(stacked.training)
