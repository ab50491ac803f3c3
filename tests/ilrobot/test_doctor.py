"""The doctor: each finding for what it is, and no probe that can hurt the process that asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ilrobot.cli import doctor
from ilrobot.cli.cores import cores
from ilrobot.cli.diagnosis import devices, machine, packages
from ilrobot.cli.diagnosis.finding import Finding, ProbeFailed, State, probe
from ilrobot.errors import UserError

REQUIREMENTS = [
    "numpy>=2.0",
    "onnxruntime>=1.20",
    'mujoco!=4.0.0,>=3.3; extra == "sims"',
    'gymnasium>=1.1; extra == "sims"',
    "ilrobot[sims]; extra == 'all'",
]
ALL = {"numpy": "2.4.6", "onnxruntime": "1.31.1", "mujoco": "3.17.0", "gymnasium": "1.4.0"}


def without(*names: str) -> dict[str, str]:
    return {name: version for name, version in ALL.items() if name not in names}


def named(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def test_what_is_there_is_listed_with_its_version():
    finding = named(packages.check_packages(ALL, REQUIREMENTS), "simulators")
    assert finding.state is State.OK
    assert "mujoco 3.17.0" in finding.detail
    assert "gymnasium 1.4.0" in finding.detail


def test_an_absent_extra_is_missing_and_says_how_to_get_it():
    finding = named(packages.check_packages(without("mujoco"), REQUIREMENTS), "simulators")
    assert finding.state is State.MISSING
    assert finding.detail == "without mujoco"
    assert finding.advice == "pip install 'ilrobot[sims]'"


def test_an_absent_core_package_is_broken():
    finding = named(packages.check_packages(without("onnxruntime"), REQUIREMENTS), "core")
    assert finding.state is State.BROKEN


def test_our_own_requirements_are_read():
    findings = packages.check_packages(
        packages.installed_packages(), packages.declared_requirements()
    )
    assert "numpy" in named(findings, "core").detail
    assert {"simulators", "training and export", "gamepad and keyboard"} <= {
        finding.name for finding in findings
    }


@pytest.mark.parametrize("version", ["4.0.0", "4.0.0+local"])
def test_mujoco_4_0_0_is_broken(version: str):
    (finding,) = packages.check_known_faults({"mujoco": version})
    assert finding.state is State.BROKEN
    assert "contact forces" in finding.detail


@pytest.mark.parametrize("version", ["3.17.0", "4.0.1", "4.0.0.1"])
def test_other_versions_of_mujoco_are_not(version: str):
    assert packages.check_known_faults({"mujoco": version}) == []


def test_two_pygames_are_broken():
    (finding,) = packages.check_known_faults({"pygame": "2.6.1", "pygame-ce": "2.5.5"})
    assert finding.state is State.BROKEN
    assert packages.check_known_faults({"pygame-ce": "2.5.5"}) == []


def test_an_old_python_is_broken():
    assert packages.check_python((3, 10, 4))[0].state is State.BROKEN
    assert packages.check_python((3, 13, 0))[0].state is State.OK


def test_a_display_is_known_by_its_variable():
    assert devices.check_display({"DISPLAY": ":0"})[0].state is State.OK
    assert devices.check_display({"DISPLAY": ""})[0].state is State.MISSING


def test_what_is_not_installed_is_not_tried():
    for (finding,) in (devices.check_gl({}, {}), devices.check_pads({}), devices.check_gpu({})):
        assert finding.state is State.MISSING
        assert "pip install" in finding.advice


def test_the_machine_is_described(tmp_path: Path):
    findings = machine.check_machine(tmp_path)
    assert {finding.name for finding in findings} >= {"processor", "disk"}
    assert f"{cores()} cores" in machine.describe_machine()


def test_a_probe_gives_its_last_line():
    assert probe("print('noise'); print('{\"a\": 1}')") == {"a": 1}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os; os.abort()", "crashed"),
        ("raise RuntimeError('no GL')", "no GL"),
        ("import time; time.sleep(60)", "no answer"),
        ("print('not json')", "without an answer"),
        ("pass", "without an answer"),
    ],
)
def test_a_probe_that_fails_says_how(code: str, said: str):
    with pytest.raises(ProbeFailed, match=said):
        probe(code, seconds=1.0)


def test_gl_that_does_not_work_is_missing_with_its_packages(monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object, **keywords: object) -> dict[str, object]:
        raise ProbeFailed("crashed (signal 11)")

    monkeypatch.setattr(devices, "probe", fail)
    findings = devices.check_gl({"mujoco": "3.17.0"}, {})
    assert [finding.state for finding in findings] == [State.MISSING, State.MISSING, State.WARN]
    assert "libegl1" in findings[0].advice
    assert "libosmesa6" in findings[1].advice


@pytest.mark.parametrize("named", ["osmesa", "OSMesa "])
def test_a_named_gl_that_does_not_work_is_broken_where_another_does(
    monkeypatch: pytest.MonkeyPatch, named: str
):
    def only_egl(*_: object, environment: dict[str, str]) -> dict[str, object]:
        if environment["MUJOCO_GL"] != "egl":
            raise ProbeFailed("no such library")
        return {"milliseconds": 1.0, "shape": (240, 320, 3)}

    monkeypatch.setattr(devices, "probe", only_egl)
    *_, finding = devices.check_gl({"mujoco": "3.17.0"}, {"MUJOCO_GL": named})
    assert finding.state is State.BROKEN
    assert "MUJOCO_GL=osmesa" in finding.detail
    assert "set it to egl" in finding.advice
    for right in ({}, {"MUJOCO_GL": "egl"}):
        states = [finding.state for finding in devices.check_gl({"mujoco": "3.17.0"}, right)]
        assert states == [State.OK, State.MISSING]


def test_the_frame_that_is_timed_is_drawn_anew():
    shared = {"drawn": 0, "stepped": 0}

    class Env:
        """Draws once for each step, as the Panda's tasks do."""

        action_space = SimpleNamespace(sample=lambda: 0)

        def reset(self, seed: int) -> None:
            self._picture = None

        def step(self, action: object) -> None:
            self._picture = None

        def render(self) -> Any:
            if self._picture is None:
                shared["drawn"] += 1
                self._picture = SimpleNamespace(shape=(240, 320, 3))
            return self._picture

    source = devices._ONE_FRAME.replace("import gymnasium, sims\n", "")
    exec(source, {"gymnasium": SimpleNamespace(make=lambda *_, **__: Env())})
    assert shared["drawn"] == 11


