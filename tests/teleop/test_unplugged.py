"""A pad that is pulled out while somebody demonstrates, through SDL's own events."""

import itertools

import numpy as np

from ilrobot.actors import Source
from ilrobot.data.episode import EpisodeInfo, MemoryRecorder
from ilrobot.env import make_env
from teleop.actor import TeleopActor
from teleop.devices.gamepad import Gamepad
from teleop.devices.virtual_gamepad import VirtualGamepad
from teleop.mappings.making import make_mapping
from teleop.session import Stage, record

TICKS, PULLED, BACK = 12, 4, 8


def test_ticks_without_a_pad_are_paused_and_the_arm_holds() -> None:
    env = make_env("ilrobot/PandaLift-v0")
    pad = VirtualGamepad()
    hand = TeleopActor(Gamepad(pad.name), make_mapping(env.spec))
    recorder = MemoryRecorder(env.spec, env.state_size)
    ticks = itertools.count(1)

    def press_on(*_: object) -> None:
        tick = next(ticks)
        if tick == 2:
            pad.tap("a")
        elif tick == PULLED:
            pad.detach()
        elif tick == BACK:
            pad.attach()
        elif tick == TICKS - 1:
            pad.tap("back")
        if pad.attached:
            pad.set_axis("lefty", -1.0)

    stage = Stage(before=press_on, tick=press_on)
    info = EpisodeInfo(env.spec.task, env.spec.rate)
    record(env, hand, recorder, iter([0]), wanted=1, info=info, stage=stage)
    hand.close()
    env.close()
    columns = recorder.episodes[0].columns
    paused = columns["control.source"] == Source.PAUSED
    assert np.flatnonzero(paused).tolist() == list(range(PULLED - 1, BACK - 1))
    assert (columns["control.source"][~paused] == Source.DEMO).all()
    assert np.isnan(columns["control.human_action"][paused]).all()
    action = columns["action"]
    assert (action[paused, :6] == 0).all()
    assert (action[~paused, 0] > 0).all()
    # The gripper was closed before; losing the pad drops nothing.
    assert (action[paused, 6] == env.spec.action.low[6]).all()
