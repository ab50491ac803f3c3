"""MuJoCo for its physics, which needs no GL."""

import importlib
import os

_VARIABLES = ("MUJOCO_GL", "PYOPENGL_PLATFORM")


def load_mujoco() -> None:
    """Import mujoco, also where ``MUJOCO_GL`` names a GL whose library is missing.

    MuJoCo loads that GL while it is imported, and the import fails with it. Then it is imported
    without any; the variable stays as it was, so that `sims.panda.picture` can say what is missing
    when the first picture is asked for. The packages that use MuJoCo call this before anything
    else of theirs is imported, since their libraries import it too.
    """
    before = {name: os.environ.get(name) for name in _VARIABLES}
    try:
        importlib.import_module("mujoco")
    except ModuleNotFoundError:
        return  # whoever needs the package says so
    except (AttributeError, ImportError, OSError):  # what PyOpenGL raises without the library
        os.environ["MUJOCO_GL"] = "disable"
        try:
            importlib.import_module("mujoco")
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
