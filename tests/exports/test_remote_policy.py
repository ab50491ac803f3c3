"""The robot's end of a policy server that is gone, slow, back, another, or out of its mind."""

import contextlib
import http.server
import os
import signal
import socket
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from websockets.sync.server import serve

from exports.runtime.session import OnnxPolicy
from exports.server.client import PredictionFailed, RemotePolicy
from exports.server.codec import pack, unpack
from exports.server.messages import metadata
from ilrobot.actors import LateAnswer
from ilrobot.control.chunking import Chunking
from ilrobot.errors import UserError, WorkFailed
from tests.exports.handmade import SPEC, write_policy
from tests.exports.serving import MadeUp, Process, question, serving, serving_in_thread


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory):
    return write_policy(tmp_path_factory.mktemp("remote") / "policy.onnx")


@pytest.fixture(scope="module")
def local(policy_file):
    return OnnxPolicy(policy_file)


@contextlib.contextmanager
def answering(contract, answer):
    """A server of another make: says the metadata, then `answer(connection, request)`."""

    def handle(connection):
        connection.send(metadata(contract))
        with contextlib.suppress(Exception):  # the client leaves when it has heard enough
            for request in connection:
                answer(connection, request)

    with serve(handle, "127.0.0.1", 0, compression=None, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def chunk_for(request):
    return pack({"actions": np.zeros((4, 2), np.float32), "id": unpack(request)["id"]})


def dribble(connection, _):
    """A frame of 250 bytes, of which each comes before anybody has lost patience."""
    connection.socket.sendall(b"\x82\x7e\x00\xfa")
    for _ in range(250):
        connection.socket.sendall(b"\0")
        time.sleep(0.05)


def in_pieces(connection, request):
    connection.ping("still there?")
    answer = chunk_for(request)
    connection.send([answer[:10], answer[10:20], answer[20:]])


def test_killed_and_started_again(policy_file, local):
    history, noise = question(local.contract)
    said = []
    with serving(policy_file) as first:
        remote = RemotePolicy(first.address, said.append)
        remote(history, noise)
        first.kill()
        for _ in range(3):
            with pytest.raises(PredictionFailed):
                remote(history, noise)
        assert len(said) == 1
        assert said[0].startswith("no chunk: ws://")
    with serving(policy_file, first.port):
        np.testing.assert_array_equal(remote(history, noise), local(history, noise))
    assert said[1:] == [f"chunks again from {first.address}"]
    remote.close()


def test_suspended_and_resumed(policy_file, local):
    history, noise = question(local.contract)
    with serving(policy_file) as server:
        remote = RemotePolicy(server.address)
        os.kill(server.process.pid, signal.SIGSTOP)
        for _ in range(2):
            with pytest.raises(PredictionFailed, match="did not answer within 1 s"):
                remote(history, noise)
        os.kill(server.process.pid, signal.SIGCONT)
        # The late answers of before are never taken for those to later questions.
        for seed in range(3):
            history, noise = question(local.contract, seed)
            np.testing.assert_array_equal(remote(history, noise), local(history, noise))
        remote.close()


def test_back_with_another_policy(policy_file, local, tmp_path):
    other = write_policy(tmp_path / "other.onnx", gain=2.0)
    with serving(policy_file) as first:
        remote = RemotePolicy(first.address)
    with serving(other, first.port):
        with pytest.raises(PredictionFailed):  # it learns that the first one is gone
            remote(*question(local.contract))
        with pytest.raises(WorkFailed, match="another policy than before") as failed:
            remote(*question(local.contract))
    assert not isinstance(failed.value, LateAnswer)  # it will not do to try again


def test_slow_servers_answer_is_worth_nothing(local):
    ready, history = threading.Event(), question(local.contract)

    def chunk(_):
        ready.wait(30)
        return np.zeros((4, 2), np.float32)

    with serving_in_thread(MadeUp(local.contract, chunk)) as address:
        remote = RemotePolicy(address)
        with pytest.raises(PredictionFailed, match="did not answer"):
            remote(*history)
        ready.set()
        remote.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda c, r: c.send(b"\xc1"), "no msgpack"),
        (lambda c, r: c.send("out of memory"), "it refused: out of memory"),
        (lambda c, r: c.send(pack({"actions": np.zeros((9, 2), "f4"), "id": 1})), "shape"),
        (lambda c, r: c.send(pack({"actions": np.full((4, 2), np.nan, "f4"), "id": 1})), "finite"),
        (lambda c, r: c.send(pack({"actions": np.zeros((4, 2), "f4"), "id": 0})), "request 0"),
        (lambda c, r: c.send(b"\0" * 2**17), "ended the connection"),
        (lambda c, r: c.close(reason="full"), r"ended the connection \(full\)"),
        (lambda c, r: c.socket.shutdown(socket.SHUT_RDWR), "ended the connection"),
        (lambda c, r: [c.send(b"") for _ in range(10_000)], "not a map|msgpack"),
        (lambda c, r: None, "did not answer"),
        (dribble, "did not answer"),
    ],
)
def test_a_server_out_of_its_mind(local, answer, why, monkeypatch):
    monkeypatch.setattr("exports.server.client.MOST_METADATA_BYTES", 2**16)
    with answering(local.contract, answer) as address:
        remote = RemotePolicy(address)
        with pytest.raises(PredictionFailed, match=why):
            remote(*question(local.contract))
        remote.close()


