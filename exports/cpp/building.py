"""The C++ library, built once into exports/cpp/build on the wheel of this environment."""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent
BUILD = SOURCE / "build"


class Unbuilt(Exception):
    """The library cannot be built here; the message says why."""


def built(target: str = "libilrobot.so") -> Path:
    """A file of the build, which is made or brought up to date first.

    Raises:
        Unbuilt: A tool or a header is missing.
    """
    if why := what_is_missing():
        raise Unbuilt(why)
    return BUILD / target


@functools.cache
def what_is_missing() -> str:
    """Build, once a process: why there is none (empty: there is)."""
    for tool in ("cmake", "g++"):
        if shutil.which(tool) is None:
            return f"there is no {tool} here"
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        headers = _run([str(SOURCE / "fetch_headers.sh")])
        if headers.returncode:
            return f"ONNX Runtime's headers cannot be had: {headers.stderr.strip()[-200:]}"
        runtime = importlib.util.find_spec("onnxruntime")
        assert runtime is not None
        assert runtime.origin is not None
        configured = _run(
            [
                *("cmake", "-S", str(SOURCE), "-B", str(BUILD)),
                "-DILROBOT_ONNXRUNTIME=wheel",
                f"-DILROBOT_ONNXRUNTIME_ROOT={Path(runtime.origin).parent / 'capi'}",
                f"-DILROBOT_ONNXRUNTIME_HEADERS={BUILD / 'headers'}",
            ]
        )
        if "nlohmann_json" in configured.stderr:
            return "nlohmann-json3-dev is not installed"
        assert configured.returncode == 0, configured.stderr
        compiled = _run(["cmake", "--build", str(BUILD)])
        assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    return ""


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True)
