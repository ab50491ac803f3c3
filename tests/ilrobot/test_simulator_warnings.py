"""What MuJoCo warns of, in a process of its own, as a user sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mujoco")

UNSTABLE = """
import mujoco, numpy
from ilrobot.env import make_env

for _ in range(2):
    env = make_env("{task}")
    env.reset(0)
    engine = env.env.unwrapped{engine}
    for _ in range(3):
        engine.data.qpos[0] = numpy.nan
        mujoco.mj_step(engine.model, engine.data)
"""


@pytest.mark.parametrize(
    ("task", "engine"), [("HalfCheetah-v5", ""), ("ilrobot/PandaReach-v0", ".engine")]
)
def test_a_warning_is_told_once_and_leaves_no_file(task: str, engine: str, tmp_path: Path):
    program = UNSTABLE.format(task=task, engine=engine)
    run = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert len(told) == 1
    assert told[0].startswith("MuJoCo: Nan, Inf or huge value in QPOS at DOF 0.")
    assert not list(tmp_path.iterdir())
