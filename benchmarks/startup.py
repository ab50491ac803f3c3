"""What starting up costs, beside an interpreter that does nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks import row

REPEATS = 15
NOT_LOADED = ("torch", "mujoco", "pygame", "numpy")


def run() -> list[dict[str, Any]]:
    """Rows of importing and of asking for help, and of what heavy these load."""
    commands = {
        "nothing": ["-c", "pass"],
        "import": ["-c", "import ilrobot"],
        "help": ["-m", "ilrobot", "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(REPEATS):  # in turn, so that a slow moment of the machine hits all alike
        for name, command in commands.items():
            seconds[name].append(_time([sys.executable, *command]))
    nothing, imported, helped = (statistics.median(seconds[name]) for name in commands)
    return [
        row("python -c pass", nothing, "s"),
        row("import ilrobot, beyond that", imported - nothing, "s", at_most=0.1),
        row("import ilrobot, whole process", imported, "s", reference=nothing),
        row("ilrobot --help, whole process", helped, "s", reference=nothing, at_most=0.4),
        *(_loaded(what, code) for what, code in _PROGRAMS.items()),
    ]


_PROGRAMS = {
    "import ilrobot": "import ilrobot",
    "ilrobot --help": "from ilrobot.cli import _main; _main(['--help'])",
}


def _loaded(what: str, code: str) -> dict[str, Any]:
    tail = f"print(sum(name in sys.modules for name in {NOT_LOADED}))"
    command = [sys.executable, "-c", f"import sys\n{code}\n{tail}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    name = f"{what}: of {', '.join(NOT_LOADED)} loaded"
    return row(name, int(out.splitlines()[-1]), "modules", at_most=0)


def _time(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - began
