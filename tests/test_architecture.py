"""The arrows between the packages, read from the source and proven in fresh interpreters.

teleop ──► ilrobot ◄── exports          sims ──► (nothing of ours)
           ilrobot/cli is the one place where the four meet
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("ilrobot", "teleop", "sims", "exports")
SIMULATORS = ("mujoco", "pybullet", "pybullet_data")
DEVICES = ("pygame",)

#: Package → what no file below it may import, functions included; the longest match holds.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "sims": ("ilrobot", "teleop", "exports"),
    "teleop": ("sims", "exports", "ilrobot.cli"),
    "exports": ("sims", "teleop", "ilrobot.cli"),
    "exports.runtime": ("sims", "teleop", "ilrobot.cli", "torch"),
    "exports.server": ("sims", "teleop", "ilrobot.cli", "torch"),
    "ilrobot": ("sims", "teleop", "exports", "ilrobot.cli", *SIMULATORS, *DEVICES),
    "ilrobot.control": (
        *("sims", "teleop", "exports", "ilrobot.cli", *SIMULATORS, *DEVICES),
        "torch",
    ),
    "ilrobot.theory": (
        *("sims", "teleop", "exports", "ilrobot.cli", *SIMULATORS, *DEVICES),
        *("torch", "gymnasium", "matplotlib"),
    ),
    "ilrobot.advice": (
        *("sims", "teleop", "exports", "ilrobot.cli", *SIMULATORS, *DEVICES),
        *("torch", "gymnasium", "matplotlib"),
    ),
    "ilrobot.cli": (),
    "ilrobot.__main__": (),
}

HEAVY = ("torch", "mujoco", "pybullet", "pygame", "numpy", "pyarrow", "matplotlib", "gymnasium")


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Line and full name of every import in a file, including those by `importlib` and its like."""
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                ancestors = package.split(".")
                parent = ".".join(ancestors[: len(ancestors) - node.level + 1])
                base = f"{parent}.{base}".rstrip(".")
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"
        elif isinstance(node, ast.Call) and node.args:
            function = node.func
            called = getattr(function, "attr", None) or getattr(function, "id", "")
            name = node.args[0]
            if (
                called in ("import_module", "__import__", "run_module")
                and isinstance(name, ast.Constant)
                and isinstance(name.value, str)
            ):
                yield node.lineno, name.value


def rule(module: str) -> tuple[str, ...]:
    package = module
    while package not in FORBIDDEN:
        package = package.rpartition(".")[0]
    return FORBIDDEN[package]


def is_within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    return [
        f"{module}:{line} imports {name}"
        for line, name in imports(source, module, is_package)
        for forbidden in rule(module)
        if is_within(name, forbidden)
    ]


def test_the_arrows_hold():
    broken = []
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            broken += violations(
                path.read_text(), module_name(path, ROOT), path.name == "__init__.py"
            )
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sims.tasks.lift", "from ilrobot.spec import Spec"),
        ("sims.tasks.lift", "def f():\n    import exports.runtime"),
        ("ilrobot.rollout", "import mujoco"),
        ("ilrobot.rollout", "def f():\n    from sims.experts import make_expert"),
        ("ilrobot.rollout", "class A:\n    def f(self):\n        from teleop import mappings"),
        ("ilrobot.rollout", "from ilrobot import cli"),
        ("ilrobot.rollout", "from . import cli"),
        ("ilrobot.rollout", "import importlib\nimportlib.import_module('pybullet')"),
        ("ilrobot.rollout", "if TYPE_CHECKING:\n    import pygame"),
        ("ilrobot.control.guard", "def f():\n    import torch"),
        ("ilrobot.theory.dagger", "import torch"),
        ("exports.runtime.session", "import torch.nn as nn"),
        ("teleop.devices.gamepad", "import sims"),
    ],
)
def test_a_forbidden_import_is_seen(module: str, source: str):
    assert violations(source, module)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("ilrobot.cli.record", "import sims, teleop, exports, mujoco, pygame"),
        ("ilrobot.policies.policy", "import torch"),
        ("exports.to_onnx", "import torch\nfrom ilrobot.policies.policy import Policy"),
        ("teleop.arbiter", "from ilrobot.actors import Actor\nimport pygame"),
        ("sims.tasks.lift", "from . import panda\nfrom ..panda import engine\nimport mujoco"),
    ],
)
def test_an_allowed_import_passes(module: str, source: str):
    assert not violations(source, module)


def loaded_after(code: str) -> set[str]:
    """Top-level names in `sys.modules` of a fresh interpreter that ran this code."""
    program = (
        f"import json, sys\n{code}\n"
        "print()\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "code",
    [
        "import ilrobot",
        "from ilrobot.cli import _main; assert _main(['--help']) == 0",
        "from ilrobot.cli import _main; assert _main(['trian']) == 2",
    ],
)
def test_starting_up_loads_nothing_heavy(code: str):
    assert not loaded_after(code) & set(HEAVY)


def test_the_module_of_each_verb_loads_nothing_heavy():
    loaded = loaded_after(
        "import importlib\n"
        "from ilrobot.cli import VERBS\n"
        "for _, module, _ in VERBS.values():\n"
        "    importlib.import_module('ilrobot.cli.' + module)"
    )
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("package", ["ilrobot.control", "exports.runtime"])
def test_the_robot_side_never_loads_torch(package: str):
    folder = ROOT / package.replace(".", "/")
    if not folder.exists():
        pytest.skip(f"{package} is not there yet")
    modules = [module_name(path, ROOT) for path in sorted(folder.rglob("*.py"))]
    assert modules
    loaded = loaded_after("\n".join(f"import {module}" for module in modules))
    assert not loaded & {"torch", *SIMULATORS, *DEVICES}
