"""``ilrobot replay``: a recorded episode played again in the simulator."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from ilrobot.cli.usage import TaskOptions, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.data.dataset import Dataset
    from ilrobot.data.episode import Episode
    from ilrobot.replay import Replay
    from ilrobot.task_env import TaskEnv

#: Options of our tasks that show the world and do not change it.
_ONLY_SHOWN = ("cameras",)


@dataclass
class ReplayVerb:
    """Execute an episode's recorded actions in the simulator, and say how far that strays.

    It begins from the state of the simulator that was recorded first where there is one, else from
    the episode's seed. In the world of the recording, with its state restored, nothing may stray:
    if something does, the exit code is 1. In another world (--task, --options engine=pybullet) it
    tells how much the task depends on the simulator.

    Examples: ilrobot replay data/lift --episode 3;
    ilrobot replay data/lift --episode 3 --options engine=pybullet
    """

    path: Positional[Path]
    """The dataset's folder."""

    episode: int = 0
    """Which episode, counted from 0."""

    task: Annotated[str | None, optional("ID", "the task of the recording")] = None
    """Gymnasium id of the world to replay it in."""

    options: TaskOptions = ()
    """Options of the environment, e.g. engine=pybullet, besides those of the recording."""

    tolerance: float = 1e-3
    """Greatest deviation that does not count as straying, in the unit of each number (m, rad)."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Replay and print."""
        from ilrobot.cli.output import print_json
        from ilrobot.data.dataset import Dataset
        from ilrobot.replay import replay

        if not (math.isfinite(self.tolerance) and self.tolerance >= 0):
            raise UserError(f"--tolerance must be 0 or more, not {self.tolerance}")
        dataset = Dataset.open(self.path)
        if not 0 <= self.episode < dataset.num_episodes:
            raise UserError(
                f"{self.path} has no episode {self.episode}; --episode goes from 0 to "
                f"{dataset.num_episodes - 1}"
            )
        episode = dataset.episode(self.episode)
        if episode.info.seed is None and episode.states is None:
            raise UserError(
                f"{self.path}: episode {self.episode} has neither a seed nor recorded states of "
                "the simulator, so nobody knows where it began; it cannot be replayed"
            )
        env, same_world = self._make_env(dataset)
        try:
            restore = same_world and self._can_restore(env, episode)
            if not restore and episode.info.seed is None:
                raise UserError(
                    f"{self.path}: episode {self.episode} has no seed, and its recorded states are "
                    f"not of {_place(env)}; replay it in its own world"
                )
            found = replay(env, episode, restore=restore, tolerance=self.tolerance)
        finally:
            env.close()
        fails = restore and (found.strays_at is not None or found.frames < found.recorded)
        self._print(env, episode, found)
        if self.json:
            print_json(
                {
                    "path": str(self.path),
                    "episode": self.episode,
                    "task": env.spec.task,
                    "options": env.spec.task_options,
                    "seed": episode.info.seed,
                    "outcome": episode.info.outcome,
                    "tolerance": self.tolerance,
                    "exact_expected": found.restored,
                    "strays_at": found.strays_at,
                    **asdict(found),
                }
            )
        return int(fails)

    def _make_env(self, dataset: Dataset) -> tuple[TaskEnv, bool]:
        """The world, and whether it is that of the recording."""
        from ilrobot.cli.options import parse_options
        from ilrobot.env import make_env, task_keywords

        spec = dataset.spec
        task = self.task or spec.task
        if not task:
            raise UserError(
                f"{self.path}: does not say which task it was recorded on; name it with --task"
            )
        is_same_task = task == spec.task
        recorded = {k: v for k, v in spec.task_options.items() if k not in _ONLY_SHOWN}
        options = {**(recorded if is_same_task else {}), **parse_options(self.options)}
        env = make_env(task, options)
        try:
            _check_fits(self.path, dataset, env)
        except BaseException:
            env.close()
            raise
        usual = task_keywords(task)
        return env, is_same_task and {**usual, **recorded} == {**usual, **options}

    def _can_restore(self, env: TaskEnv, episode: Episode) -> bool:
        return episode.states is not None and episode.states.shape[1] == env.state_size

    def _print(self, env: TaskEnv, episode: Episode, found: Replay) -> None:
        from rich.console import Console
        from rich.table import Table

        console = Console(highlight=False)
        begun = "its first recorded state" if found.restored else f"seed {episode.info.seed}"
        console.print(f"episode {self.episode} of {self.path} in {_place(env)}, from {begun}")
        table = Table(box=None, pad_edge=False)
        for title in ("feature", "greatest deviation", "at the end", "strays from"):
            table.add_column(title)
        for one in found.deviations:
            unit = "" if one.unit in ("", "1") else f" {one.unit}"
            table.add_row(
                one.feature.removeprefix("observation."),
                f"{one.greatest:.3g}{unit} ({one.element}, frame {one.frame})",
                f"{one.final:.3g}{unit}",
                "-" if one.strays_at is None else f"frame {one.strays_at}",
            )
        console.print(table)
        then, now = ("yes" if done else "no" for done in (found.success_then, found.success_now))
        console.print(f"success: {then} in the recording ({episode.info.outcome}), {now} now")
        if found.frames < found.recorded:
            console.print(f"ended after {found.frames} of {found.recorded} frames")
        if found.strays_at is not None:
            console.print(f"strays by more than {self.tolerance:g} from frame {found.strays_at} on")
        elif found.restored:
            console.print(f"the same within {self.tolerance:g}, as it must be")


def _place(env: TaskEnv) -> str:
    options = " ".join(f"{key}={value}" for key, value in env.spec.task_options.items())
    return f"{env.spec.task} {options}".strip()


def _check_fits(path: Path, dataset: Dataset, env: TaskEnv) -> None:
    """Refuse a world that takes other actions or shows none of what was recorded."""
    mine, theirs = dataset.spec, env.spec
    if (mine.action.shape, mine.choices) != (theirs.action.shape, theirs.choices):
        raise UserError(
            f"{path}: its actions ({list(mine.action.element_names)}) are not those of "
            f"{theirs.task} ({list(theirs.action.element_names)}); choose another --task"
        )
    shapes = {f.name: f.shape for f in theirs.observations}
    for feature in mine.observations:
        if len(feature.shape) <= 1 and shapes.get(feature.name) != feature.shape:
            raise UserError(
                f"{path}: its '{feature.name}' {list(feature.shape)} is not what {theirs.task} "
                f"shows ({', '.join(f'{n} {list(s)}' for n, s in shapes.items())}); choose "
                "another --task"
            )
