"""A server process and whoever may connect to it: our client, strangers, and those who mean ill."""

import contextlib
import http.client
import json
import signal
import socket
import threading

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from exports.runtime.session import OnnxPolicy
from exports.server.client import RemotePolicy
from exports.server.codec import pack, unpack
from exports.server.messages import Messages
from exports.server.server import MOST_CLIENTS
from ilrobot.control.chunking import Chunking
from ilrobot.control.drawing import Guide
from ilrobot.errors import UserError
from tests.exports.handmade import write_policy
from tests.exports.serving import (
    MadeUp,
    question,
    refused_to_serve,
    serving,
    serving_in_thread,
)


@pytest.fixture(scope="module")
def policy_file(tmp_path_factory):
    """A sampler that can be led."""
    return write_policy(tmp_path_factory.mktemp("served") / "policy.onnx")


@pytest.fixture(scope="module")
def local(policy_file):
    return OnnxPolicy(policy_file)


@pytest.fixture(scope="module")
def server(policy_file):
    """One process for all tests here, so that each finds it after all that the others did."""
    with serving(policy_file) as process:
        yield process
        code, _, errors = process.end(signal.SIGINT)
    assert code == 130
    assert errors == ""


def test_it_answers_as_the_file_does_here(server, local):
    remote = RemotePolicy(server.address)
    assert remote.contract.to_json() == local.contract.to_json()
    assert remote.verify() == 0
    steps = local.contract.sampler_steps
    history, noise = question(local.contract)
    guide = Guide(np.ones((4, 2), np.float32), np.full((steps, 4), 0.5, np.float32))
    for led in (None, guide):
        np.testing.assert_array_equal(remote(history, noise, led), local(history, noise, led))
    assert not np.array_equal(remote(history, noise, guide), remote(history, noise))
    remote.close()


def test_its_actor_acts_as_the_one_here(server, local):
    remote = RemotePolicy(server.address)
    ours, theirs = local.actor(Chunking()), remote.actor(Chunking())
    rng = np.random.default_rng(1)
    for actor in (ours, theirs):
        actor.reset(5)
    for tick in range(6):
        seen = {
            f.name: rng.uniform(-1, 1, f.shape).astype(np.float32) for f in local.spec.observations
        }
        expected = ours.act(seen, 0.1 * tick).action
        np.testing.assert_array_equal(theirs.act(seen, 0.1 * tick).action, expected)
    remote.close()


def test_without_noise_it_draws_some(server, local):
    history, _ = question(local.contract)
    with connect(server.address) as connection:
        connection.recv()
        chunks = []
        for _ in range(2):
            connection.send(pack(history))
            chunks.append(unpack(connection.recv())["actions"])
    assert not np.array_equal(*chunks)


@pytest.mark.parametrize("frame", [b"", b"\xc1", b"\x80", "infer", pack({"prompt": "push"})])
def test_what_it_cannot_read_is_answered_in_words_and_forgotten(server, local, frame):
    history, noise = question(local.contract)
    with connect(server.address) as connection:
        connection.recv()
        connection.send(frame)
        words = connection.recv()
        assert isinstance(words, str)
        assert "\n" not in words
        connection.send(Messages(local.contract).request(history, noise, None, 9))
        assert unpack(connection.recv())["id"] == 9


def test_a_frame_too_long_ends_its_connection_and_no_other(server, local):
    remote = RemotePolicy(server.address)
    with connect(server.address) as connection:
        connection.recv()
        connection.send(b"\0" * (Messages(local.contract).most_request_bytes + 1))
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv()
    assert closed.value.rcvd.code == 1009
    remote(*question(local.contract))
    remote.close()


@pytest.mark.parametrize(
    "said", [b"", b"\0" * 100_000, b"GET / HTTP/1.1\r\n\r\n", b"GET " + b"x" * 100_000]
)
def test_it_outlives_those_who_talk_something_else(server, local, said):
    for _ in range(3):
        with (
            socket.create_connection(("127.0.0.1", server.port)) as stranger,
            contextlib.suppress(ConnectionError),  # it had heard enough
        ):
            stranger.sendall(said)
    remote = RemotePolicy(server.address)
    remote(*question(local.contract))
    remote.close()


def test_it_outlives_who_vanishes_within_a_frame(server, local):
    for length in (1, 3, 200):
        with connect(server.address, close_timeout=0) as connection:
            connection.recv()
            connection.socket.sendall(b"\x82\xfe\x01\x00" + b"\1" * length)
            connection.socket.shutdown(socket.SHUT_RDWR)
    remote = RemotePolicy(server.address)
    remote(*question(local.contract))
    remote.close()


