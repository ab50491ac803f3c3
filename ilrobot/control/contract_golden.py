"""The golden vectors of a contract: inputs, free and led, and what the graph gave to each."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ilrobot.control.drawing import Guide
from ilrobot.control.signals import Signals
from ilrobot.spec import Spec

#: Keys of a contract. A reader of schema 1.3 knows the first alone, and asks all that stand there
#: without a guide.
FREE, LED = "golden", "golden_led"


@dataclass(frozen=True)
class Golden:
    """One input and what it must give.

    Attributes:
        observations: For each observation an array (n_obs, *shape).
        noise: Array of the contract's noise shape (None: the policy takes none).
        action: The chunk, shape (horizon, *action shape), in physical units; float32, or int64
            choices.
        signals: What it says beside them.
        guide: Where the sampler is led (None: nowhere).
    """

    observations: Mapping[str, NDArray[Any]]
    noise: NDArray[np.float32] | None
    action: NDArray[Any]
    signals: Signals = field(default_factory=dict)
    guide: Guide | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        led = {}
        if self.guide is not None:
            led = {
                "prefix": self.guide.prefix.tolist(),
                "prefix_weights": self.guide.weights.tolist(),
            }
        return {
            "observations": {name: _to_json(array) for name, array in self.observations.items()},
            "noise": None if self.noise is None else self.noise.tolist(),
            **led,
            "action": self.action.tolist(),
            **{name: values.tolist() for name, values in self.signals.items()},
        }

    @classmethod
    def from_json(
        cls,
        data: Mapping[str, Any],
        spec: Spec,
        *,
        n_obs: int,
        horizon: int,
        noise_shape: tuple[int, ...] | None,
        signals: Sequence[str] = (),
        led_steps: int | None = None,
    ) -> Golden:
        """Inverse of `to_json`, for the shapes that the contract states.

        Args:
            data: The parsed JSON.
            spec: Of the task.
            n_obs: Ticks of history.
            horizon: Actions in a chunk.
            noise_shape: Shape of the noise (None: none is taken).
            signals: Names of the further outputs.
            led_steps: Steps of the sampler, which is led here (None: it is not).

        Raises:
            KeyError: A key is missing.
            ValueError: An array has another shape, pictures are damaged, or there is noise where
                none is taken.
        """
        noise = data["noise"]
        if (noise is None) != (noise_shape is None):
            raise ValueError("a golden input has noise where the policy takes none, or lacks it")
        guide = None
        if led_steps is not None:
            guide = Guide(
                _array(data["prefix"], "float32", (horizon, *spec.action.shape)),
                _array(data["prefix_weights"], "float32", (led_steps, horizon)),
            )
        return cls(
            observations={
                feature.name: (_pictures if feature.is_image else _array)(
                    data["observations"][feature.name], feature.dtype, (n_obs, *feature.shape)
                )
                for feature in spec.observations
            },
            noise=None if noise is None else _array(noise, "float32", noise_shape or ()),
            # As the graph computes it, whatever type the demonstrations were kept in.
            action=_array(
                data["action"],
                "float32" if spec.choices is None else "int64",
                (horizon, *spec.action.shape),
            ),
            signals={name: _array(data[name], "float32", (horizon,)) for name in signals},
            guide=guide,
        )


def golden_to_json(golden: Sequence[Golden]) -> dict[str, Any]:
    """The two keys of a contract."""
    return {
        FREE: [one.to_json() for one in golden if one.guide is None],
        LED: [one.to_json() for one in golden if one.guide is not None],
    }


def golden_from_json(
    data: Mapping[str, Any], sampler_steps: int | None, **shapes: Any
) -> tuple[Golden, ...]:
    """Inverse of `golden_to_json`.

    Args:
        data: The contract's JSON.
        sampler_steps: Steps that can be led (None: none).
        shapes: See `Golden.from_json`.

    Raises:
        KeyError: A key is missing.
        ValueError: An array has another shape, or leads what cannot be led.
    """
    led = data.get(LED) or ()
    if led and sampler_steps is None:
        raise ValueError("a golden input leads the sampler, which cannot be led")
    return (
        *(Golden.from_json(one, **shapes) for one in data[FREE]),
        *(Golden.from_json(one, led_steps=sampler_steps, **shapes) for one in led),
    )


def _array(values: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.array(values, dtype=dtype)
    if array.shape != shape:
        raise ValueError(f"a golden array has shape {list(array.shape)} instead of {list(shape)}")
    return array


def _to_json(array: NDArray[Any]) -> Any:
    """Numbers as nested lists, pictures as the base64 of their bytes, row by row, by zlib."""
    if array.dtype != np.uint8:
        return array.tolist()
    return base64.b64encode(zlib.compress(array.tobytes())).decode()


def _pictures(text: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Inverse of `_to_json`; no more is unpacked than pictures of this shape need."""
    if not isinstance(text, str):
        raise ValueError("golden pictures are no text")
    size = math.prod(shape)
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(base64.b64decode(text, validate=True), size + 1)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"golden pictures are damaged ({error})") from error
    if len(content) != size:
        raise ValueError(f"golden pictures are not of shape {list(shape)}")
    return np.frombuffer(content, dtype).reshape(shape)
