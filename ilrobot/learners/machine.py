"""The machine that trains: its device, threads, precision and memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch

from ilrobot.errors import UserError, WorkFailed
from ilrobot.learners.config import TrainConfig
from ilrobot.learners.freed_memory import keep_freed_memory
from ilrobot.policies.config import NetworkName, PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.spec import Spec


def find_device(name: str) -> torch.device:
    """The device of this name; ``auto`` takes CUDA where there is one.

    Raises:
        UserError: There is no such device here.
    """
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
_MOST_THREADS = {"mlp": 1, "unet": 4, "transformer": 4, "rnn": 4}


@contextmanager
def numerics(device: torch.device, network: NetworkName) -> Iterator[None]:
    """Random numbers, threads and precision of training; the caller's are put back afterwards.

    Medium precision lets matrix products use what the hardware has for them, with sums in float32.
    On CPUs without bfloat16 matrix units (AMX) it rounds nothing and selects oneDNN's products, on
    AMD over twice as fast as the default; with them the factors of every product are rounded.
    Convolutions of the U-Net are rounded to bfloat16 where the processor multiplies those.
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


@contextmanager
def acting() -> Iterator[None]:
    """Threads and precision of a policy that acts, alike in every process.

    A chunk for one observation is too little work for torch to share. Within `numerics` it would be
    rounded where other processes round nothing, and products of one row are four times slower.
    """
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


def require_memory(
    spec: Spec, policy_config: PolicyConfig, train_config: TrainConfig, device: torch.device
) -> None:
    """Refuse a policy that this machine cannot hold while it is trained, before anything is made.

    Counted are its weights, their gradient, AdamW's two moments and what is kept beside them.

    Raises:
        UserError: It needs more than there is.
    """
    # One member alone: to stack tensors without values torch imports its compiler, for seconds.
    alone = replace(policy_config, members=1)
    with torch.device("meta"):
        parameters = sum(p.numel() for p in Policy(spec, alone).parameters())
    parameters *= policy_config.members
    copies = 4 + bool(train_config.ema) + bool(train_config.patience)
    needed = parameters * copies * torch.float32.itemsize
    if device.type == "cuda":
        there = torch.cuda.mem_get_info(device)[1]
    else:
        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise UserError(
            f"a policy of {parameters:,} parameters needs {needed / 1e9:,.0f} GB to be trained and "
            f"this machine has {there / 1e9:,.0f}; take a smaller --width, --blocks or --channels"
        )


@contextmanager
def within_memory() -> Iterator[None]:
    """Memory that cannot be had is work that failed, and says what would need less."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise _too_little_memory() from error
    except RuntimeError as error:
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise _too_little_memory() from error
        raise


def _too_little_memory() -> WorkFailed:
    return WorkFailed(
        "there is not enough memory for this training; take a smaller --batch-size, --width or "
        "--history, then train into another --output"
    )
