"""A whole dataset written at once: all of it appears, or nothing."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ilrobot.data.catalogue import Catalogue
from ilrobot.data.dataset import Dataset
from ilrobot.data.editing.swap import new_version, settle
from ilrobot.data.episode import Episode
from ilrobot.data.fill import complete
from ilrobot.data.layout import JOURNALS, film_part, video_file
from ilrobot.data.video.film import available_codec
from ilrobot.data.video.filming import film_pictures
from ilrobot.errors import UserError, explained
from ilrobot.observed import vector_spec
from ilrobot.spec import Spec


def write_episodes(path: Path | str, spec: Spec, episodes: Iterable[Episode]) -> Dataset:
    """Write a whole dataset at once: all of it appears under `path`, or nothing.

    Columns of a recording that an episode lacks are filled with "not known" (see `fill.complete`).
    What a killed process leaves beside `path` is removed by the next one that writes or looks there
    (see `ilrobot.data.editing.swap`).

    Args:
        path: A folder that does not exist yet or is empty.
        spec: The observations, action and rate of the episodes.
        episodes: They may be made one by one; only one is in memory at a time, and of its
            pictures one.

    Raises:
        UserError: There is something already, there are no episodes, or reading one failed; there
            are cameras, and nothing to encode films with.
        WorkFailed: The disk is full.
    """
    path = Path(path)
    check_output(path)
    if spec.cameras:
        available_codec()
    new_folders = [folder for folder in path.absolute().parents if not folder.exists()]
    try:
        with explained(path, "nothing was written", "try again"):
            path.parent.mkdir(parents=True, exist_ok=True)
            place = path.resolve()
            settle(place)
            with new_version(place) as working:
                _write(working, path, spec, episodes)
    except BaseException:
        for folder in new_folders:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    return Dataset.open(path)


def copy_with_states(source: Dataset, path: Path, state_size: int) -> None:
    """Copy a dataset that has no simulator's states, so that episodes with them can be added.

    Its own states become NaN; its films are left out. A crash leaves half a copy.

    Args:
        source: The dataset.
        path: A folder that does not exist yet.
        state_size: Length of the state vector.

    Raises:
        OSError: The disk is full, the folder cannot be written.
    """
    spec = vector_spec(source.spec)
    catalogue = Catalogue.create(path, spec, state_size)
    for index in range(source.num_episodes):
        episode = source.episode(index)
        columns = complete(index, episode, catalogue.columns, spec)
        catalogue.seal(replace(episode, columns=columns))
    catalogue.write()


def check_output(path: Path) -> None:
    """Refuse a place where no dataset can be written, before any work is done for it.

    Raises:
        UserError: Something is there already, or the folder cannot be made.
    """
    with explained(path, "nothing was written", "try again"):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(f"{path}: exists and is not empty; choose another folder")
        if path.resolve() == Path.cwd():
            raise UserError(f"{path}: is the folder that you are in; choose another one")
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not above.is_dir():
            raise UserError(f"{path}: cannot be made, {above} is a file; choose another folder")
        if not os.access(above, os.W_OK | os.X_OK):
            raise UserError(f"{path}: {above} cannot be written; choose another folder")


def _write(working: Path, path: Path, spec: Spec, episodes: Iterable[Episode]) -> None:
    catalogue: Catalogue | None = None
    for index, episode in enumerate(episodes):
        if catalogue is None:
            state = episode.columns.get("sim.state")
            size = 0 if state is None else state.shape[1]
            catalogue = Catalogue.create(working, spec, size)
        columns = complete(index, episode, catalogue.columns, spec)
        _write_films(catalogue, episode)
        catalogue.seal(Episode(replace(episode.info, rate=spec.rate), columns))
    if catalogue is None:
        raise UserError(f"{path}: there are no episodes to write")
    catalogue.write()


def _write_films(catalogue: Catalogue, episode: Episode) -> None:
    index, cameras = catalogue.num_episodes, catalogue.spec.cameras
    for camera in cameras:
        if camera.name not in episode.pictures:
            raise UserError(
                f"episode {index} has no pictures of '{camera.name}', which the others have; mend "
                "or drop it in the source"
            )
        part = catalogue.root / film_part(camera.name, index)
        part.parent.mkdir(exist_ok=True)
        film_pictures(
            f"'{camera.name}' of episode {index}",
            episode.pictures[camera.name],
            camera,
            len(episode),
            part,
            catalogue.root / video_file(camera.name, index),
            catalogue.fps,
        )
    if cameras:
        (catalogue.root / JOURNALS).rmdir()
