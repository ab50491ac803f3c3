"""A chunk from a policy server on this machine, against the same file without one.

Server, our client and openpi's take turns, so that a busy machine slows all of them. openpi's
client runs where ``benchmarks/peers/setup_openpi.sh`` has made its environment.
"""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import row
from exports.runtime.session import OnnxPolicy
from exports.server.client import RemotePolicy
from exports.server.codec import pack, unpack
from exports.to_onnx import export_policy
from ilrobot.policies.config import PolicyConfig
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec

STATE, ACTION, HORIZON = 20, 7, 16
SPEC = Spec(
    observations=(Feature("observation.state", (STATE,)),),
    action=Feature("action", (ACTION,), low=(-1.0,) * ACTION, high=(1.0,) * ACTION),
    rate=50.0,
    semantics="absolute",
)
DIFFUSION = PolicyConfig(
    head="diffusion", network="mlp", n_obs=2, horizon=HORIZON, execute=8, width=256, blocks=2
)
ROUNDS, CHUNKS = 20, 25
#: What a policy of two cameras is sent.
PICTURES = {f"observation.images.{name}": (224, 224, 3) for name in ("front", "wrist")}
OPENPI = Path(__file__).parents[1] / ".venv-openpi" / "bin" / "python"


def run() -> list[dict[str, Any]]:
    """Rows of the way there and back, and of packing pictures."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return [*_round_trips(Path(folder)), _packing()]
    finally:
        torch.set_num_threads(threads)


def _round_trips(folder: Path) -> Iterator[dict[str, Any]]:
    local = _export(folder / "policy.onnx")
    history = {"observation.state": np.zeros((2, STATE), np.float32)}
    noise = np.zeros((HORIZON, ACTION), np.float32)
    with ExitStack() as stack:
        address = stack.enter_context(_server(folder / "policy.onnx"))
        remote = RemotePolicy(address)
        stack.callback(remote.close)
        sides = {
            "here": lambda: _spent(lambda: local(history, noise)),
            "ours": lambda: _spent(lambda: remote(history, noise)),
        }
        if OPENPI.exists():
            sides["openpi"] = stack.enter_context(_openpi(address))
        spent: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(ROUNDS):
            for name, turn in sides.items():
                spent[name] += turn()
    p50, p99 = (
        {name: 1e3 * float(np.percentile(times, share)) for name, times in spent.items()}
        for share in (50, 99)
    )
    what = "diffusion chunk 16 × 7 from a server on this machine"
    yield row(f"{what}, p50 (reference: computed here)", p50["ours"], "ms", reference=p50["here"])
    yield row(f"{what}, p99 (reference: computed here)", p99["ours"], "ms", reference=p99["here"])
    yield row("what the way there and back adds, p50", p50["ours"] - p50["here"], "ms", at_most=1.0)
    if OPENPI.exists():
        yield row(
            "openpi's own client on the same server, p50 (reference: ours)",
            p50["openpi"],
            "ms",
            reference=p50["ours"],
        )


def _packing() -> dict[str, Any]:
    """Two pictures into a message and out of it, in turns with pickle."""
    pictures = {name: np.zeros(shape, np.uint8) for name, shape in PICTURES.items()}
    ours, reference = [], []
    for _ in range(ROUNDS):
        ours += _spent(lambda: unpack(pack(pictures)))
        reference += _spent(lambda: pickle.loads(pickle.dumps(pictures)))
    return row(
        "two pictures of 224 × 224 packed and read (reference: pickle)",
        1e6 * float(np.median(ours)),
        "µs",
        reference=1e6 * float(np.median(reference)),
    )


def _spent(call: Callable[[], object]) -> list[float]:
    call()
    times = []
    for _ in range(CHUNKS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return times


@contextmanager
def _server(policy: Path) -> Iterator[str]:
    """`ilrobot serve` as a process of its own."""
    command = [sys.executable, "-m", "ilrobot", "serve", "--policy", str(policy), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            found = re.search(r"ws://[\d.]+:\d+", line)
            if found is None:
                raise RuntimeError(f"the server did not start: {line.strip()}")
            yield found[0]
        finally:
            process.kill()


@contextmanager
def _openpi(address: str) -> Iterator[Callable[[], list[float]]]:
    """openpi's client in a process of its own environment."""
    script = Path(__file__).parent / "peers" / "openpi_infer.py"
    shapes = json.dumps({"observation.state": [2, STATE]})
    with subprocess.Popen(
        [OPENPI, script, address.rpartition(":")[2], shapes],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        into, out = process.stdin, process.stdout

        def spent() -> list[float]:
            print(CHUNKS, file=into, flush=True)
            return [float(word) for word in out.readline().split()]

        try:
            yield spent
        finally:
            process.kill()


def _export(path: Path) -> OnnxPolicy:
    torch.manual_seed(0)
    policy = Policy(SPEC, DIFFUSION).eval()
    rng = np.random.default_rng(0)
    states: NDArray[np.float32] = rng.uniform(-1, 1, (20, 2, STATE)).astype(np.float32)
    actions = rng.uniform(-1, 1, (200, ACTION)).astype(np.float32)
    export_policy(
        policy, path, windows={"observation.state": states}, actions=[actions], data_hash=""
    )
    return OnnxPolicy(path)
