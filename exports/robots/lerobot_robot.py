"""Any robot of LeRobot (its class `Robot`, as of 0.4) behind the robot protocol."""

from __future__ import annotations

import importlib
import json
import pkgutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from exports.robots.base import Capabilities, Motion, Reading, Status
from ilrobot.actors import Observation
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Semantics, Spec

_STATE = "observation.state"
_IMAGES = "observation.images."


class Device(Protocol):
    """What is used of `lerobot.robots.Robot`."""

    name: str

    @property
    def observation_features(self) -> dict[str, Any]:
        """``float`` for each number, a shape for each picture."""

    @property
    def action_features(self) -> dict[str, Any]:
        """``float`` for each number."""

    @property
    def is_connected(self) -> bool:
        """Whether it can be read and written."""

    @property
    def is_calibrated(self) -> bool:
        """Whether its joints know where they are."""

    def connect(self, calibrate: bool = True) -> None:
        """Reach it."""

    def get_observation(self) -> dict[str, Any]:
        """Measure; waits for the bus and the cameras."""

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """Move; the action that was really sent."""

    def disconnect(self) -> None:
        """Let go of it."""


class LerobotRobot:
    """Gives the policy its elements by name, in the policy's order, whatever the robot's order is.

    ``observation.state`` and ``action`` hold the numbers of the robot by their LeRobot names
    (``shoulder_pan.pos``), ``observation.images.KEY`` its camera KEY. An episode begins where the
    arm is: LeRobot's robots have no start pose of their own. The guard begins from the measured
    positions, where each element of the action is also measured.

    Args:
        device: Not yet connected.
        wanted: What the policy reads and gives; where it names no elements, the robot's order
            counts.
        clock: That of the loop, in seconds.
    """

    def __init__(
        self, device: Device, wanted: Spec, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._device, self._wanted, self._clock = device, wanted, clock
        self._spec: Spec | None = None
        self._sent: dict[str, float] = {}

    def connect(self) -> Capabilities:
        """Reach the robot; nothing moves, and nothing is calibrated.

        Raises:
            UserError: It cannot be reached, is not calibrated, or lacks what the policy names.
        """
        device = self._device
        self._spec = self._described()
        try:
            device.connect(calibrate=False)
            calibrated = device.is_calibrated
        except Exception as error:  # drivers of many makers, which share no base
            raise UserError(
                f"LeRobot's {device.name} cannot be reached: {_one_line(error)}; look at its "
                "cables and its configuration"
            ) from error
        if not calibrated:
            self.close()
            raise UserError(
                f"LeRobot's {device.name} is not calibrated; run lerobot-calibrate for it"
            )
        return Capabilities(f"LeRobot's {device.name}", self._spec, any_rate=True, time_limit=None)

    def reset(self, seed: int) -> Motion | None:
        """Begin where it is; see `Robot.reset`."""
        names = self._connected.action.names
        with self._explained():
            measured = self._device.get_observation()
        self._sent = {}
        if not all(name in measured for name in names):
            return None
        return Motion(np.array([float(measured[name]) for name in names], np.float32))

    def read(self, now: float) -> Reading:
        """Measure now; the time is that of asking, so that no age is made too small."""
        spec, asked = self._connected, self._clock()
        with self._explained():
            measured = self._device.get_observation()
            observation: Observation = {
                feature.name: _values(feature, measured) for feature in spec.observations
            }
        return Reading(observation, asked)

    def write(self, command: NDArray[Any]) -> Status:
        """Send it; nobody judges the episode, and it does not end by itself."""
        names = self._connected.action.names
        self._sent = dict(zip(names, map(float, command), strict=True))
        with self._explained():
            self._device.send_action(self._sent)
        return Status()

    def stop(self) -> None:
        """Positions stay where they were commanded to be last, velocities become zero."""
        if self._sent and self._device.is_connected:
            self._sent = {
                name: 0.0 if name.endswith(".vel") else value for name, value in self._sent.items()
            }
            with self._explained():
                self._device.send_action(self._sent)

    def close(self) -> None:
        """Disconnect; many arms go limp then, see ``disable_torque_on_disconnect`` of theirs."""
        if self._device.is_connected:
            with self._explained():
                self._device.disconnect()

    @property
    def _connected(self) -> Spec:
        if self._spec is None:
            raise RuntimeError("connect() was not called")
        return self._spec

    def _described(self) -> Spec:
        offered, device = self._device.observation_features, self._device
        numbers = [name for name, kind in offered.items() if not isinstance(kind, tuple)]
        features = []
        for wanted in self._wanted.observations:
            key = wanted.name.removeprefix(_IMAGES)
            if wanted.is_image and isinstance(offered.get(key), tuple):
                features.append(Feature(wanted.name, tuple(offered[key]), dtype="uint8"))
            elif not wanted.is_image and (wanted.names or wanted.name == _STATE):
                names = _chosen(wanted, numbers, f"LeRobot's {device.name} measures")
                features.append(Feature(wanted.name, (len(names),), names=names))
        commands = _chosen(
            self._wanted.action, list(device.action_features), f"LeRobot's {device.name} takes"
        )
        # Beside velocities, which their names tell, positions are targets still.
        places = {name.endswith(".pos") for name in commands if not name.endswith(".vel")}
        semantics: Semantics = "absolute" if places == {True} else "unknown"
        return Spec(
            observations=tuple(features),
            action=Feature("action", (len(commands),), names=commands),
            rate=self._wanted.rate,
            semantics=semantics,
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # drivers of many makers, which share no base
            raise WorkFailed(
                f"LeRobot's {self._device.name} failed: {_one_line(error)}; look at it and deploy "
                "again"
            ) from error


def load_device(file: Path) -> Device:
    """The robot that a file of JSON configures, as LeRobot's own commands take it.

    Args:
        file: E.g. ``{"type": "so101_follower", "port": "/dev/ttyACM0", "id": "left"}``; the keys
            beside ``type`` are the fields of that robot's configuration, cameras included.

    Raises:
        UserError: There is no such file, LeRobot is missing, or it refuses the configuration.
    """
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{file} is no configuration of a LeRobot robot: {_one_line(error)}; it is a JSON "
            'file such as {"type": "so101_follower", "port": "/dev/ttyACM0"}'
        ) from error
    try:
        draccus: Any = importlib.import_module("draccus")
        config: Any = importlib.import_module("lerobot.robots.config")
        robots: Any = importlib.import_module("lerobot.robots")
        plugins: Any = importlib.import_module("lerobot.utils.import_utils")
    except ModuleNotFoundError as error:
        raise UserError(
            f"--robot lerobot:... needs LeRobot ({error.name} is missing): pip install lerobot"
        ) from error
    plugins.register_third_party_plugins()
    missing = _register_robots(robots)
    try:
        decoded = draccus.decode(config.RobotConfig, content)
        return cast(Device, robots.make_robot_from_config(decoded))
    except Exception as error:  # what the parser, the configuration and the driver raise
        hint = f" (not loaded: {', '.join(missing)})" if missing else ""
        raise UserError(f"{file}: LeRobot refuses it: {_one_line(error)}{hint}") from error


def _register_robots(robots: Any) -> list[str]:
    """Import LeRobot's robots, which makes their types known; those whose drivers are missing."""
    missing = []
    for module in pkgutil.iter_modules(robots.__path__):
        try:
            importlib.import_module(f"{robots.__name__}.{module.name}")
        except ImportError as error:
            missing.append(f"{module.name}: {error.name}")
    return missing


def _chosen(wanted: Feature, offered: list[str], who: str) -> tuple[str, ...]:
    """The elements of a feature, in the policy's order."""
    if not wanted.names:
        if len(offered) != wanted.size:
            raise UserError(
                f"{who} {len(offered)} numbers ({', '.join(offered)}), but '{wanted.name}' of the "
                f"policy has {wanted.size} without names"
            )
        return tuple(offered)
    for name in wanted.names:
        if name not in offered:
            raise UserError(
                f"{who} no '{name}', which is in '{wanted.name}' of the policy; it has "
                f"{', '.join(offered) or 'nothing'}"
            )
    return wanted.names


def _values(feature: Feature, measured: Mapping[str, Any]) -> NDArray[Any]:
    if feature.is_image:
        picture = np.asarray(measured[feature.name.removeprefix(_IMAGES)])
        if picture.shape != feature.shape or picture.dtype != np.uint8:
            raise ValueError(f"a picture of {picture.shape} {picture.dtype}, not {feature.shape}")
        return picture
    return np.array([float(measured[name]) for name in feature.names], np.float32)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
