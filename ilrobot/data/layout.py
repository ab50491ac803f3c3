"""Where things lie in a dataset's folder.

The layout is LeRobotDataset v3.0: ``meta/info.json``, ``meta/stats.json``, ``meta/tasks.parquet``,
``meta/episodes/chunk-CCC/file-FFF.parquet`` and ``data/chunk-CCC/file-FFF.parquet``. Ours hold one
episode per data file, which v3.0 allows and which makes sealing an episode one rename.
"""

from __future__ import annotations

from pathlib import Path

from ilrobot.atomic import PART

CODEBASE_VERSION = "v3.0"
INFO = "meta/info.json"
STATS = "meta/stats.json"
TASKS = "meta/tasks.parquet"
EPISODES = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
JOURNALS = "journal"
#: Journals of episodes that other processes run, until they are moved to their place and sealed.
ATTEMPTS = f"{JOURNALS}/attempts"
ENCODER_LOCK = f"{JOURNALS}/encoder.lock"

#: Files per chunk folder.
CHUNK_SIZE = 1000


def place(number: int) -> dict[str, int]:
    """Chunk and number in it of a file, as the templates above name them."""
    return {"chunk_index": number // CHUNK_SIZE, "file_index": number % CHUNK_SIZE}


def data_file(index: int) -> str:
    """Where episode `index` of a dataset of ours lies, relative to its folder."""
    return DATA.format(**place(index))


def video_file(key: str, index: int) -> str:
    """Where the film of a camera of episode `index` lies, relative to the dataset's folder."""
    return VIDEO.format(video_key=key, **place(index))


def film_part(key: str, index: int) -> str:
    """Where that film lies while the episode is open."""
    return f"{JOURNALS}/episode-{index:06d}.{key}.film"


def journal_file(index: int) -> str:
    """Where the journal of episode `index` lies, relative to the dataset's folder."""
    return f"{JOURNALS}/episode-{index:06d}.journal"


def leftovers(root: Path) -> list[Path]:
    """Half-written files that a crash left behind."""
    folders = ("meta", "meta/episodes/chunk-*", "data/chunk-*", "videos/*/chunk-*")
    return [path for folder in folders for path in root.glob(f"{folder}/*{PART}")]


def journals(root: Path) -> list[Path]:
    """The journals of episodes that are running or were cut off, in order."""
    return sorted((root / JOURNALS).glob("episode-*.journal"))
