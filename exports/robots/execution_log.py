"""What a robot executed, tick by tick: a file of JSON lines, whole up to the tick of a kill.

One line begins an episode (``episode``, ``seed``, ``rate``, ``robot``; ``mode``, ``names`` and
``units`` of the command's elements; ``limits``), one says each tick (``time``, ``state``, ``seq``
of the newest command, ``executed``). How fast, and how suddenly, the commanded target moved follows
from that: see `Executed`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exports.robots.base import Capabilities
from exports.robots.messages import State
from ilrobot.atomic import make_folder
from ilrobot.control.contract_parts import Limits
from ilrobot.control.turns import unrolled
from ilrobot.errors import UserError, explained
from ilrobot.rotation_units import find_rotations

_BEGINNING = b'{"episode": '


class ExecutionLog:
    """Writes the file; each line is handed to the system at once.

    Args:
        path: The file; an earlier log that is there is replaced (None: nothing is kept).

    Raises:
        UserError: It cannot be written, or something else than such a log is there.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._file = path, None
        if path is not None:
            with explained(path, "nothing has moved", "start it again"):
                make_folder(path.parent)
                _refuse_another_file(path)
                self._file = path.open("w", buffering=1)  # closed by `close`

    def begin(
        self,
        episode: int,
        seed: int,
        robot: Capabilities,
        mode: Sequence[str],
        limits: Limits | None,
    ) -> None:
        """An episode begins.

        Args:
            episode: Its number.
            seed: Of its reset.
            robot: Which.
            mode: ``absolute``, ``delta`` or ``velocity``, of each element of the command.
            limits: That it keeps (None: none).
        """
        action = robot.spec.action
        self._write(
            {
                **{"episode": episode, "seed": seed, "rate": robot.spec.rate, "robot": robot.name},
                "mode": list(mode),
                "names": list(action.element_names),
                "units": list(action.units),
                "limits": None if limits is None else limits.to_json(),
            }
        )

    def tick(self, time: float, state: State, seq: int, executed: NDArray[Any]) -> None:
        """A command was executed.

        Args:
            time: On the robot's clock, in seconds.
            state: The robot's.
            seq: Of the newest command of the controller.
            executed: What was executed, which is another command where that is limited or missing.
        """
        values = executed.astype(np.float64).ravel().tolist()
        self._write({"time": time, "state": state, "seq": seq, "executed": values})

    def close(self) -> None:
        """No more lines."""
        if self._file is not None:
            self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is not None:
            with self._explained():
                self._file.write(json.dumps(line) + "\n")

    def _explained(self) -> Any:
        return explained(self._path or Path(), "the robot has stopped", "start it again")


def _refuse_another_file(path: Path) -> None:
    # A pipe or a terminal has nothing to lose, and reading it would wait.
    if path.is_file() and path.stat().st_size and not is_execution_log(path):
        raise UserError(
            f"{path} is no log of ilrobot robot, and would be lost; give --log another name"
        )


@dataclass(frozen=True)
class Executed:
    """The ticks of one episode.

    Attributes:
        episode: Its number.
        rate: Ticks per second.
        absolute: Which elements of the command are absolute targets, shape (elements,).
        moving: Which are velocities.
        time: Of each tick on the robot's clock in seconds, shape (ticks,).
        state: The robot's, at each tick.
        seq: Of the newest command of the controller, shape (ticks,).
        command: What was executed, shape (ticks, elements), in the action's units.
        robot: Its name.
        names: Of the command's elements.
        units: Likewise (empty: none are stated).
        limits: That it kept (None: none).
    """

    episode: int
    rate: float
    absolute: NDArray[np.bool_]
    moving: NDArray[np.bool_]
    time: NDArray[np.float64]
    state: tuple[State, ...]
    seq: NDArray[np.int64]
    command: NDArray[np.float64]
    robot: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    limits: Limits | None

    @property
    def velocity(self) -> NDArray[np.float64]:
        """Of the commanded target in units/s, shape (ticks - 1, elements), from the second tick.

        Of a rotation its angular velocity, as in `ilrobot.control.rotation_limiter`.
        """
        targets = [r for r in find_rotations(self.units) if self.absolute[r.start]]
        moved = np.diff(unrolled(self.command, targets), axis=0)
        steps = np.where(self.absolute, moved, self.command[1:])
        return np.asarray(steps * np.where(self.moving, 1.0, self.rate))

    @property
    def acceleration(self) -> NDArray[np.float64]:
        """In units/s², shape (ticks - 2, elements)."""
        return np.asarray(np.diff(self.velocity, axis=0) * self.rate)

    @property
    def jerk(self) -> NDArray[np.float64]:
        """In units/s³, shape (ticks - 3, elements)."""
        return np.asarray(np.diff(self.acceleration, axis=0) * self.rate)


def is_execution_log(path: Path) -> bool:
    """Whether a file begins as such a log does."""
    with path.open("rb") as file:
        return file.read(len(_BEGINNING)) == _BEGINNING


def read_executed(path: Path | str) -> list[Executed]:
    """The episodes of a log; a last line that a kill cut short is left out.

    Raises:
        UserError: It cannot be read, or is damaged.
    """
    try:
        text = Path(path).read_text()
        lines = [json.loads(line) for line in text.split("\n")[:-1]]
        starts = [index for index, line in enumerate(lines) if "rate" in line]
        ends = [*starts[1:], len(lines)][: len(starts)]
        return [
            _episode(lines[start], lines[start + 1 : end])
            for start, end in zip(starts, ends, strict=True)
        ]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{path} is no log of ilrobot robot, or a damaged one ({error})") from error


def _episode(head: dict[str, Any], ticks: list[dict[str, Any]]) -> Executed:
    size = len(head["mode"])
    return Executed(
        episode=head["episode"],
        rate=head["rate"],
        absolute=np.array([mode == "absolute" for mode in head["mode"]]),
        moving=np.array([mode == "velocity" for mode in head["mode"]]),
        time=np.array([tick["time"] for tick in ticks], np.float64),
        state=tuple(State(tick["state"]) for tick in ticks),
        seq=np.array([tick["seq"] for tick in ticks], np.int64),
        command=np.array([tick["executed"] for tick in ticks], np.float64).reshape(-1, size),
        robot=str(head["robot"]),
        names=tuple(head["names"]),
        units=tuple(head["units"]),
        limits=None if head["limits"] is None else Limits.from_json(head["limits"]),
    )
