"""Policy servers to test with: a real process, and one in a thread whose policy is made up."""

import asyncio
import contextlib
import re
import subprocess
import sys
import threading

import numpy as np

from exports.runtime.exported_policy import ExportedPolicy
from exports.server.server import PolicyServer
from ilrobot.control.drawing import Prediction
from tests.called import called

ILROBOT = [sys.executable, "-m", "ilrobot"]


class Process:
    """`ilrobot serve` as a process.

    Attributes:
        address: ``ws://HOST:PORT``.
        port: Of it.
    """

    def __init__(self, policy, port=0, *options):
        self.process = subprocess.Popen(
            [*ILROBOT, *_command(policy), "--port", str(port), "--json", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said, found = "", None
        for line in self.process.stderr:
            said += line
            if found := re.search(r"ws://127\.0\.0\.1:(\d+)", line):
                break
        if found is None:
            self.kill()
            raise AssertionError(said)
        self.address, self.port = found[0], int(found[1])

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def end(self, number):
        """Its exit code, output and errors after this signal."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


@contextlib.contextmanager
def serving(policy, port=0, *options):
    process = Process(policy, port, *options)
    try:
        yield process
    finally:
        process.kill()


def refused_to_serve(policy, *options):
    """Exit code and errors of a server that does not come to serve."""
    done = called(*_command(policy), *options)
    return done.returncode, done.stderr


def _command(policy):
    return ["serve", "--policy", str(policy)]


class MadeUp(ExportedPolicy):
    """A contract's policy that does whatever a test wants.

    Args:
        contract: What it promises.
        chunk: Called with the history.
    """

    def __init__(self, contract, chunk):
        super().__init__("made up", contract)
        self._chunk = chunk

    def predict(self, history, noise, guide=None):
        return Prediction(self._chunk(history))


@contextlib.contextmanager
def serving_in_thread(policy):
    """Serve a policy from this process; yields the address."""
    server, started, address = PolicyServer(policy), threading.Event(), []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def ready(host, port):
        address.append(f"ws://{host}:{port}")
        started.set()

    thread = threading.Thread(
        target=lambda: loop.run_until_complete(server.run("127.0.0.1", 0, stop, ready))
    )
    thread.start()
    assert started.wait(30)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def question(contract, seed=0):
    """A history and noise for a policy."""
    rng = np.random.default_rng(seed)
    history = {
        f.name: rng.uniform(-1, 1, (contract.n_obs, *f.shape)).astype(np.float32)
        for f in contract.spec.observations
    }
    shape = contract.noise_shape
    noise = None if shape is None else rng.standard_normal(shape, dtype=np.float32)
    return history, noise
