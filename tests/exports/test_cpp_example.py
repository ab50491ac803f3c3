"""The example controller drives a robot over UDP; and what a tick costs in memory."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from exports.cpp.building import SANITIZED, built
from exports.robots.messages import Status
from exports.robots.wire import decode, encode
from exports.runtime.tick_reading import read_ticks
from exports.signature import sign
from tests.exports.example_controller import RATE, controller, cosine_policy, ended, moving
from tests.exports.handmade import write_policy
from tests.exports.identity import identity_policy
from tests.exports.plant import JOINTS, LIMITS, TIMEOUT, Plant, Served

pytestmark = pytest.mark.usefixtures("cpp_library")


@pytest.fixture
def policy(tmp_path):
    return cosine_policy(tmp_path / "policy.onnx")


def test_it_drives_a_robot_to_the_end_of_its_episode(policy):
    with Served(plant=Plant(time_limit=300)) as served:
        code, report, err = ended(controller(policy, served.address))
    assert (code, err) == (0, "")
    assert report["ended"]
    assert report["success"]
    assert report["ticks"] >= 250
    assert report["guard"]["observation_not_finite"] == 0
    assert isinstance(report["memory_locked"], bool)
    assert report["sched_fifo"] is False
    written = np.array(served.plant.written)
    assert written[-1] == pytest.approx(0.739, abs=0.05)
    assert (np.abs(written) <= 1).all()


def test_a_robot_with_permuted_joints_is_refused(tmp_path):
    path = tmp_path / "policy.onnx"
    contract = identity_policy(path, LIMITS, rate=RATE)
    state = replace(contract.spec.observations[0], names=JOINTS[::-1])
    identity_policy(path, LIMITS, spec=replace(contract.spec, observations=(state,)))
    with Served() as served:
        code, report, err = ended(controller(path, served.address))
    assert (code, report) == (2, None)
    assert "element 0 of 'observation.state' is 'wrist' in the policy but 'shoulder'" in err
    assert served.plant.written == []


@pytest.mark.parametrize(
    ("units", "semantics", "said"),
    [
        (
            ("rad", "m", "rad"),
            "absolute",
            "element 1 of 'action' is in 'm' in the policy but 'rad'",
        ),
        (("", "", ""), "delta", "it takes absolute actions, the policy's are delta"),
    ],
)
def test_a_robot_to_which_the_same_numbers_mean_another_motion_is_refused(
    tmp_path, units, semantics, said
):
    path = tmp_path / "policy.onnx"
    contract = identity_policy(path, LIMITS, rate=RATE)
    action = replace(contract.spec.action, units=units)
    identity_policy(path, LIMITS, spec=replace(contract.spec, action=action, semantics=semantics))
    with Served() as served:
        code, report, err = ended(controller(path, served.address))
    assert (code, report) == (2, None)
    assert said in err
    assert served.plant.seeds == []


def test_nobody_there_and_wrong_words_end_in_one_line(policy):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        code, _, err = ended(controller(policy, f"127.0.0.1:{silent.getsockname()[1]}"))
    assert code == 2
    assert err.startswith("udp_controller: no robot answers at 127.0.0.1:")
    address, beyond = "127.0.0.1:1", str(2**63)
    for words in (
        [policy, "nowhere"],
        [policy],
        [policy, address, "--ticks", "many"],
        [policy, address, "--ticks", beyond],
        [policy, address, "--seed", beyond],
    ):
        done = subprocess.run([built("udp_controller"), *words], capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "answers" not in done.stderr


def test_a_second_controller_is_refused_at_once_and_the_first_drives_on(policy):
    with Served() as served:
        first = controller(policy, served.address)
        moving(served)
        assert ended(controller(policy, served.address), seconds=20) == (
            1,
            None,
            "udp_controller: the robot begins no episode: another controller drives\n",
        )
        assert first.poll() is None
        assert served.plant.stops == 0
        first.terminate()
        assert ended(first)[0] == 143
        assert len(served.plant.seeds) == 1


def test_the_log_of_so_many_ticks_has_room_for_coming_to_rest(policy, tmp_path):
    log = tmp_path / "run.ticks"
    with Served() as served:
        code, report, _ = ended(controller(policy, served.address, "--log", log, "--ticks", 30))
    assert (code, report["ticks"]) == (0, 30)
    rows = read_ticks(log).rows
    assert len(rows) > 30
    assert (np.diff(rows["command"], axis=0)[:29] != 0).any()


def test_a_file_that_nobody_trusted_signed_moves_nothing(policy, tmp_path):
    key, public = Ed25519PrivateKey.generate(), tmp_path / "key.pub"
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public.write_bytes(pem)
    with Served(plant=Plant(time_limit=50)) as served:
        code, report, err = ended(controller(policy, served.address, "--trust", public))
        assert (code, report) == (2, None)
        assert "policy.onnx is not signed" in err
        assert err.count("\n") == 1
        assert served.plant.seeds == []
        sign(policy, key)
        code, report, err = ended(controller(policy, served.address, "--trust", public))
        assert (code, err) == (0, "")
        assert report["ended"]


def test_a_killed_controller_lets_the_robot_hold_by_itself(policy):
    with Served() as served:
        process = controller(policy, served.address)
        moving(served)
        process.kill()
        process.communicate()
        time.sleep(5 * TIMEOUT)
        assert served.server.held > 0
        still = served.plant.joints.copy()
        time.sleep(TIMEOUT)
        np.testing.assert_allclose(served.plant.joints, still, atol=1e-3)


def test_a_robot_that_is_killed_ends_the_run(policy, tmp_path):
    words = ["tests.exports.plant", "udp://127.0.0.1:0", tmp_path / "executed.jsonl", RATE]
    with subprocess.Popen(
        [sys.executable, "-m", *map(str, words)], stdout=subprocess.PIPE, text=True
    ) as robot:
        process = controller(policy, robot.stdout.readline().strip())
        until = time.monotonic() + 30
        while time.monotonic() < until and (tmp_path / "executed.jsonl").stat().st_size < 2000:
            time.sleep(0.01)
        robot.kill()
        code, report, err = ended(process)
    assert code == 1
    assert report["ticks"] > 0
    assert err == "udp_controller: the robot has been silent for 2 s; it holds by itself\n"


def test_a_robot_that_is_restarted_is_not_moved_by_what_was_begun_before(policy):
    with Served() as served:
        process = controller(policy, served.address)
        moving(served)
    with Served(served.address) as again:
        code, _, err = ended(process)
        assert again.plant.written == []
    assert code == 1
    assert err == (
        "udp_controller: the robot was restarted in the middle of an episode; it holds by itself\n"
    )


def garble(data, rng):
    """A datagram that was damaged on its way."""
    kind, data = int(rng.integers(4)), bytearray(data)
    if kind == 0:
        return bytes(rng.integers(0, 256, int(rng.integers(0, 2000)), np.uint8))
    if kind == 1:
        return bytes(data[: int(rng.integers(len(data)))])
    if kind == 2:
        return bytes(data) + b"\0" * 60_000
    for place in rng.integers(0, len(data), int(rng.integers(1, 9))):
        data[place] = int(rng.integers(256))
    return bytes(data)


def test_garbage_and_a_flood_from_the_robots_address_neither_stop_nor_fool_it(policy):
    """A proxy passes on what both say, and thousands of damaged datagrams with it."""
    rng, over = np.random.default_rng(0), threading.Event()
    sent = 0

    def relay(proxy, robot):
        nonlocal sent
        peer = None
        while not over.is_set():
            try:
                data, sender = proxy.recvfrom(65_536)
            except TimeoutError:
                continue
            if sender != robot:
                peer = sender
                proxy.sendto(data, robot)
            elif peer is not None:
                # What is damaged in its session or number alone would be another robot's message.
                for _ in range(30):
                    proxy.sendto(garble(data, rng)[:60_000].replace(b"session", b"sessiom"), peer)
                    sent += 1
                proxy.sendto(data, peer)

    with Served(plant=Plant(time_limit=300)) as served:
        robot = ("127.0.0.1", int(served.address.rsplit(":", 1)[1]))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as proxy:
            proxy.bind(("127.0.0.1", 0))
            proxy.settimeout(0.1)
            thread = threading.Thread(target=relay, args=(proxy, robot))
            thread.start()
            process = controller(policy, f"127.0.0.1:{proxy.getsockname()[1]}")
            code, report, err = ended(process)
            over.set()
            thread.join()
    assert (code, err) == (0, "")
    assert report["ended"]
    assert sent > 5000
    assert report["dropped_messages"] > 1000
    assert np.isfinite(served.plant.written).all()
    assert (np.abs(served.plant.written) <= 1).all()


class Damaging:
    """The first status that the robot sends says NaN."""

    def __init__(self, link):
        self._link, self.address, self._damaged = link, link.address, False

    def __getattr__(self, name):
        return getattr(self._link, name)

    def send(self, peer, data):
        header, body = decode(data)
        if isinstance(body, Status) and not self._damaged:
            self._damaged = True
            data = encode(header, replace(body, velocity=(0.0, math.nan, 0.0)))
        self._link.send(peer, data)


def test_a_status_that_says_nan_is_no_answer(policy):
    with Served(plant=Plant(time_limit=100), wrap=Damaging) as served:
        code, report, err = ended(controller(policy, served.address))
    assert (code, err) == (0, "")
    assert report["dropped_messages"] == 1
    assert np.isfinite(served.plant.written).all()


def measured(*words):
    if SANITIZED:
        pytest.skip("the sanitizers allocate in their own way")
    done = subprocess.run(
        [built("measure"), *map(str, words)], capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_control_thread_allocates_nothing_over_a_million_ticks(tmp_path):
    """Every malloc of that thread is counted, the C++ library's and ONNX Runtime's, too."""
    path = write_policy(tmp_path / "policy.onnx")
    log = tmp_path / "run.ticks"
    for chunks in ("receding", "ensemble:0.01", "realtime:1"):
        ticks = 1_000_000 if chunks == "receding" else 100_000
        result = measured(path, ticks, chunks, *([log] if chunks == "realtime:1" else []))
        assert result["ticks"] == ticks - ticks // 10
        assert result["allocations"] == 0
        assert abs(result["heap_grown"]) < 100_000


def test_memory_is_flat_where_the_policy_is_computed_within_the_tick(policy):
    """The library allocates nothing there either; ONNX Runtime does, and gives it back."""
    result = measured(policy, 50_000)
    assert result["allocations"] == result["ticks"] * result["graph_allocations"]
    assert abs(result["heap_grown"]) < 100_000