def test_a_page_in_a_browser_is_refused(server):
    with pytest.raises(InvalidStatus) as refused, connect(server.address, origin="http://x.org"):
        pass
    assert refused.value.response.status_code == 403


def test_its_health(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200


def test_no_more_clients_than_it_can_serve(server, local):
    with contextlib.ExitStack() as clients:
        for _ in range(MOST_CLIENTS):
            clients.enter_context(connect(server.address)).recv()
        with pytest.raises(InvalidStatus) as refused:
            clients.enter_context(connect(server.address))
    assert refused.value.response.status_code == 503
    for _ in range(100):  # it may not have noticed yet that all of them left
        with contextlib.suppress(UserError):
            RemotePolicy(server.address).close()
            break
    else:
        pytest.fail("a client was not served after the others had left")


def test_several_clients_at_once_each_get_their_own(server, local):
    wrong = []

    def ask(seed):
        remote = RemotePolicy(server.address)
        for number in range(20):
            history, noise = question(local.contract, 100 * seed + number)
            if not np.array_equal(remote(history, noise), expected[seed][number]):
                wrong.append((seed, number))
        remote.close()

    expected = {
        seed: [local(*question(local.contract, 100 * seed + number)) for number in range(20)]
        for seed in range(4)
    }
    threads = [threading.Thread(target=ask, args=(seed,)) for seed in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_flood_by_one_client_does_not_starve_another(local):
    contract = local.contract
    allowed, served = threading.Semaphore(0), []
    first = threading.Event()

    def chunk(history):
        first.set()
        allowed.acquire()
        served.append(float(history["observation.state"][0, 0]))
        return np.zeros((4, 2), np.float32)

    def request(mark):
        history, noise = question(contract)
        history["observation.state"][0, 0] = mark
        return Messages(contract).request(history, noise, None, 0)

    with (
        serving_in_thread(MadeUp(contract, chunk)) as address,
        connect(address, close_timeout=0.1) as flood,
        connect(address) as other,
    ):
        for connection in (flood, other):
            connection.recv()
        for _ in range(50):
            flood.send(request(0.0))
        assert first.wait(30)
        other.send(request(1.0))
        answered = threading.Thread(target=other.recv)
        answered.start()
        for _ in range(20):
            allowed.release()
            answered.join(0.2)
            if not answered.is_alive():
                break
        assert 1.0 in served
        allowed.release(100)


def test_a_policy_that_fails_is_told_of(local, caplog):
    def chunk(history):
        if history["observation.state"][0, 0] == 0:
            raise RuntimeError("out of\nmemory")
        return np.full((4, 2), np.nan, np.float32)

    history, noise = question(local.contract)
    answers = []
    with (
        serving_in_thread(MadeUp(local.contract, chunk)) as address,
        connect(address) as connection,
    ):
        connection.recv()
        for mark in (0.0, 1.0):
            history["observation.state"][0, 0] = mark
            connection.send(Messages(local.contract).request(history, noise, None, 0))
            answers.append(connection.recv())
    assert answers == ["the policy failed: out of memory", "an action is not finite"]
    assert "out of" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--policy", "missing.onnx"), "no policy at missing.onnx"),
        (("--port", "70000"), "--port must be 0 … 65535"),
        (("--threads", "0"), "--threads must be 1 … 256"),
        (("--host", "192.0.2.1"), "cannot serve on 192.0.2.1 port 8000"),
    ],
)
def test_what_cannot_be_served(policy_file, arguments, why):
    code, errors = refused_to_serve(policy_file, *arguments)
    assert code == 2
    assert why in errors
    assert len(errors.strip().splitlines()) == 1


def test_a_port_that_is_taken(server, policy_file):
    code, errors = refused_to_serve(policy_file, "--port", str(server.port))
    assert code == 2
    assert f"port {server.port}" in errors


def test_it_says_at_its_end_what_it_served(policy_file, local):
    with serving(policy_file) as process:
        remote = RemotePolicy(process.address)
        remote(*question(local.contract))
        with connect(process.address) as stranger:
            stranger.recv()
            stranger.send("hello")
            stranger.recv()
            code, output, errors = process.end(signal.SIGTERM)
    assert (code, errors) == (143, "")
    summary = json.loads(output.splitlines()[-1])
    assert summary["stopped_by"] == "SIGTERM"
    assert (summary["answered"], summary["refused"]) == (1, 1)
    assert summary["inference_ms"]["max"] > 0
