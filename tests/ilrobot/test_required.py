"""A verb whose packages are not installed says which extra brings them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.exports.exported import export, make_policy

_WITHOUT_EXTRAS = """
import sys

class Absent:
    extras = {"av", "gymnasium", "h5py", "matplotlib", "mujoco", "pyarrow", "pygame", "torch"}

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.extras:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Absent())
from ilrobot.cli import _main
sys.exit(_main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("words", "extra"),
    [(["study", "compounding"], "all"), (["demo"], "all"), (["view", "run"], "train")],
)
def test_a_base_installation_is_told_what_to_install(
    tmp_path: Path, words: list[str], extra: str
) -> None:
    run = tmp_path / "run" / "run.json"
    run.parent.mkdir()
    run.write_text("{}")
    command = [sys.executable, "-c", _WITHOUT_EXTRAS, *words, "--output", "out"]
    if words[0] == "view":
        command = command[:-2]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.endswith(f"pip install 'ilrobot[{extra}]'\n")
    assert f"{words[0]} needs the package 'matplotlib'" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [
        "record --task ilrobot/PandaLift-v0 --output out",
        "teleop --task ilrobot/PandaLift-v0",
        "robot --task ilrobot/PandaLift-v0",
        "train --dataset data --policy bc --output out",
        "export --policy run --output out.onnx",
        "eval --policy run",
        "replay data",
    ],
)
def test_whatever_else_is_missing_is_one_line(tmp_path: Path, words: str) -> None:
    command = [sys.executable, "-c", _WITHOUT_EXTRAS, *words.split()]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert f"ilrobot: {words.split()[0]} needs the package '" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_robot_behind_a_socket_needs_no_simulator(tmp_path: Path) -> None:
    export(make_policy(), tmp_path / "policy.onnx")
    words = ["deploy", "--policy", "policy.onnx", "--robot", "udp://127.0.0.1:1"]
    command = [sys.executable, "-c", _WITHOUT_EXTRAS, *words]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 2, ended.stderr
    assert "udp://127.0.0.1:1" in ended.stderr
    assert ended.stderr.count("\n") == 1
