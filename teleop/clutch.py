"""The clutch between a hand and a target: relative to where both were when it took hold.

Whoever adds steps up to a target keeps that target on a leash to what the robot has achieved, so
that pushing on against an obstacle winds nothing up. The controller of a task whose actions are
steps does so itself, for policies too; here it is done for the targets that are kept here: those of
tasks with absolute actions, and those that a tracked device leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ilrobot.actors import Action, Observation
from ilrobot.control.turns import nearest_rows
from ilrobot.rotation_units import Rotation
from ilrobot.spec import Spec
from teleop.bindings import Control, Six, TeleopCommand
from teleop.devices.base import Pose
from teleop.mappings.span import share

Array = NDArray[np.float64]

#: Farthest a target may lie from what is achieved, by unit of its elements.
REACH = {"m": 0.05, "rad": 0.3, "rotvec": 0.3}
#: The same for other units, as a share of the range: 0.25 s at the speed that crosses it in 1.5 s.
REACH_OF_RANGE = 1 / 6
#: Speeds of a tracked hand that are full speed where the task's steps are no metres, m/s and rad/s.
HAND_SPEED = (0.4, 0.4, 0.4, 2.0, 2.0, 2.0)
#: Most that successive commands differ after a takeover, as a share of a full step.
MOST_JUMP = 0.8

FRAMES = ("base", "camera", "tool")

_POSITION = ("ee_x", "ee_y", "ee_z")
_AXES = tuple(f"ee_{axis}_axis_{of}" for axis in "xy" for of in "xyz")
#: A tool that points straight down, unturned: there its axes are those of the base.
_DOWN = np.diag([1.0, -1.0, -1.0])


def leashed(target: Array, achieved: Array, reach: float) -> tuple[Array, float]:
    """A target pulled back to within `reach` of what is achieved.

    Args:
        target: Where the robot shall be, (n,).
        achieved: Where it is, (n,), in the same unit.
        reach: Length of the leash in that unit.

    Returns:
        The target and the share of the leash that it uses, 0 … 1.
    """
    ahead = target - achieved
    distance = float(np.linalg.norm(ahead))
    if distance <= reach:
        return target, distance / reach if reach > 0 else 0.0
    return achieved + ahead * (reach / distance), 1.0


def nearest_angles(values: Array, to: Array, angles: Sequence[int]) -> Array:
    """The same values, (n,), each angle, in rad, by the number that is nearest to `to`'s."""
    told, which = values.copy(), list(angles)
    told[which] += 2 * np.pi * np.round((to[which] - values[which]) / (2 * np.pi))
    return told


class Clutch:
    """Turns what a hand does into steps along the axes of the base, in the frame it steers in.

    Args:
        spec: The task; where its observations name the tool's pose, frames and leash are known.
        step: Full step of each direction per tick, (6,), m and rad (None: the task's actions are
            no such steps).
    """

    def __init__(self, spec: Spec, step: Array | None) -> None:
        full = np.asarray(HAND_SPEED) / spec.rate if step is None else step
        self._step: Array = np.asarray(full, dtype=np.float64)
        self._pose_of = _PoseReader(spec) if step is not None else None
        self.heading: float | None = None
        """Where the camera that the person looks through looks, rad about the base's z axis."""
        self.reset()

    def reset(self) -> None:
        """Begin an episode in the base's frame."""
        self.frame = "base"
        self.leash = 0.0
        """Share of the leash that was used at the last tick, 0 … 1."""
        self.unmeasured = False
        """The tool's pose of the last tick is not finite; the one before stands for it."""
        self._measured: tuple[Array, Array] | None = None
        self.release()

    def release(self) -> None:
        """Let go: taking hold again latches the pose that is measured then."""
        self._hand: Pose | None = None
        self._wanted: tuple[Array, Array] | None = None
        self._commanded: tuple[Array, Array] | None = None

    @property
    def frames(self) -> tuple[str, ...]:
        """The frames that there are to steer in, in the order in which they follow each other."""
        if self._pose_of is None or not self._pose_of.known:
            return ()
        return tuple(name for name in FRAMES if name != "camera" or self.heading is not None)

    def command(self, command: TeleopCommand, observation: Observation) -> TeleopCommand:
        """The same command with a twist along the base's axes, and without a pose.

        Args:
            command: What the hand does; its twist and the motion of its pose are in `frame`.
            observation: What is measured at this tick.
        """
        for _ in range(command.controls.count(Control.FRAME) if self.frames else 0):
            places = self.frames
            here = places.index(self.frame) if self.frame in places else -1
            self.frame = places[(here + 1) % len(places)]
        measured = self._measure(observation)
        turn = self._turn(measured)
        if self._commanded is None:
            self._commanded = self._wanted = measured or (np.zeros(3), np.eye(3))
        twist = _turned(np.asarray(command.twist), turn)
        step = twist * self._step
        if command.pose is None:
            self._hand = None
            self._wanted = self._hold(_moved(self._commanded, step), measured)
            self._commanded = self._wanted
        else:
            step += _turned(self._motion(command.pose, command.speed), turn)
            assert self._wanted is not None
            self._wanted = self._hold(_moved(self._wanted, step), measured)
            step = np.clip(_between(self._commanded, self._wanted), -self._step, self._step)
            self._commanded = _moved(self._commanded, step)
            twist = share(step, self._step)
        return replace(command, twist=_six(twist), pose=None)

    def _measure(self, observation: Observation) -> tuple[Array, Array] | None:
        if self._pose_of is None or not self._pose_of.known:
            return None
        found = self._pose_of.read(observation)
        self.unmeasured = not all(np.isfinite(part).all() for part in found)
        if not self.unmeasured:
            self._measured = found
        return self._measured

    def _motion(self, hand: Pose, speed: float) -> Array:
        """How the hand moved since the tick before, (6,) in its own frame."""
        before, self._hand = self._hand or hand, hand
        moved = np.subtract(hand.position, before.position)
        turned = rotation_vector(_matrix(hand.quaternion) @ _matrix(before.quaternion).T)
        return speed * np.concatenate([moved, turned])

    def _hold(
        self, target: tuple[Array, Array], measured: tuple[Array, Array] | None
    ) -> tuple[Array, Array]:
        """The target on its leash; what lies beyond it is forgotten."""
        # Where nothing is measured, the hand may still not run away from what was commanded.
        achieved = measured or self._commanded or target
        position, share = leashed(target[0], achieved[0], REACH["m"])
        ahead = rotation_vector(target[1] @ achieved[1].T)
        ahead, turned = leashed(ahead, np.zeros(3), REACH["rad"])
        self.leash = 0.0 if measured is None else max(share, turned)
        return position, rotation(ahead) @ achieved[1]

    def _turn(self, measured: tuple[Array, Array] | None) -> Array:
        """From the frame that the person steers in to the base, (3, 3)."""
        if self.frame == "tool" and measured is not None:
            return measured[1] @ _DOWN.T
        if self.frame == "camera" and self.heading is not None:
            return rotation(np.array([0.0, 0.0, self.heading]))
        return np.eye(3)


