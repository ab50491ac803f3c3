"""A small training with all that a long one has, and stopping it at a step."""

import json

from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig

POLICY = PolicyConfig(
    head="diffusion",
    n_obs=2,
    horizon=4,
    execute=2,
    width=16,
    blocks=1,
    dropout=0.1,
    observation_noise=0.01,
    sampler_steps=3,
)
TRAIN = TrainConfig(
    steps=120,
    batch_size=16,
    warmup=10,
    ema=0.99,
    held_out=0.2,
    validate_every=20,
    patience=3,
    checkpoint_seconds=60.0,
    device="cpu",
)


class Stop(Exception):
    pass


def stop_at(step):
    def on_progress(progress):
        if progress.step == step:
            raise Stop

    return on_progress


def metrics_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
