"""The C++ library, built once into exports/cpp/build on the wheel of this environment.

With ILROBOT_SANITIZE=1 in the environment it is built with AddressSanitizer and
UndefinedBehaviorSanitizer, beside the other; whoever loads it must have loaded those before.
"""

from __future__ import annotations

import fcntl
import functools
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

SOURCE = Path(__file__).parent
SANITIZED = os.environ.get("ILROBOT_SANITIZE") == "1"
HEADERS = SOURCE / "build" / "headers"
BUILD = SOURCE / "build" / "sanitized" if SANITIZED else SOURCE / "build"


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
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        headers = _run([str(SOURCE / "fetch_headers.sh"), str(HEADERS)])
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
                f"-DILROBOT_ONNXRUNTIME_HEADERS={HEADERS}",
                f"-DILROBOT_SANITIZE={'ON' if SANITIZED else 'OFF'}",
                "-DCMAKE_REQUIRE_FIND_PACKAGE_OpenSSL=ON",  # signatures are tested, too
            ]
        )
        if "nlohmann_json" in configured.stderr:
            return "nlohmann-json3-dev is not installed"
        if "OpenSSL" in configured.stderr:
            return "libssl-dev is not installed"
        assert configured.returncode == 0, configured.stderr
        compiled = _run(["cmake", "--build", str(BUILD), "--parallel", str(os.cpu_count() or 1)])
        assert compiled.returncode == 0, compiled.stdout + compiled.stderr
    return ""


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True)