def most_jump(step: Array | None) -> Array | None:
    """Most that successive commands differ where control changes hands, for each element."""
    return None if step is None else MOST_JUMP * step


class Ramp:
    """At a takeover, from the command that was executed last to the person's own.

    Successive commands differ by at most `MOST_JUMP` of a full step per element, until they have
    met: an opposite full stick takes three ticks, and a small correction none.

    Args:
        step: Full step of each element of the action; infinite where it may switch at once (None:
            the task has no such thing as a step).
        rotations: Of an action that is a target: what equals the last command counts as it does.
        angles: Likewise the indexes of its angles, which wrap.
    """

    def __init__(
        self,
        step: Array | None,
        rotations: Sequence[Rotation] = (),
        angles: Sequence[int] = (),
    ) -> None:
        self._most, self._rotations, self._angles = most_jump(step), rotations, angles
        self._last: Array | None = None

    def reset(self) -> None:
        """Nobody else has acted."""
        self._last = None

    def begin(self, executed: Action) -> None:
        """Somebody else's command was executed."""
        self._last = np.asarray(executed, dtype=np.float64)

    def limit(self, action: Action) -> Action:
        """The person's command, as near as it may be to the last one."""
        if self._most is None or self._last is None:
            return action
        wanted = np.asarray(action, dtype=np.float64)
        last = nearest_rows(self._last[None], wanted[None], self._rotations)[0]
        self._last = nearest_angles(last, wanted, self._angles)
        apart = wanted - self._last
        if (np.abs(apart) <= self._most).all():
            self._last = None
            return action
        self._last = self._last + np.clip(apart, -self._most, self._most)
        return np.asarray(self._last, dtype=action.dtype)


class _PoseReader:
    """Reads the tool's pose from observations that name its elements."""

    def __init__(self, spec: Spec) -> None:
        found = {
            name: (feature.name, index)
            for feature in spec.observations
            for index, name in enumerate(feature.names)
        }
        self.known = all(name in found for name in (*_POSITION, *_AXES))
        self._places = [found.get(name, ("", 0)) for name in (*_POSITION, *_AXES)]

    def read(self, observation: Observation) -> tuple[Array, Array]:
        """Position (3,) m and rotation (3, 3), tool to base, where the task tells (`known`)."""
        values = np.array([float(observation[name].reshape(-1)[i]) for name, i in self._places])
        x, y = values[3:6], values[6:9]
        x = x / np.linalg.norm(x)
        z = np.cross(x, y)
        z = z / np.linalg.norm(z)
        return values[:3], np.stack([x, np.cross(z, x), z], axis=1)


def rotation(vector: Array) -> Array:
    """The rotation (3, 3) about a vector (3,) by its length in rad: Rodrigues' formula."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    matrix: Array = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return matrix


def rotation_vector(matrix: Array) -> Array:
    """The inverse of `rotation`, of a length below π."""
    twice_sine = np.array(
        [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1]]
    )
    sine = 0.5 * float(np.linalg.norm(twice_sine))
    angle = float(np.arctan2(sine, 0.5 * (np.trace(matrix) - 1.0)))
    if sine < 1e-9:
        return 0.5 * twice_sine
    return twice_sine * (0.5 * angle / sine)


def _matrix(quaternion: Sequence[float]) -> Array:
    w, *axis = np.asarray(quaternion, dtype=np.float64) / np.linalg.norm(quaternion)
    length = float(np.linalg.norm(axis))
    if length < 1e-12:
        return np.eye(3)
    return rotation(np.asarray(axis) / length * 2.0 * np.arctan2(length, w))


def _turned(six: Array, turn: Array) -> Array:
    return np.concatenate([turn @ six[:3], turn @ six[3:]])


def _moved(pose: tuple[Array, Array], step: Array) -> tuple[Array, Array]:
    return pose[0] + step[:3], rotation(step[3:]) @ pose[1]


def _between(one: tuple[Array, Array], other: tuple[Array, Array]) -> Array:
    return np.concatenate([other[0] - one[0], rotation_vector(other[1] @ one[1].T)])


def _six(values: Array) -> Six:
    x, y, z, roll, pitch, yaw = np.clip(values, -1.0, 1.0).tolist()
    return x, y, z, roll, pitch, yaw
