"""The Push-T demonstrations as LeRobot's users have them: observation.state, action, counters."""

import json
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[2]
OURS = ROOT / ".venv/bin/python"
PUSHT = ROOT.parent / "shared/data/pusht_human/pusht_cchi_v7_replay.zarr"
KEPT = (
    "observation.state",
    "action",
    "timestamp",
    "frame_index",
    "episode_index",
    "index",
    "task_index",
)


def make_datasets(source: Path, folder: Path) -> tuple[Path, Path]:
    """Import the demonstrations; the dataset as we write it, and a copy without our own columns.

    Our columns beside them would only slow LeRobot's loader down, which reads every column.
    """
    full, slim = folder / "full", folder / "slim"
    command = [OURS, "-m", "ilrobot", "import", source, "--output", full]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    shutil.copytree(full, slim)
    for file in (slim / "data").glob("*/*.parquet"):
        pq.write_table(pq.read_table(file, columns=list(KEPT)), file)
    info = json.loads((slim / "meta/info.json").read_text())
    info["features"] = {name: info["features"][name] for name in KEPT}
    (slim / "meta/info.json").write_text(json.dumps(info))
    return full, slim


def run_ours(program: str, *arguments: object) -> list[float]:
    """The numbers that a program prints, run in our own environment."""
    command = [OURS, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return [float(word) for word in done.stdout.split()]
