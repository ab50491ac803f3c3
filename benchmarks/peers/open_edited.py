"""LeRobot 0.4.4 opens what `ilrobot edit` makes, and reads the same values and pictures.

    benchmarks/peers/setup.sh
    .venv-peers/bin/python benchmarks/peers/open_edited.py

Our own environment (.venv) records four episodes of ilrobot/PandaReach-v0 with a camera, and edits
them one operation after the other.
"""

import subprocess
import tempfile
from pathlib import Path

import av
import lerobot_import  # noqa: F401  (before lerobot)
import numpy as np
import torch
from lerobot.datasets import lerobot_dataset
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from open_recording import ROOT, compare

CAMERA = "observation.images.front"
ILROBOT = str(ROOT / ".venv/bin/ilrobot")
EDITS = (
    "split --episode 1 --at 0.4s",
    "trim --episode 3 --start 2 --end 12",
    "delete --episodes 0",
    "relabel --episodes 1-2 --task touch",
    "outcome --episodes 0 --outcome failure",
    "keep --episodes 1-3",
)

RECORD = """
import sys
from ilrobot.data.dataset import DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.env import make_env
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.rollout import rollout
from sims.experts import make_expert
env = make_env("ilrobot/PandaReach-v0", {"cameras": ["front"]})
actor = ScriptedActor(make_expert(env.env), env)
with DatasetRecorder(sys.argv[1], env.spec, state_size=env.state_size) as recorder:
    for seed in range(4):
        info = EpisodeInfo(env.spec.task, env.spec.rate, seed=seed, real_time=False)
        rollout(env, actor, seed=seed, recorder=recorder, info=info)
"""

#: Pictures as our own loader gives them, to a file of numpy.
SHOW = f"""
import sys
import numpy as np
from ilrobot.data.dataset import Dataset
data = Dataset.open(sys.argv[1])
shown = [p for e in range(data.num_episodes) for p in data.video(e, "{CAMERA}")]
np.save(sys.argv[2], np.array(shown))
"""


def ours(*words: str) -> None:
    """Run something in our own environment."""
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def decode(path: Path | str, times: list[float], tolerance: float, backend: str) -> torch.Tensor:
    """What LeRobot asks its decoders for, by PyAV: this environment has neither of the two."""
    with av.open(str(path)) as film:
        stamped = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in film.decode(video=0)]
    found = []
    for time in times:
        stamp, picture = min(stamped, key=lambda one: abs(one[0] - time))
        assert abs(stamp - time) < tolerance, (path, time, stamp)
        found.append(torch.from_numpy(picture).permute(2, 0, 1) / 255)
    return torch.stack(found)


def check(root: Path, scratch: Path) -> str:
    """Compare all columns and pictures; what was compared."""
    python = str(ROOT / ".venv/bin/python")
    ours(python, "-c", SHOW, str(root), str(scratch / "shown.npy"))
    shown = np.load(scratch / "shown.npy")
    dataset = LeRobotDataset("local/edited", root=root, delta_timestamps={"action": [0.0]})
    for index in range(len(dataset)):
        picture = dataset[index][CAMERA].numpy().transpose(1, 2, 0) * 255
        np.testing.assert_allclose(picture, shown[index], atol=0.01)
    dataset.meta.info["features"].pop(CAMERA)  # `compare` is for the columns of the data files
    columns, frames = compare(dataset, root, 1)
    return f"{dataset.num_episodes} episodes, {columns} columns and a camera at {frames} frames"


def main() -> None:
    """Edit a recording, open it by LeRobot, and hold every frame against what was recorded."""
    lerobot_dataset.decode_video_frames = decode
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        root, other, merged = (scratch / name for name in ("recording", "other", "merged"))
        for path in (root, other):
            ours(str(ROOT / ".venv/bin/python"), "-c", RECORD, str(path))
        for operation in EDITS:
            ours(ILROBOT, "edit", str(root), *operation.split())
            print(f"{operation}: equal, {check(root, scratch)}")
        ours(ILROBOT, "edit", str(root), "merge", str(other), "--output", str(merged))
        print(f"merge: equal, {check(merged, scratch)}")


if __name__ == "__main__":
    main()
