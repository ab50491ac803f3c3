"""A robot that ROS 2 drives: joint states in, commands for ros2_control's controllers out."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.robots.base import Capabilities, Motion, Reading, Status
from exports.robots.joint_states import JointStates, joint_and_quantity
from ilrobot.errors import UserError, WorkFailed
from ilrobot.spec import Feature, Spec

#: What the last part of a command's topic says of its message, as ros2_control names them.
_MESSAGES = {
    "joint_trajectory": ("trajectory_msgs.msg", "JointTrajectory"),
    "commands": ("std_msgs.msg", "Float64MultiArray"),
}
#: What ROS measures joints in (REP 103), revolute or prismatic; torques are spelled in many ways.
_UNITS = {"position": ("rad", "m"), "velocity": ("rad/s", "m/s")}
#: Seconds for the first state of every joint to come.
_STATES_WITHIN = 3.0


class Ros2Robot:
    """A node ``ilrobot`` that reads ``sensor_msgs/JointState`` and commands joint positions.

    To ``.../joint_trajectory`` it publishes a ``JointTrajectory`` of one point, to be reached when
    a period has passed; to ``.../commands`` a ``Float64MultiArray`` in the order of the action,
    which must be the order of the controller's joints. States are put together by the joints'
    names, and are as old as the oldest of them by its stamp.

    Args:
        wanted: What the policy reads and gives: ``observation.state`` and ``action``, whose
            elements are named by joints.
        commands: Topic of the commands.
        states: Topic of the joint states.
        clock: That of the loop, in seconds.

    Raises:
        UserError: rclpy is missing, the topic is of no known kind, or the policy's elements are no
            joints, or are in other units than ROS's.
    """

    def __init__(
        self,
        wanted: Spec,
        commands: str,
        states: str = "joint_states",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        kind = _MESSAGES.get(commands.rpartition("/")[2])
        if kind is None:
            raise UserError(
                f"ros2:{commands}: the topic of the commands must end in /joint_trajectory or "
                "/commands, as those of ros2_control's controllers do"
            )
        self._state, self._joints = _elements(wanted)
        self._names = self._state.names
        try:
            self._rclpy: Any = importlib.import_module("rclpy")
            self._executors: Any = importlib.import_module("rclpy.executors")
            self._quality: Any = importlib.import_module("rclpy.qos")
            self._signals: Any = importlib.import_module("rclpy.signals")
            self._state_type: Any = importlib.import_module("sensor_msgs.msg").JointState
            self._command_type: Any = getattr(importlib.import_module(kind[0]), kind[1])
            if kind[1] == "JointTrajectory":
                self._point_type: Any = importlib.import_module(kind[0]).JointTrajectoryPoint
        except ModuleNotFoundError as error:
            raise UserError(
                f"--robot ros2:... needs ROS 2 ({error.name} is missing): source its setup.bash, "
                "and install ilrobot for the Python that it brings"
            ) from error
        self._wanted, self._topics, self._clock = wanted, (commands, states), clock
        self._is_trajectory = kind[1] == "JointTrajectory"
        self._states = JointStates(self._names)
        # Callbacks come in a thread of their own; a state is put together under this lock, which
        # is held for microseconds.
        self._lock = threading.Lock()
        self._node: Any = None
        self._executor: Any = None
        self._thread: threading.Thread | None = None
        self._last: NDArray[np.float64] | None = None
        self._period = 1.0 / wanted.rate

    def connect(self) -> Capabilities:
        """Make the node and wait for the first state of every joint; nothing moves.

        Raises:
            UserError: No state comes for some joint.
        """
        commands, states = self._topics
        # Ctrl-C belongs to the loop, which stops the robot before it ends.
        self._rclpy.init(signal_handler_options=self._signals.SignalHandlerOptions.NO)
        self._node = self._rclpy.create_node("ilrobot")
        self._publisher = self._node.create_publisher(self._command_type, commands, 1)
        quality = self._quality.qos_profile_sensor_data
        self._node.create_subscription(self._state_type, states, self._take, quality)
        self._executor = self._executors.SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin, name="ros2", daemon=True)
        self._thread.start()
        end = time.monotonic() + _STATES_WITHIN
        while self._missing():
            if time.monotonic() > end:
                missing = ", ".join(self._missing())
                raise UserError(
                    f"no state of {missing} on the topic '{states}' within {_STATES_WITHIN:g} s; "
                    "look at `ros2 topic echo`, and at the names of the joints"
                )
            time.sleep(0.01)
        # Which joints turn and which slide the policy alone says; what is recorded is to say so.
        state, action = self._state, self._wanted.action
        names = self._names
        spec = Spec(
            observations=(Feature(state.name, (len(names),), names=names, units=state.units),),
            action=Feature("action", (len(self._joints),), names=action.names, units=action.units),
            rate=self._wanted.rate,
            semantics="absolute",
        )
        name = f"ROS 2 at {commands}"
        return Capabilities(name, spec, any_rate=True, time_limit=None, led=True)

    def pace(self, period: float) -> None:
        """See `exports.robots.base.Paced`."""
        self._period = period

    def reset(self, seed: int) -> Motion | None:
        """Begin where it is; ROS has no start pose of its own.

        Raises:
            WorkFailed: It is not known where it is now: no state has come of late.
        """
        self._last = None
        with self._lock:
            held, age = self._states.positions(self._joints), self._clock() - self._states.measured
        if age > _STATES_WITHIN:
            raise WorkFailed(
                f"the newest state on the topic '{self._topics[1]}' is {age:.0f} s old, so no "
                "episode begins; look at `ros2 topic echo`"
            )
        return None if held is None else Motion(held)

    def read(self, now: float) -> Reading:
        """The newest state; it is as old as the oldest of its joints."""
        with self._lock:
            return Reading({"observation.state": self._states.values}, self._states.measured)

    def write(self, command: NDArray[Any]) -> Status:
        """Publish it; nobody judges the episode, and it does not end by itself."""
        self._last = np.array(command, np.float64)
        self._publish(self._last)
        return Status()

    def stop(self) -> None:
        """The last position again, which a position controller holds."""
        if self._last is not None and self._node is not None:
            self._publish(self._last)

    def close(self) -> None:
        """End the node."""
        if self._node is not None:
            self._executor.shutdown()
            self._node.destroy_node()
            self._rclpy.shutdown()
            self._node = None
        if self._thread is not None:
            self._thread.join(timeout=1.0)
            self._thread = None

    def _take(self, message: Any) -> None:
        stamp = message.header.stamp
        stated = stamp.sec + 1e-9 * stamp.nanosec
        age = 0.0
        if stated > 0:  # else nobody stated when it was measured
            age = max(1e-9 * self._node.get_clock().now().nanoseconds - stated, 0.0)
        with self._lock:
            self._states.add(message, self._clock() - age)

    def _missing(self) -> list[str]:
        with self._lock:
            return self._states.missing

    def _publish(self, command: NDArray[np.float64]) -> None:
        message = self._command_type()
        if self._is_trajectory:
            point = self._point_type()
            point.positions = command.tolist()
            nanoseconds = round(1e9 * self._period)
            point.time_from_start.sec = nanoseconds // 10**9
            point.time_from_start.nanosec = nanoseconds % 10**9
            message.joint_names = list(self._joints)
            message.points = [point]  # and a stamp of zero: from now on
        else:
            message.data = command.tolist()
        self._publisher.publish(message)


def _elements(wanted: Spec) -> tuple[Feature, tuple[str, ...]]:
    """The states that the policy reads, and the joints whose positions it commands.

    Raises:
        UserError: It names no elements, commands something else than positions, or states other
            units than those of ROS.
    """
    state = next((f for f in wanted.observations if f.name == "observation.state"), None)
    if state is None or not state.names or not wanted.action.names:
        raise UserError(
            "--robot ros2:... finds joints by their names, but the policy names no elements of "
            "'observation.state' or 'action'; train on data that name them"
        )
    commanded = [joint_and_quantity(name) for name in wanted.action.names]
    for name, (_, quantity) in zip(wanted.action.names, commanded, strict=True):
        if quantity != "position":
            raise UserError(f"--robot ros2:... commands positions, and '{name}' is none")
    if wanted.semantics not in ("absolute", "unknown"):
        raise UserError(
            f"--robot ros2:... takes absolute positions of joints; the policy's actions are "
            f"{wanted.semantics}"
        )
    for feature in (state, wanted.action):
        _check_units(feature)
    return state, tuple(joint for joint, _ in commanded)


def _check_units(feature: Feature) -> None:
    """Refuse numbers that mean another motion here, such as degrees."""
    for name, unit in zip(feature.names, feature.units, strict=False):
        _, quantity = joint_and_quantity(name)
        known = _UNITS.get(quantity, ())
        if unit and known and unit not in known:
            raise UserError(
                f"--robot ros2:... has the {quantity} of a joint in {' or '.join(known)}, and "
                f"'{name}' in '{feature.name}' of the policy is in {unit}; train on data in these "
                "units"
            )
