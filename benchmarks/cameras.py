"""What a camera's picture costs: with shadows and multisampling, without, on both engines."""

from __future__ import annotations

import statistics
import time
from typing import Any

import gymnasium
import mujoco
import numpy as np

import sims  # noqa: F401  registers the environments
from benchmarks import row
from sims.panda.picture import Picture

TASK = "ilrobot/PandaLift-v0"
TICKS = 30
#: What MuJoCo draws with if nobody says otherwise.
SAMPLES, SHADOW_MAP = 4, 4096


def run() -> list[dict[str, Any]]:
    """Rows of what, value, unit, reference, ratio, goal, met."""
    env: Any = gymnasium.make(TASK).unwrapped
    dear = _dear(env)
    rows = []
    for camera in env.camera_names:
        lean = _milliseconds(env, lambda camera=camera: env.render_camera(camera))
        rows.append(
            row(f"picture of '{camera}', 320×240 (reference: with shadows and multisampling)",
                lean, "ms", reference=dear[camera], at_most=0.5, of="ratio")
        )  # fmt: skip
    env.close()
    both: Any = gymnasium.make(TASK, cameras=env.camera_names).unwrapped
    bare: Any = gymnasium.make(TASK).unwrapped
    rows.append(
        row("step that observes both cameras (reference: without cameras)",
            _milliseconds(both, lambda: None), "ms", reference=_milliseconds(bare, lambda: None))
    )  # fmt: skip
    both.close()
    other: Any = gymnasium.make(TASK, engine="pybullet").unwrapped
    for camera in other.camera_names:
        cost = _milliseconds(other, lambda camera=camera: other.render_camera(camera))
        rows.append(row(f"picture of '{camera}', PyBullet's software renderer", cost, "ms"))
    other.close()
    return rows


def _dear(env: Any) -> dict[str, float]:
    """The same pictures with what `Picture` turns off."""
    model = env.engine.model
    quality = model.vis.quality
    before = quality.offsamples, quality.shadowsize
    quality.offsamples, quality.shadowsize = SAMPLES, SHADOW_MAP
    lit = [bool(shadow) for shadow in model.light_castshadow]
    model.light_castshadow[:] = True
    picture = Picture(model)
    picture._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = True
    spent = {
        camera: _milliseconds(env, lambda camera=camera: picture.draw(env.engine.data, camera))
        for camera in env.camera_names
    }
    picture.close()
    quality.offsamples, quality.shadowsize = before
    model.light_castshadow[:] = lit
    return spent


def _milliseconds(env: Any, draw: Any) -> float:
    """Median of a picture, one per state; of the step itself where nothing is drawn."""
    env.reset(seed=0)
    action = np.array([0.005, 0.005, -0.005, 0, 0, 0, 1], dtype=np.float32)
    draw()
    spent, is_step = [], draw() is None
    for _ in range(TICKS):
        began = time.perf_counter()
        env.step(action)
        stepped = time.perf_counter()
        draw()
        spent.append(stepped - began if is_step else time.perf_counter() - stepped)
    return 1e3 * statistics.median(spent)
