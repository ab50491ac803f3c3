"""LeRobot 0.4.4 opens our recordings, reads the same values, and trains ACT on one for one step.

    benchmarks/peers/setup.sh
    .venv-peers/bin/python benchmarks/peers/open_recording.py [DATASET]

Without DATASET our own environment (.venv) first records as many episodes of
ilrobot/PandaReach-v0 as take two files of the table of episodes, and three of ilrobot/PandaLift-v0
with two cameras, whose films LeRobot then plays: each picture that it gives is the one that was
drawn, as far as the codec lets it be, and nearer to it than to any other of that episode.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import lerobot_import  # noqa: F401  (before lerobot)
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.datasets.utils import dataset_to_policy_features
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors

ROOT = Path(__file__).parents[2]
CHUNK = 16
WORLD = "observation.environment_state"

RECORD = """
import sys
from ilrobot.data.dataset import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.rollout import rollout
from sims.experts import make_expert
env = make_env("ilrobot/PandaReach-v0")
actor = ScriptedActor(make_expert(env.env), env)
with DatasetRecorder(sys.argv[1], env.spec, state_size=env.state_size) as recorder:
    for seed in range(60):
        rollout(env, actor, seed=seed, recorder=recorder)
"""


RECORD_CAMERAS = """
import sys
import numpy as np
from ilrobot.actors import Actor
from ilrobot.data.dataset import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.rollout import rollout
from sims.experts import make_expert
env = make_env("ilrobot/PandaLift-v0", {"cameras": "front,wrist"})
shown = {camera.name: [] for camera in env.spec.cameras}
class Watching(Actor):
    def __init__(self, inner):
        self.reset, self._act = inner.reset, inner.act
    def act(self, observation, now):
        for name, pictures in shown.items():
            pictures.append(observation[name])
        return self._act(observation, now)
actor = Watching(ScriptedActor(make_expert(env.env), env))
with DatasetRecorder(sys.argv[1], env.spec, state_size=env.state_size) as recorder:
    for seed in range(3):
        rollout(env, actor, seed=seed, recorder=recorder)
env.close()
np.savez(sys.argv[1] + ".npz", **{name: np.array(p) for name, p in shown.items()})
"""


def values_on_disk(root: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A column read without lerobot: (frames, *shape)."""
    files = sorted((root / "data").glob("*/*.parquet"))
    column = pa.concat_tables([pq.read_table(file, columns=[name]) for file in files])[name]
    flat = column.combine_chunks()
    flat = flat.flatten() if pa.types.is_fixed_size_list(flat.type) else flat
    return flat.to_numpy(zero_copy_only=False).reshape(-1, *shape)


def compare(dataset: LeRobotDataset, root: Path, chunk: int) -> tuple[int, int]:
    """Every value that lerobot gives at every tick against the file; how many columns and ticks."""
    ends = np.array(dataset.meta.episodes["dataset_to_index"])
    names = [
        key
        for key, feature in dataset.features.items()
        if feature["dtype"] not in ("string", "video")
    ]
    disk = {}
    for name in names:
        shape = tuple(dataset.features[name]["shape"])
        disk[name] = values_on_disk(root, name, () if shape == (1,) else shape)
    for index in range(len(dataset)):
        item = dataset[index]
        end = ends[int(item["episode_index"])]
        for name in names:
            expected = disk[name][index]
            if (
                name == "action" and chunk
            ):  # the chunk from here on, its last action repeated at the end
                expected = disk[name][np.minimum(np.arange(index, index + chunk), end - 1)]
            given = item[name].numpy()  # doubles come as floats there
            np.testing.assert_array_equal(given, np.asarray(expected, given.dtype), err_msg=name)
        if chunk:
            padded = np.arange(index, index + chunk) >= end
            np.testing.assert_array_equal(item["action_is_pad"].numpy(), padded)
    return len(names), len(dataset)


