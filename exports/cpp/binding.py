"""The C ABI of the C++ library by ctypes: how Python holds the two languages side by side."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from exports.cpp.building import built

_FLOATS = ctypes.POINTER(ctypes.c_float)
_NOISE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, _FLOATS, ctypes.c_size_t)


class Refused(Exception):
    """The library's own line about a file that it does not load."""


class _Options(ctypes.Structure):
    _fields_ = (
        ("rate", ctypes.c_double),
        ("chunking", ctypes.c_char_p),
        ("wait", ctypes.c_int),
        ("inference_core", ctypes.c_int),
        ("noise", _NOISE),
        ("noise_user", ctypes.c_void_p),
        ("trust", ctypes.c_char_p),
    )


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(built()))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, result, *arguments in (
        ("load", pointer, ctypes.c_char_p, ctypes.POINTER(_Options), ctypes.c_char_p, size),
        ("free", None, pointer),
        ("reset", ctypes.c_int, pointer, ctypes.c_uint64, *[pointer] * 3, ctypes.c_char_p, size),
        ("workspace_unknown", ctypes.c_int, pointer),
        ("locate", None, pointer, pointer),
        ("observe", None, pointer, ctypes.POINTER(_FLOATS), ctypes.c_double),
        ("prepare", ctypes.c_int, pointer, ctypes.c_double),
        ("tick", ctypes.c_int, pointer, ctypes.c_double, ctypes.c_int, pointer),
        ("override", ctypes.c_int, pointer, ctypes.c_double, ctypes.c_int, pointer, pointer),
        ("brake", ctypes.c_int, pointer, ctypes.c_double, ctypes.c_int, pointer),
        ("stop", None, pointer),
        ("release", None, pointer),
        ("log", ctypes.c_int, pointer, ctypes.c_char_p, size, ctypes.c_char_p, size),
        ("flags", ctypes.c_uint32, pointer),
        ("activation_count", size),
        ("activation_name", ctypes.c_char_p, size),
        ("activation_ticks", ctypes.c_uint64, pointer, size),
        ("rate", ctypes.c_double, pointer),
        *((name, size, pointer) for name in ("history", "horizon", "choices", "action_size")),
        ("observation_count", size, pointer),
        ("observation_name", ctypes.c_char_p, pointer, size),
        ("observation_size", size, pointer, size),
        ("check_names", ctypes.c_int, pointer, ctypes.c_char_p, pointer, size, pointer, size),
        ("check_units", ctypes.c_int, pointer, ctypes.c_char_p, pointer, size, pointer, size),
        ("semantics", ctypes.c_char_p, pointer),
        ("signal_count", size, pointer),
        ("signal_name", ctypes.c_char_p, pointer, size),
        ("signal", ctypes.c_double, pointer, size),
        ("golden_error", ctypes.c_double, pointer),
        *(("predict", ctypes.c_int, pointer, ctypes.POINTER(_FLOATS), *[pointer] * 4),),
    ):
        function = getattr(library, f"ilr_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class CppController:
    """An exported policy in the C++ controller.

    Args:
        path: The file.
        chunking: How its chunks are executed (None: as the contract says).
        wait: Whether chunks are predicted within the tick.
        rate: Hz (0: the contract's).
        noise: Fills an array with noise (None: the library's own).
        trust: PEM file of the key whose owner must have signed the file (None: nobody need).

    Raises:
        Refused: The library refuses the file, or the options for it.
    """

    def __init__(
        self,
        path: Path,
        *,
        chunking: str | None = None,
        wait: bool = True,
        rate: float = 0.0,
        noise: Callable[[np.ndarray], None] | None = None,
        trust: Path | None = None,
    ) -> None:
        self._library = _library()
        self._noise = _NOISE(0)
        if noise is not None:
            self._noise = _NOISE(
                lambda _, into, count: noise(np.ctypeslib.as_array(into, (count,)))
            )
        word = None if chunking is None else chunking.encode()
        key = None if trust is None else str(trust).encode()
        options = _Options(rate, word, wait, -1, self._noise, None, key)
        error = ctypes.create_string_buffer(1000)
        self._handle: Any = self._library.ilr_load(
            str(path).encode(), ctypes.byref(options), error, len(error)
        )
        if not self._handle:
            raise Refused(error.value.decode(errors="replace"))
        count = self._library.ilr_observation_count(self._handle)
        self.names = [
            self._library.ilr_observation_name(self._handle, i).decode() for i in range(count)
        ]
        self.action_size = self._library.ilr_action_size(self._handle)
        self.horizon = self._library.ilr_horizon(self._handle)
        self.golden_error = self._library.ilr_golden_error(self._handle)
        self._command = np.zeros(self.action_size)

    def __enter__(self) -> CppController:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.ilr_free(self._handle)

    def reset(
        self, seed: int = 0, present: Any = None, velocity: Any = None, pose: Any = None
    ) -> str:
        """An episode begins from this command, velocity and pose (None: not known).

        Returns:
            Why none begins (empty: it does).
        """
        arrays = [None if x is None else np.array(x, np.float64) for x in (present, velocity, pose)]
        pointers = [None if x is None else x.ctypes.data for x in arrays]
        error = ctypes.create_string_buffer(1000)
        begun = self._library.ilr_reset(self._handle, seed, *pointers, error, len(error))
        assert bool(begun) == (not error.value)
        return error.value.decode()

    def observe(self, observation: Mapping[str, Any], measured: float) -> None:
        """Give it what was measured then, in seconds of the clock of `tick`."""
        arrays = [np.ascontiguousarray(observation[name], np.float32) for name in self.names]
        self._library.ilr_observe(self._handle, _pointers(arrays), measured)

    def tick(self, now: float, late: bool = False) -> np.ndarray | None:
        """The command (None: there is nothing to send)."""
        into = self._command.ctypes.data
        if not self._library.ilr_tick(self._handle, now, late, into):
            return None
        return self._command.copy()

    def override(self, now: float, late: bool, action: Any) -> np.ndarray | None:
        """The command for an action that somebody else chose (None: nobody has one)."""
        given = None if action is None else np.array(action, np.float64)
        pointer = None if given is None else given.ctypes.data
        into = self._command.ctypes.data
        if not self._library.ilr_override(self._handle, now, late, pointer, into):
            return None
        return self._command.copy()

    def locate(self, pose: Any) -> None:
        """Say where the target of each delta element is now (NaN: not known)."""
        given = np.array(pose, np.float64)
        self._library.ilr_locate(self._handle, given.ctypes.data)

    def brake(self, now: float, late: bool = False) -> np.ndarray | None:
        """The next command on the way to rest (None: nothing moves)."""
        if not self._library.ilr_brake(self._handle, now, late, self._command.ctypes.data):
            return None
        return self._command.copy()

    def prepare(self, seconds: float = 10.0) -> bool:
        """Predict the first chunk."""
        return bool(self._library.ilr_prepare(self._handle, seconds))

    def log(self, path: Path, ticks: int) -> None:
        """Keep every tick from now on; raises `Refused`."""
        error = ctypes.create_string_buffer(1000)
        if not self._library.ilr_log(self._handle, str(path).encode(), ticks, error, len(error)):
            raise Refused(error.value.decode(errors="replace"))

    def release(self) -> None:
        """Take the emergency stop back."""
        self._library.ilr_release(self._handle)

    def stop(self) -> None:
        """The emergency stop."""
        self._library.ilr_stop(self._handle)

    @property
    def workspace_unknown(self) -> bool:
        """Whether the contract's workspace is not kept, since nobody said where the target is."""
        return bool(self._library.ilr_workspace_unknown(self._handle))

    @property
    def flags(self) -> int:
        """What the guards did in the last tick: bits of `Activation`."""
        return int(self._library.ilr_flags(self._handle))

    @property
    def signals(self) -> dict[str, float]:
        """What the policy says of the action of the last tick (NaN: it did not act)."""
        return {
            self._library.ilr_signal_name(self._handle, i).decode(): self._library.ilr_signal(
                self._handle, i
            )
            for i in range(self._library.ilr_signal_count(self._handle))
        }

    @property
    def counts(self) -> dict[str, int]:
        """In how many ticks of the episode each guard acted, by its name."""
        return {
            self._library.ilr_activation_name(i).decode(): self._library.ilr_activation_ticks(
                self._handle, i
            )
            for i in range(self._library.ilr_activation_count())
        }

    def predict(
        self, history: Mapping[str, Any], noise: Any = None, prefix: Any = None, weights: Any = None
    ) -> np.ndarray:
        """A chunk (H, A), float32, of these observations, without guards."""
        arrays = [np.ascontiguousarray(history[name], np.float32) for name in self.names]
        given = [
            None if x is None else np.ascontiguousarray(x, np.float32)
            for x in (noise, prefix, weights)
        ]
        chunk = np.zeros((self.horizon, self.action_size), np.float32)
        assert self._library.ilr_predict(
            self._handle,
            _pointers(arrays),
            *(None if x is None else x.ctypes.data for x in given),
            chunk.ctypes.data,
        )
        return chunk

    def differing(self, feature: str, names: list[str]) -> str:
        """What differs between these element names and the contract's (empty: nothing)."""
        return self._differing(self._library.ilr_check_names, feature, names)

    def differing_units(self, feature: str, units: list[str]) -> str:
        """The same of units."""
        return self._differing(self._library.ilr_check_units, feature, units)

    @property
    def semantics(self) -> str:
        """What the numbers of an action are, see `Spec.semantics`."""
        return str(self._library.ilr_semantics(self._handle).decode())

    def _differing(self, check: Any, feature: str, texts: list[str]) -> str:
        array = (ctypes.c_char_p * len(texts))(*(text.encode() for text in texts))
        error = ctypes.create_string_buffer(1000)
        same = check(self._handle, feature.encode(), array, len(texts), error, len(error))
        assert bool(same) == (not error.value)
        return error.value.decode()


def _pointers(arrays: list[np.ndarray]) -> Any:
    return (_FLOATS * len(arrays))(*(array.ctypes.data_as(_FLOATS) for array in arrays))
