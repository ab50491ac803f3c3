"""Behavioural cloning: a policy that does what was demonstrated.

    min_θ  E_{(o, a) ~ D}  w · ℓ_head(f_θ(o), a)

over windows of a dataset (Pomerleau 1989, "ALVINN"). Plain cloning, chunks and diffusion are
settings of the policy, not other programs.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ilrobot.data.labels import labels, split_episodes
from ilrobot.data.memory import Recordings
from ilrobot.data.windows import Windows
from ilrobot.errors import UserError
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.freed_memory import keep_freed_memory
from ilrobot.learners.run import TrainingRun
from ilrobot.learners.training import Progress, Training
from ilrobot.policies.config import NetworkName, PolicyConfig
from ilrobot.policies.policy import Policy


def train(
    dataset: Recordings,
    policy_config: PolicyConfig,
    train_config: TrainConfig,
    output: Path,
    *,
    resume: bool = False,
    frame_weights: NDArray[np.floating[Any]] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Policy:
    """Train a policy into a run's folder.

    The same seed gives the same weights on the same machine, whether or not training was
    interrupted. A kill leaves a run that `resume` continues from its last checkpoint; on Ctrl-C
    the step under way is finished and a checkpoint written first.

    Args:
        dataset: What was demonstrated and corrected.
        policy_config: What is trained.
        train_config: How.
        output: Folder of the run.
        resume: Go on with the run that is there, or begin it where there is none yet; the policy
            of a run that is done is returned as it is.
        frame_weights: Weight of each frame of the dataset as a label, shape (num_frames,).
        on_progress: Called every few dozen steps.

    Raises:
        UserError: A setting is out of range, there is nothing to learn from, `output` holds
            something else, or its checkpoint is damaged.
        WorkFailed: The loss is no longer finite.
    """
    train_config.check()
    policy_config.check(dataset.spec)
    teaches, _ = labels(dataset)
    chosen, held_out = split_episodes(dataset, teaches, train_config.held_out, train_config.seed)
    sizes = {"n_obs": policy_config.n_obs, "horizon": policy_config.horizon}
    windows = Windows(dataset, **sizes, episodes=chosen, frame_weights=frame_weights)
    validation = None
    if held_out.size:
        validation = Windows(dataset, **sizes, episodes=held_out, frame_weights=frame_weights)
    device = _device(train_config.device)

    with _numerics(device, policy_config.network):
        torch.manual_seed(train_config.seed)
        policy = Policy(dataset.spec, policy_config)
        policy.fit_normalizers(windows)
        run = TrainingRun.open(output, _describe(dataset, policy, train_config), resume=resume)
        if run.done:
            return Policy.load(run.policy_file)
        policy.to(device)
        windows.to(device)
        if validation is not None:
            validation.to(device)
        training = Training(policy, windows, validation, train_config)
        _resume(run, training)
        _run(run, training, train_config, on_progress)
    policy.cpu()
    policy.save(run.policy_file)
    run.finish(training.seconds, {"steps": training.step, "validation_loss": training.result_loss})
    return policy


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise UserError(f"--device must be auto, cpu or cuda, not '{name}'")
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: torch finds no CUDA device here; take --device cpu")
    return torch.device(name)


#: Threads beyond these cost more than they give. An MLP's step is a few milliseconds, so that a
#: second thread gives little on an idle machine, and on a busy one makes each product wait for
#: whichever thread the kernel has put off: several times slower than one.
_MOST_THREADS = {"mlp": 1, "unet": 4}


@contextmanager
def _numerics(device: torch.device, network: NetworkName) -> Iterator[None]:
    """Random numbers, threads and precision of training; the caller's are put back afterwards.

    Medium precision lets matrix products use what the hardware has for them, with sums in float32.
    On CPUs without bfloat16 matrix units it rounds nothing and selects oneDNN's products, on AMD
    over twice as fast as the default; convolutions of the U-Net are rounded to bfloat16 where the
    processor multiplies those.
    """
    if device.type == "cpu":
        keep_freed_memory()
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.set_num_threads(min(threads, _MOST_THREADS[network]))
        torch.set_float32_matmul_precision("medium")
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_float32_matmul_precision(precision)


def _describe(dataset: Recordings, policy: Policy, train_config: TrainConfig) -> dict[str, Any]:
    return {
        "kind": "train",
        "config": {"policy": policy.config.to_json(), "train": train_config.to_json()},
        "spec": policy.spec.to_json(),
        "dataset": {
            "path": str(dataset.path.resolve()),
            "content_hash": dataset.content_hash,
            "episodes": dataset.num_episodes,
            "frames": dataset.num_frames,
        },
        "parameters": sum(p.numel() for p in policy.parameters()),
    }


def _resume(run: TrainingRun, training: Training) -> None:
    state = run.load_checkpoint()
    if state is None:
        return
    try:
        training.load_state(state)
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(
            f"the checkpoint in {run.path} does not fit its run; begin again in another --output"
        ) from error


def _run(
    run: TrainingRun,
    training: Training,
    config: TrainConfig,
    on_progress: Callable[[Progress], None] | None,
) -> None:
    saved = time.monotonic()

    def on_step(progress: Progress | None) -> None:
        nonlocal saved
        if progress is not None:
            row = asdict(progress)
            del row["steps"], row["eta"]
            run.append_metrics(row)
            if on_progress is not None:
                on_progress(progress)
        if stopped.is_set() or time.monotonic() - saved >= config.checkpoint_seconds:
            run.save_checkpoint(training.state())
            saved = time.monotonic()
        if stopped.is_set():
            raise KeyboardInterrupt

    with _interrupts() as stopped:
        training.run(on_step)
        run.save_checkpoint(training.state())
    training.finish()


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Ctrl-C sets the event; a second one interrupts at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread may handle signals
        return

    def stop(number: int, frame: Any) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
