"""``ilrobot import``: demonstrations from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ilrobot.cli.usage import optional
from ilrobot.errors import UserError


@dataclass
class Import:
    """Turn demonstrations of another format into a dataset; the source stays as it is.

    Reads the zarr replay buffers of Diffusion Policy (Push-T), the HDF5 of robomimic, D4RL and
    Minari, LeRobot v3.0 and v2.1, and .npz files with observation, action and episode_ends.
    Pictures become films, which `ilrobot train --cameras` reads.
    Nothing is written unless all of it can be read.

    Example: ilrobot import pusht_cchi_v7_replay.zarr --output data/pusht
    """

    source: Annotated[Path, tyro.conf.Positional]
    """A file or folder with demonstrations."""

    output: Path
    """Folder for the dataset; must not exist yet, or be empty."""

    format: Literal["auto", "zarr", "d4rl", "minari", "robomimic", "lerobot", "npz"] = "auto"
    """Which format it is; auto finds it by itself."""

    rate: Annotated[float | None, optional("HZ", "what the source states, else 10")] = None
    """Control rate in Hz, for a source that does not state it."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Read, write, and say what came of it."""
        from collections.abc import Iterator

        from exports.limits import unstated_targets
        from ilrobot.cli.output import console, counted, print_json, progress_bar
        from ilrobot.data.convert import open_source
        from ilrobot.data.episode import Episode
        from ilrobot.data.known_tasks import suggested_tasks
        from ilrobot.data.unheeded import unheeded_successes
        from ilrobot.data.writing import check_output, write_episodes

        check_output(self.output)
        if self.source.is_dir() and self.output.resolve().is_relative_to(self.source.resolve()):
            raise UserError(
                f"{self.output} lies in {self.source}, which stays as it is; choose another folder"
            )
        source = open_source(self.source, None if self.format == "auto" else self.format, self.rate)
        with progress_bar() as progress:
            bar = progress.add_task("importing", total=source.total, note=source.format)

            def watched() -> Iterator[Episode]:
                for episode in source.episodes:
                    yield episode
                    progress.advance(bar)

            dataset = write_episodes(self.output, source.spec, watched())
        tasks = suggested_tasks(dataset.spec)
        remarks = [*source.remarks, *filter(None, [unheeded_successes(dataset)])]
        if not tasks and (unstated := unstated_targets(dataset.spec)):
            remarks.append(
                f"nobody says what '{unstated[0]}' of the actions is, a target or a step: `deploy` "
                "on a robot will ask for it (ilrobot export --guards)"
            )
        for remark in remarks:
            console.print(remark, soft_wrap=True, markup=False)
        print(
            f"{self.output}: {counted(dataset.num_episodes, 'episode')}, "
            f"{counted(dataset.num_frames, 'frame')} at {dataset.fps:g} Hz"
        )
        if tasks:
            seeing = " without --cameras" if dataset.spec.cameras else ""
            console.print(f"try policies trained on it{seeing} with --task {' or '.join(tasks)}")
        if self.json:
            print_json(
                {
                    "format": source.format,
                    "output": str(self.output),
                    "episodes": dataset.num_episodes,
                    "frames": dataset.num_frames,
                    "fps": dataset.fps,
                    "content_hash": dataset.content_hash,
                    "suggested_tasks": list(tasks),
                    "remarks": remarks,
                }
            )
        return 0
