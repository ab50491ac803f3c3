"""Pictures of a MuJoCo model without a window, on whatever GL the machine has."""

import functools
import os
import subprocess
import sys
from importlib import import_module
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from sims.panda import model as panda
from sims.panda.spec import VISUAL_GROUP


class Picture:
    """Draws what the cameras see, off screen, without shadows and multisampling.

    All cameras share one GL context, and the model's meshes in it.

    `mujoco.Renderer` chooses its GL while mujoco is imported, a window's GL unless ``MUJOCO_GL``
    says otherwise; this chooses when the first picture is asked for: what ``MUJOCO_GL`` names, or
    else the first of EGL and OSMesa that works.

    Raises:
        RuntimeError: if none works; the message says what to install.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self._gl = _open_gl(panda.IMAGE_WIDTH, panda.IMAGE_HEIGHT)
        self._gl.make_current()
        self._scene = mujoco.MjvScene(model, maxgeom=100)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = False
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._options = mujoco.MjvOption()
        self._options.geomgroup[:] = 0
        self._options.geomgroup[[0, VISUAL_GROUP]] = 1
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._area = mujoco.MjrRect(0, 0, panda.IMAGE_WIDTH, panda.IMAGE_HEIGHT)

    def draw(self, data: mujoco.MjData, camera: str) -> NDArray[np.uint8]:
        """The scene as ``data`` has it, seen by the camera of that name, (240, 320, 3)."""
        self._gl.make_current()
        self._camera.fixedcamid = self._model.camera(camera).id
        # Lights and cameras take their poses here; the steps of the physics leave them out.
        mujoco.mj_camlight(self._model, data)
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._options,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )
        mujoco.mjr_render(self._area, self._scene, self._context)
        pixels = np.empty((panda.IMAGE_HEIGHT, panda.IMAGE_WIDTH, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._area, self._context)
        # GL's rows go from the bottom up.
        return np.ascontiguousarray(pixels[::-1])

    def close(self) -> None:
        """Free the GL context."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()


def _open_gl(width: int, height: int) -> Any:
    named = os.environ.get("MUJOCO_GL", "").lower().strip()
    backends = (named,) if named in ("egl", "osmesa", "glfw") else ("egl", "osmesa")
    for backend in backends:
        if _works(backend):
            return import_module(f"mujoco.{backend}").GLContext(width, height)
    cure = "apt install libegl1 libgl1-mesa-dri, or libosmesa6"
    if backends == (named,):
        cure = "unset MUJOCO_GL to let another be taken"
    raise RuntimeError(f"no GL to draw MuJoCo with (tried {', '.join(backends)}); {cure}")


@functools.cache
def _works(backend: str) -> bool:
    """Try it in a process of its own: a GL that fails half-way keeps others from loading."""
    trial = (
        f"import mujoco, mujoco.{backend} as gl; c = gl.GLContext(8, 8); c.make_current();"
        "mujoco.MjrContext(mujoco.MjModel.from_xml_string('<mujoco/>'), 100)"
    )
    done = subprocess.run([sys.executable, "-c", trial], capture_output=True, check=False)
    return done.returncode == 0
