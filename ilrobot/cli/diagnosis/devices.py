"""What hangs on the machine: GL, gamepads, display, GPU. Each probe runs in its own process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ilrobot.cli.diagnosis.finding import Finding, ProbeFailed, State, probe

_ONE_FRAME = """
import json, time
import gymnasium, sims
env = gymnasium.make("ilrobot/PandaLift-v0", render_mode="rgb_array")
env.reset(seed=0)
shape = env.render().shape
seconds = 0.0
for _ in range(10):
    env.step(env.action_space.sample())
    began = time.perf_counter()
    env.render()
    seconds += time.perf_counter() - began
print(json.dumps({"milliseconds": 100 * seconds, "shape": shape}))
"""
_PADS = """
import json
import pygame
from pygame._sdl2 import controller
pygame.init()
controller.init()
pads = [
    {"name": pygame.joystick.Joystick(i).get_name(), "mapped": bool(controller.is_controller(i))}
    for i in range(pygame.joystick.get_count())
]
print()
print(json.dumps({"pads": pads, "sdl": ".".join(map(str, pygame.get_sdl_version()))}))
"""
_CUDA = """
import json, torch
found = torch.cuda.is_available()
name = torch.cuda.get_device_name(0) if found else ""
print(json.dumps({"name": name, "built_for": torch.version.cuda}))
"""
_GL_PACKAGES = {"egl": "libegl1 libgl1-mesa-dri", "osmesa": "libosmesa6"}


def check_gl(installed: Mapping[str, str], environment: Mapping[str, str]) -> list[Finding]:
    """Which ways of drawing MuJoCo off screen work, and how long a frame of the Panda takes."""
    if "mujoco" not in installed:
        return [Finding("drawing", "MuJoCo", State.MISSING, "not installed", _extra("sims"))]
    findings = []
    for backend, packages in _GL_PACKAGES.items():
        try:
            frame = probe(_ONE_FRAME, environment={"MUJOCO_GL": backend})
        except ProbeFailed as failure:
            advice = f"sudo apt-get install {packages}"
            detail = str(failure).split(";")[0]
            findings.append(Finding("drawing", backend.upper(), State.MISSING, detail, advice))
            continue
        height, width, _ = frame["shape"]
        detail = f"{frame['milliseconds']:.1f} ms for a frame of {width}×{height}"
        findings.append(Finding("drawing", backend.upper(), State.OK, detail))
    working = [finding.name.lower() for finding in findings if finding.state is State.OK]
    named = environment.get("MUJOCO_GL", "").strip().lower()
    if not working:
        findings.append(
            Finding(
                "drawing",
                "pictures",
                State.WARN,
                "MuJoCo runs but cannot be filmed",
                "install one of the above, or use engine=pybullet, which draws without GL",
            )
        )
    elif named in _GL_PACKAGES and named not in working:
        findings.append(
            Finding(
                "drawing",
                "pictures",
                State.BROKEN,
                f"MUJOCO_GL={named} names what does not work here",
                f"unset MUJOCO_GL, or set it to {working[0]}",
            )
        )
    return findings


def check_pads(installed: Mapping[str, str]) -> list[Finding]:
    """The gamepads that SDL sees."""
    if "pygame" not in installed and "pygame-ce" not in installed:
        return [Finding("devices", "gamepad", State.MISSING, "no pygame", _extra("teleop"))]
    try:
        seen = probe(_PADS, environment={"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"})
    except ProbeFailed as failure:
        advice = "pip install --force-reinstall pygame"
        return [Finding("devices", "gamepad", State.WARN, f"SDL: {failure}", advice)]
    findings = []
    for pad in seen["pads"]:
        if pad["mapped"]:
            findings.append(Finding("devices", "gamepad", State.OK, pad["name"]))
        else:
            detail = f"{pad['name']}: SDL knows no names for its buttons"
            advice = "set SDL_GAMECONTROLLERCONFIG to a line of SDL_GameControllerDB for it"
            findings.append(Finding("devices", "gamepad", State.WARN, detail, advice))
    if findings:
        return findings
    unreadable = [p for p in Path("/dev/input").glob("event*") if not os.access(p, os.R_OK)]
    if unreadable:
        advice = f"you may not read {unreadable[0]}: sudo usermod -aG input $USER, log in again"
    else:
        advice = "plug one in; '--device operator' needs none, nor does it need /dev/uinput"
    return [Finding("devices", "gamepad", State.MISSING, f"SDL {seen['sdl']} sees none", advice)]


def check_display(environment: Mapping[str, str]) -> list[Finding]:
    """Whether a window can be opened."""
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        if environment.get(name):
            return [Finding("devices", "display", State.OK, f"{name}={environment[name]}")]
    advice = "reports and videos are written to files instead"
    return [Finding("devices", "display", State.MISSING, "none", advice)]


def check_gpu(installed: Mapping[str, str]) -> list[Finding]:
    """Whether PyTorch can compute on a GPU."""
    if "torch" not in installed:
        return [Finding("devices", "GPU", State.MISSING, "no torch", _extra("train"))]
    try:
        found = probe(_CUDA)
    except ProbeFailed as failure:
        return [
            Finding("devices", "GPU", State.BROKEN, f"torch: {failure}", "make setup, or reinstall")
        ]
    if found["name"]:
        detail = f"{found['name']}, CUDA {found['built_for']}"
        return [Finding("devices", "GPU", State.OK, detail)]
    if Path("/proc/driver/nvidia/version").exists() and not found["built_for"]:
        advice = "an NVIDIA driver is there: pip install torch==2.13.0 from PyPI to use it"
        return [Finding("devices", "GPU", State.WARN, "this torch is built for the CPU", advice)]
    return [Finding("devices", "GPU", State.MISSING, "none; PyTorch computes on the CPU")]


def _extra(name: str) -> str:
    return f"pip install 'ilrobot[{name}]'"
