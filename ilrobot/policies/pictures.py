"""Where in a picture its features are: convolutions, then a spatial softmax.

Of each of the last layer's maps z, the point where it is greatest, softly:

    p(i, j) = exp z(i, j) / Σ exp z,    (x, y) = Σ p(i, j) (x_j, y_i),    x, y within [-1, 1]

Levine, Finn, Darrell and Abbeel 2016, "End-to-end training of deep visuomotor policies", section
5.1; robomimic (Mandlekar et al. 2021) and Diffusion Policy (Chi et al. 2023) read pictures so, past
a ResNet-18. This network is smaller, because it shall act at control rate on one core, and
normalises by groups of channels (Wu and He 2018), which do not differ between training and acting
as batches do.

In training each picture is shifted by up to `SHIFT` pixels, its edges repeated (Kostrikov, Yarats
and Fergus 2021, "Image augmentation is all you need", section 3.1): of few demonstrations a network
otherwise learns their backgrounds by heart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ilrobot.data.pictures import shrink
from ilrobot.policies.networks.precision import product_type
from ilrobot.spec import Feature

#: Greatest shift of a picture in training, small pixels.
SHIFT = 4
#: Channels of every layer, and maps whose points are told.
CHANNELS = 32
_GROUPS = 4
#: What the maps are multiplied by before the softmax, so that untrained ones have points already.
_SHARPNESS = 4.0
#: Numbers of the pictures that go through a network at once (256 small ones), but for one history.
_AT_ONCE = 256 * 128 * 96 * 3


class PictureEncoder(nn.Module):
    """Histories of pictures to the points of their features.

    Attributes:
        size: Numbers for each tick, of all cameras together.

    Args:
        cameras: Whose pictures; each has a network of its own.
    """

    def __init__(self, cameras: Sequence[Feature]) -> None:
        super().__init__()
        self._cameras = tuple(cameras)
        self.networks = nn.ModuleList(_network(camera.shape[2]) for camera in cameras)
        self.size = 2 * CHANNELS * len(self._cameras)

    def forward(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Points within [-1, 1].

        Args:
            observations: Name to uint8 (B, n_obs, H, W, 3), as the camera takes them or small.

        Returns:
            Shape (B, n_obs, size).
        """
        told = []
        for camera, network in zip(self._cameras, self.networks, strict=True):
            pictures = observations[camera.name]
            # What is to be learnt from is kept until then; else no more than some at once need be.
            few = len(pictures)
            if not torch.is_grad_enabled():
                few = max(1, _AT_ONCE // math.prod(pictures.shape[1:]))
            points = [
                self._points(camera, network, part.flatten(0, 1), pictures.shape[1])
                for part in pictures.split(few)
            ]
            told.append(torch.cat(points).unflatten(0, pictures.shape[:2]))
        return torch.cat(told, dim=2)

    def _points(
        self, camera: Feature, network: nn.Module, pictures: Tensor, together: int
    ) -> Tensor:
        """Pictures (N, H, W, C), so many of a history after each other, to points (N, 2 C)."""
        small = shrink(pictures, camera)
        kind = small.dtype
        if self.training:
            small, kind = shifted(small, together), product_type(small)
        with torch.autocast(small.device.type, kind, enabled=kind != small.dtype):
            maps = network(small / 255 - 0.5)
        return spatial_softmax(_SHARPNESS * maps.float())


def spatial_softmax(maps: Tensor) -> Tensor:
    """Maps (N, C, h, w) to the points where they are greatest, (N, 2 C): all x, then all y."""
    height, width = maps.shape[2:]
    share = maps.flatten(2).softmax(dim=2).unflatten(2, (height, width))
    across = torch.linspace(-1, 1, width, device=maps.device)
    down = torch.linspace(-1, 1, height, device=maps.device)
    # Not as products of matrices, which an export to int8 would round.
    x, y = (share.sum(dim=2) * across).sum(dim=2), (share.sum(dim=3) * down).sum(dim=2)
    return torch.cat([x, y], dim=1)


def shifted(pictures: Tensor, together: int, most: int = SHIFT) -> Tensor:
    """Pictures (N, C, h, w), each moved by up to `most` pixels either way, edges repeated.

    Args:
        pictures: Any.
        together: So many after each other, a history, are moved alike.
        most: Pixels.
    """
    count, _, height, width = pictures.shape
    device = pictures.device
    draws = torch.randint(2 * most + 1, (2, count // together), device=device)
    down, across = draws.repeat_interleave(together, dim=1)
    wide = functional.pad(pictures, (most,) * 4, mode="replicate")
    windows = wide.unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=device), :, down, across]


def _network(channels: int) -> nn.Sequential:
    """A quarter of the picture's width and height, `CHANNELS` maps."""

    def layer(entering: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
        padding = (kernel - stride + 1) // 2
        convolution = nn.Conv2d(entering, CHANNELS, kernel, stride, padding)
        return [convolution, nn.GroupNorm(_GROUPS, CHANNELS), nn.ReLU()]

    # The wide strides at once: half of the time went into maps of half the picture's size.
    return nn.Sequential(
        *layer(channels, kernel=8, stride=4),
        *layer(CHANNELS),
        *layer(CHANNELS),
        nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
    )
