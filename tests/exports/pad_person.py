"""``python -m tests.exports.pad_person LOG HOW ARGUMENT...``: deploy, with a person on a pad.

The pad is made of software; the person reads in the log of ticks how far the robot is, takes over,
lets go, and ends the episode: HOW is ``success`` (Start) or ``stop`` (the left trigger). Where it
is ``wait`` they do nothing at all.
"""

import sys
import threading
import time

import numpy as np

from exports.runtime.tick_reading import read_ticks
from ilrobot.cli import main
from ilrobot.errors import UserError
from teleop.devices import sdl
from teleop.devices.virtual_gamepad import VirtualGamepad


def count(log, *sources):
    """Ticks so far whose command these chose."""
    try:
        ticks = read_ticks(log)
    except UserError:  # not there yet
        return 0
    names = np.array(ticks.layout.sources)[ticks.rows["source"]]
    return int(np.isin(names, sources).sum())


def person(pad, log, how):
    """Begin, let the policy act, take over, let go, and end it."""
    while not count(log, "policy"):
        pad.tap("a")
        time.sleep(0.05)
    pad.press("rightshoulder")
    pad.set_axis("lefty", -1.0)
    pad.set_axis("leftx", 1.0)
    wait(lambda: count(log, "human") >= 3)
    pad.set_axis("lefty", 0.0)
    pad.set_axis("leftx", 0.0)
    pad.release("rightshoulder")
    before = count(log, "policy")
    wait(lambda: count(log, "policy") >= before + 2)
    if how == "success":
        pad.tap("start")
    else:
        pad.set_axis("lefttrigger", 1.0)


def wait(happened):
    """Until it has."""
    while not happened():
        time.sleep(0.02)


def no_display():
    """SDL's dummy in the place of a screen, which a machine for tests has not."""
    sdl.start()
    return True


if __name__ == "__main__":
    sdl.start_display = no_display
    log, how, *arguments = sys.argv[1:]
    held = VirtualGamepad()
    if how != "wait":
        threading.Thread(target=person, args=(held, log, how), daemon=True).start()
    main(["deploy", "--device", "gamepad", "--log", log, *arguments])