def test_an_answer_in_pieces_and_a_ping_between(local):
    with answering(local.contract, in_pieces) as address:
        remote = RemotePolicy(address)
        for _ in range(2):
            assert remote(*question(local.contract)).shape == (4, 2)
        remote.close()


def test_an_answer_said_twice_answers_no_other_question(local):
    def twice(connection, request):
        connection.send(chunk_for(request))
        connection.send(chunk_for(request))

    with answering(local.contract, twice) as address:
        remote = RemotePolicy(address)
        remote(*question(local.contract))
        with pytest.raises(PredictionFailed, match="answer to request 1, not 2"):
            remote(*question(local.contract))
        remote(*question(local.contract))
        remote.close()


def test_a_server_that_reads_nothing_holds_no_request_for_ever(local):
    # More than the system's buffers take.
    contract = replace(local.contract, golden=(), noise_shape=(4_000_000,))
    let_go = threading.Event()

    def handle(connection):
        connection.send(metadata(contract))
        let_go.wait(30)

    with serve(handle, "127.0.0.1", 0, max_queue=1, max_size=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        remote = RemotePolicy(f"ws://127.0.0.1:{server.socket.getsockname()[1]}")
        with pytest.raises(PredictionFailed):
            remote(*question(contract))
        let_go.set()
        server.shutdown()
        thread.join()


def test_nobody_there():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # and does not listen
        address = f"ws://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(UserError, match=r"no policy server at .*refused.*ilrobot serve"):
            RemotePolicy(address)


def test_something_else_there():
    class Quiet(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(UserError, match=r"no policy server at .*HTTP"):
            RemotePolicy(f"ws://127.0.0.1:{server.server_port}")
        thread.join()


@pytest.mark.parametrize("address", ["ws://", "ws://host:port", "ws:///path"])
def test_no_address(address):
    with pytest.raises(UserError, match="no address of a server; give ws://HOST:PORT"):
        RemotePolicy(address)


def test_an_actor_runs_out_of_plan_and_finds_the_server_again(policy_file, local):
    frame = {f.name: np.zeros(f.shape, np.float32) for f in SPEC.observations}

    def acts_until(actor, wanted):
        """Whether within half a minute the actor acts, or does not, as wanted."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                actor.act(frame, 0.0)
                acts = True
            except LateAnswer:
                acts = False
            if acts == wanted:
                return True
            time.sleep(0.01)
        return False

    first = Process(policy_file)
    remote = RemotePolicy(first.address)
    actor = remote.actor(Chunking(), background=True)
    actor.reset(0)
    actor.prepare(frame)
    assert acts_until(actor, True)
    first.kill()
    assert acts_until(actor, False)
    assert actor.tally.dropped > 0
    with serving(policy_file, first.port):
        assert acts_until(actor, True)
    remote.close()
