"""LeRobot 0.4.4 opens our recording, reads the same values, and trains ACT on it for one step.

    benchmarks/peers/setup.sh
    .venv-peers/bin/python benchmarks/peers/open_recording.py [DATASET]

Without DATASET our own environment (.venv) first records as many episodes of
ilrobot/PandaReach-v0 as take two files of the table of episodes.
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
from ilrobot.env import ScriptedActor, make_env
from ilrobot.rollout import rollout
from sims.experts import make_expert
env = make_env("ilrobot/PandaReach-v0")
actor = ScriptedActor(make_expert(env.env), env)
with DatasetRecorder(sys.argv[1], env.spec, state_size=env.state_size) as recorder:
    for seed in range(60):
        rollout(env, actor, seed=seed, recorder=recorder)
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
    names = [key for key, feature in dataset.features.items() if feature["dtype"] != "string"]
    disk = {}
    for name in names:
        shape = tuple(dataset.features[name]["shape"])
        disk[name] = values_on_disk(root, name, () if shape == (1,) else shape)
    for index in range(len(dataset)):
        item = dataset[index]
        end = ends[int(item["episode_index"])]
        for name in names:
            expected = disk[name][index]
            if name == "action":  # the chunk from here on, its last action repeated at the end
                expected = disk[name][np.minimum(np.arange(index, index + chunk), end - 1)]
            given = item[name].numpy()  # doubles come as floats there
            np.testing.assert_array_equal(given, np.asarray(expected, given.dtype), err_msg=name)
        padded = np.arange(index, index + chunk) >= end
        np.testing.assert_array_equal(item["action_is_pad"].numpy(), padded)
    return len(names), len(dataset)


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
    with tempfile.TemporaryDirectory() as folder:
        root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "recording"
        if len(sys.argv) == 1:
            command = [str(ROOT / ".venv/bin/python"), "-c", RECORD, str(root)]
            subprocess.run(command, cwd=ROOT, check=True)
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
