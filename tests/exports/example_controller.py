"""The C++ example in a process of its own, and what it drives the plant by."""

import json
import subprocess
import time

from exports.cpp.building import built
from tests.exports.identity import identity_policy
from tests.exports.plant import LIMITS, Plant

RATE = Plant().spec.rate


def cosine_policy(path):
    """Write a policy that sends each joint to the cosine of where it is: to 0.739 in the end."""
    identity_policy(path, LIMITS, rate=RATE, operator="Cos", stale_after=2.0)
    return path


def controller(policy, address, *options, hangup="default"):
    """The example, running; what SIGHUP does at its start is `default` or `ignore`."""
    place = address.removeprefix("udp://")
    start = ["env", f"--{hangup}-signal=HUP"]
    return subprocess.Popen(
        [*start, built("udp_controller"), policy, place, *map(str, options)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process, seconds=60):
    out, err = process.communicate(timeout=seconds)
    return process.returncode, json.loads(out) if out else None, err


def moving(served):
    """Wait until the arm has left its place."""
    until = time.monotonic() + 30
    while time.monotonic() < until and served.plant.joints[0] < 0.05:
        time.sleep(0.01)
    assert served.plant.joints[0] >= 0.05
