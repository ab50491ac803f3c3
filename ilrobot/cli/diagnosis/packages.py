"""Python and the packages: what is installed, what is missing, what is known to be broken."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from importlib import metadata

from ilrobot.cli.diagnosis.finding import Finding, State

#: (package, version) → what is wrong with it and what to install instead.
KNOWN_BROKEN: Mapping[tuple[str, str], tuple[str, str]] = {
    ("mujoco", "4.0.0"): (
        "its sparse Newton solver computes wrong contact forces",
        "pip install mujoco==3.17.0",
    ),
}
#: Packages that write the same files, so that one damages the other.
CLASHES = (("pygame", "pygame-ce"),)
#: Extra of our own package → what it is for.
_EXTRAS = {
    "data": "datasets",
    "train": "training and export",
    "sims": "simulators",
    "teleop": "gamepad and keyboard",
    "robot": "robots behind a socket",
    "server": "policy server",
    "rl": "learning by trying",
    "signing": "signed policies",
    "pusht": "gym-pusht",
}
_OLDEST_PYTHON = (3, 11)


def installed_packages() -> dict[str, str]:
    """Normalised name → version of every package of this interpreter."""
    return {normalise(d.name): d.version for d in metadata.distributions() if d.name}


def declared_requirements() -> list[str]:
    """The requirements of our own package, as its metadata states them."""
    return metadata.requires("ilrobot") or []


def check_python(version: tuple[int, int, int] = sys.version_info[:3]) -> list[Finding]:
    """Whether the interpreter is new enough."""
    words = ".".join(str(part) for part in version)
    if version[:2] < _OLDEST_PYTHON:
        return [Finding("packages", "Python", State.BROKEN, words, "install Python 3.11 or newer")]
    return [Finding("packages", "Python", State.OK, words)]


def check_packages(installed: Mapping[str, str], requirements: Iterable[str]) -> list[Finding]:
    """What is there of what we ask for, one finding for each extra.

    Args:
        installed: As from `installed_packages`.
        requirements: As from `declared_requirements`.
    """
    groups: dict[str, list[str]] = {"": [], **{extra: [] for extra in _EXTRAS}}
    for requirement in requirements:
        name, extra = _split(requirement)
        if name != "ilrobot" and extra in groups and name not in groups[extra]:
            groups[extra].append(name)
    findings = []
    for extra, names in groups.items():
        absent = [name for name in names if name not in installed]
        there = ", ".join(f"{name} {installed[name]}" for name in names if name in installed)
        label = _EXTRAS[extra] if extra else "core"
        if not absent:
            findings.append(Finding("packages", label, State.OK, there))
            continue
        state = State.MISSING if extra else State.BROKEN
        wanted = f"ilrobot[{extra}]" if extra else "ilrobot"
        findings.append(
            Finding(
                "packages", label, state, f"without {', '.join(absent)}", f"pip install '{wanted}'"
            )
        )
    return findings


def check_known_faults(installed: Mapping[str, str]) -> list[Finding]:
    """Versions that are known to be broken, and packages that damage one another."""
    findings = []
    for (name, version), (fault, advice) in KNOWN_BROKEN.items():
        if installed.get(name, "").split("+")[0] == version:
            findings.append(Finding("packages", f"{name} {version}", State.BROKEN, fault, advice))
    for one, other in CLASHES:
        if one in installed and other in installed:
            findings.append(
                Finding(
                    "packages",
                    f"{one} and {other}",
                    State.BROKEN,
                    "both are installed and overwrite each other's files",
                    f"pip uninstall {one} {other}, then pip install {one}",
                )
            )
    return findings


def normalise(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _split(requirement: str) -> tuple[str, str]:
    """Name and extra of a requirement such as ``numpy>=2; extra == "train"``."""
    name = re.match(r"[\w.-]+", requirement)
    extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", requirement)
    return normalise(name.group()) if name else "", extra.group(1) if extra else ""