def compare_films(dataset: LeRobotDataset, drawn: dict[str, np.ndarray]) -> tuple[float, float]:
    """Each picture that lerobot gives against those that were drawn; mean and least PSNR, dB."""
    ratios = []
    for camera in dataset.meta.video_keys:
        given = np.stack(
            [dataset[index][camera].numpy().transpose(1, 2, 0) for index in range(len(dataset))]
        )
        assert given.shape == drawn[camera].shape, (given.shape, drawn[camera].shape)
        for row in dataset.meta.episodes:
            ticks = np.arange(row["dataset_from_index"], row["dataset_to_index"])
            originals = drawn[camera][ticks] / np.float32(255)
            for tick, index in enumerate(ticks):
                errors = ((given[index] - originals) ** 2).mean(axis=(1, 2, 3))
                # Where nothing moves, pictures are alike: then the nearest one is as good as ours.
                alike = ((originals - originals[tick]) ** 2).mean(axis=(1, 2, 3)) < errors[tick]
                assert alike[errors.argmin()], (camera, index, int(errors.argmin()))
                ratios.append(10 * np.log10(1 / errors[tick]))
    return float(np.mean(ratios)), float(np.min(ratios))


def check_films(folder: Path) -> None:
    """Record with cameras, and hold the pictures that LeRobot reads against what was seen."""
    root = folder / "cameras"
    command = [str(ROOT / ".venv/bin/python"), "-c", RECORD_CAMERAS, str(root)]
    subprocess.run(command, cwd=ROOT, check=True)
    dataset = LeRobotDataset("local/cameras", root=root, video_backend="pyav", tolerance_s=1e-4)
    columns, frames = compare(dataset, root, 0)
    with np.load(f"{root}.npz") as drawn:
        mean, least = compare_films(dataset, dict(drawn))
    assert least > 30, least
    cameras = len(dataset.meta.video_keys)
    print(
        f"films: {cameras} cameras, {frames} frames, {columns} columns equal, tolerance 1e-4 s; "
        f"each picture nearest to its own tick, PSNR {mean:.1f} dB, least {least:.1f} dB"
    )


def train_one_step(dataset: LeRobotDataset) -> tuple[float, float]:
    """Loss of ACT before and after one step of AdamW on the same batch."""
    torch.manual_seed(0)
    features = dataset_to_policy_features(dataset.features)
    inputs = {k: f for k, f in features.items() if f.type is FeatureType.STATE}
    # ACT insists on a picture or the environment's state: where there is none, it gets ours twice.
    state = features["observation.state"]
    world = features.get(WORLD, PolicyFeature(FeatureType.ENV, state.shape))
    stats = {WORLD: dataset.meta.stats["observation.state"], **dataset.meta.stats}
    config = ACTConfig(
        device="cpu",
        chunk_size=CHUNK,
        n_action_steps=CHUNK,
        dim_model=64,
        dim_feedforward=128,
        input_features={**inputs, WORLD: world},
        output_features={"action": features["action"]},
        push_to_hub=False,
        pretrained_backbone_weights=None,
    )
    policy = ACTPolicy(config)
    prepare, _ = make_pre_post_processors(config, dataset_stats=stats)
    drawn = next(iter(torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)))
    batch = prepare({WORLD: drawn["observation.state"], **drawn})
    policy.train()
    optimizer = torch.optim.AdamW(policy.get_optim_params(), lr=1e-4)
    losses = []
    for _ in range(2):
        loss, _ = policy.forward(batch)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses[0], losses[1]


def main() -> None:
    """Record, open it by LeRobot, and hold what it reads against what was recorded."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "recording"
        if len(sys.argv) == 1:
            command = [str(ROOT / ".venv/bin/python"), "-c", RECORD, str(root)]
            subprocess.run(command, cwd=ROOT, check=True)
            check_films(Path(folder))
        fps = LeRobotDataset("local/recording", root=root).fps
        dataset = LeRobotDataset(
            "local/recording",
            root=root,
            delta_timestamps={"action": [tick / fps for tick in range(CHUNK)]},
        )
        print(f"opened: {dataset.num_episodes} episodes, {len(dataset)} frames at {fps} Hz")
        columns, frames = compare(dataset, root, CHUNK)
        print(f"equal: {columns} columns at {frames} frames, action chunks of {CHUNK} included")
        before, after = train_one_step(dataset)
        print(f"ACT: loss {before:.4f}, after one step {after:.4f}")


if __name__ == "__main__":
    main()