@pytest.mark.parametrize(
    ("state", "code"), [(State.WARN, 0), (State.MISSING, 0), (State.BROKEN, 1)]
)
def test_only_what_is_broken_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: State, code: int
):
    finding = Finding("packages", "simulators", state, "gone", "pip install 'ilrobot[sims]'")
    monkeypatch.setattr(doctor, "examine", lambda: [finding])
    assert doctor.Doctor(json=True).run() == code
    *table, last = capsys.readouterr().out.strip().splitlines()
    assert "ilrobot[sims]" in " ".join(table)
    assert json.loads(last) == {"ok": code == 0, "findings": [{**vars(finding), "state": state}]}


def test_what_arrives_from_a_browser_is_on_its_own_page():
    with pytest.raises(UserError, match=r"ilrobot teleop --task .* --device browser"):
        doctor.Doctor(device="browser").run()


def test_the_command_examines_this_machine():
    done = subprocess.run(
        [sys.executable, "-m", "ilrobot", "doctor", "--json"],
        capture_output=True,
        text=True,
        timeout=200,
    )
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (0 if result["ok"] else 1)
    assert {"packages", "drawing", "devices", "machine"} == {f["area"] for f in result["findings"]}


@pytest.mark.parametrize(
    ("package", "extra"),
    [("websockets", "server"), ("stable-baselines3", "rl"), ("cryptography", "signing")],
)
def test_every_extra_that_is_absent_is_told(package: str, extra: str):
    findings = packages.check_packages({}, packages.declared_requirements())
    (told,) = [f for f in findings if f.advice == f"pip install 'ilrobot[{extra}]'"]
    assert package in told.detail
