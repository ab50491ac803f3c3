"""The machine itself: cores, memory, disk, and whether a loop may run in real time."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from ilrobot.cli.cores import cores
from ilrobot.cli.diagnosis.finding import Finding, ProbeFailed, State, probe

_GIB = 1024**3
#: What the demo needs, with its install.
_LEAST_MEMORY, _LEAST_DISK = 3.5 * _GIB, 5 * _GIB

_REAL_TIME = """
import json, os
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
print(json.dumps({"granted": True}))
"""


def describe_machine() -> str:
    """Processor, cores, memory and system in one line."""
    memory = memory_bytes()
    parts = [_processor(), f"{cores()} cores"]
    if memory is not None:
        parts.append(f"{memory / _GIB:.0f} GiB")
    parts.append(f"{platform.system()} {platform.release()}")
    parts.append(f"Python {platform.python_version()}")
    return ", ".join(parts)


def memory_bytes() -> int | None:
    """Memory of the machine, or of the container where that is less (None: not known)."""
    sizes = []
    try:
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (ValueError, OSError):
        return None
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        sizes.append(int(text))
    return min(sizes)


def check_machine(folder: Path) -> list[Finding]:
    """Cores, memory and the disk that a folder lies on."""
    findings = [Finding("machine", "processor", State.OK, f"{cores()} cores, {_processor()}")]
    memory = memory_bytes()
    if memory is not None:
        enough = memory >= _LEAST_MEMORY
        findings.append(
            Finding(
                "machine",
                "memory",
                State.OK if enough else State.WARN,
                f"{memory / _GIB:.1f} GiB",
                "" if enough else "the demo needs 4 GB; use --workers 1",
            )
        )
    free = shutil.disk_usage(folder).free
    if not os.access(folder, os.W_OK):
        advice = "change to a folder of your own"
        findings.append(Finding("machine", "disk", State.WARN, f"{folder} is read-only", advice))
    else:
        enough = free >= _LEAST_DISK
        findings.append(
            Finding(
                "machine",
                "disk",
                State.OK if enough else State.WARN,
                f"{free / _GIB:.0f} GiB free",
                "" if enough else "recordings and runs need room; free some",
            )
        )
    return findings


def check_real_time() -> list[Finding]:
    """Whether a control loop may ask for the real-time scheduler, by asking for it."""
    kernel = "PREEMPT_RT kernel" if "PREEMPT_RT" in platform.version() else "kernel without RT"
    try:
        probe(_REAL_TIME)
    except ProbeFailed:
        return [
            Finding(
                "machine",
                "real time",
                State.MISSING,
                f"SCHED_FIFO is not permitted ({kernel})",
                "loops to 50 Hz need none; else put '@realtime - rtprio 90' into "
                "/etc/security/limits.d/realtime.conf and join that group",
            )
        ]
    return [Finding("machine", "real time", State.OK, f"SCHED_FIFO is permitted ({kernel})")]


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    return platform.processor() or platform.machine()
