"""Training windows per second of the diffusion U-Net: LeRobot 0.4.4's against ours, in one run.

    .venv-peers/bin/python benchmarks/peers/train_steps.py [PUSHT_ZARR]

Push-T's human demonstrations, history 2, chunk 16, batch 256, one thread. LeRobot's side computes
on batches that lie ready; ours is `train` after its first report, with the drawing of its batches,
clipping and averaging of weights counted. Both have the same observations (LeRobot's policy wants
the world's state apart, so it gets the block there) and the same number of parameters within a few
per cent. Time is the processor's, which other work on the machine stretches less than the clock's;
the two take turns, and the median of each side's rounds counts.
"""

import logging
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import lerobot_import  # noqa: F401  (before lerobot)
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from pusht_data import PUSHT, make_datasets, run_ours

CHUNK, BATCH, ROUNDS = 16, 256, 3
OUR_STEPS, THEIR_STEPS = 200, 60
THEIR_CHANNELS = (64, 128, 256)
OUR_CHANNELS = (64, 128, 256)

OURS = """
import sys, tempfile, time, torch
from dataclasses import replace
from pathlib import Path
from ilrobot.data.dataset import Dataset
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import preset
torch.set_num_threads(1)
steps, batch, chunk = map(int, sys.argv[2:5])
dataset = Dataset.open(sys.argv[1])
policy, training = preset("diffusion", dataset.spec)
channels = tuple(map(int, sys.argv[5:]))
policy = replace(policy, network="unet", channels=channels, n_obs=2, horizon=chunk)
training = replace(training, steps=steps, batch_size=batch, held_out=0.0)
with tempfile.TemporaryDirectory() as folder:
    marks = []
    note = lambda progress: marks.append((progress.step, time.process_time()))
    trained = train(dataset, policy, training, Path(folder) / "run", on_progress=note)
(first, began), *_, (last, ended) = marks
print(sum(p.numel() for p in trained.parameters() if p.requires_grad))
print((last - first) * batch / (ended - began))
"""


def lerobot_policy() -> DiffusionPolicy:
    """The policy of LeRobot, its U-Net as small as ours."""
    return DiffusionPolicy(
        DiffusionConfig(
            device="cpu",
            horizon=CHUNK,
            down_dims=THEIR_CHANNELS,
            push_to_hub=False,
            input_features={
                "observation.state": PolicyFeature(FeatureType.STATE, (2,)),
                "observation.environment_state": PolicyFeature(FeatureType.ENV, (3,)),
            },
            output_features={"action": PolicyFeature(FeatureType.ACTION, (2,))},
        )
    )


def lerobot_rate(policy: DiffusionPolicy) -> float:
    """Windows per second of its training step, loss to optimiser, without loading data."""
    batch = {
        "observation.state": torch.rand(BATCH, 2, 2) * 2 - 1,
        "observation.environment_state": torch.rand(BATCH, 2, 3) * 2 - 1,
        "action": torch.rand(BATCH, CHUNK, 2) * 2 - 1,
        "action_is_pad": torch.zeros(BATCH, CHUNK, dtype=torch.bool),
    }
    optimizer = policy.config.get_optimizer_preset().build(policy.get_optim_params())
    policy.train()
    for step in range(THEIR_STEPS + 1):
        if step == 1:  # the first one warms up
            began = time.process_time()
        loss, _ = policy.forward(batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return THEIR_STEPS * BATCH / (time.process_time() - began)


def main() -> None:
    """Measure both sides in turn, and print their windows per second and the ratio."""
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(sys.argv[1]) if len(sys.argv) > 1 else PUSHT
        full, _ = make_datasets(source, Path(folder))
        policy = lerobot_policy()
        parameters = sum(p.numel() for p in policy.parameters())
        our_rates, their_rates = [], []
        for _ in range(ROUNDS):
            size, rate = run_ours(OURS, full, OUR_STEPS, BATCH, CHUNK, *OUR_CHANNELS)
            our_rates.append(rate)
            their_rates.append(lerobot_rate(policy))
    ours, theirs = median(our_rates), median(their_rates)
    print(f"LeRobot, data loading not counted  {theirs:8,.0f} windows/s  {parameters:,} parameters")
    print(f"ours, a whole training             {ours:8,.0f} windows/s  {size:,.0f} parameters")
    print(f"ratio                              {ours / theirs:8.2f}")


if __name__ == "__main__":
    main()
