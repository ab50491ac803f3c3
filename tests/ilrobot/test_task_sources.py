"""By what source a task is known, so that what was measured on another is measured again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from ilrobot.task_ids import source_hash


def test_the_source_of_a_task_is_that_of_its_whole_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "changing_world"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rules.py").write_text("REACHED = 0.1")
    monkeypatch.syspath_prepend(tmp_path)
    task = "changing_world/Task-v0"
    gymnasium.register(task, "changing_world.task:Task")
    try:
        before = source_hash(task)
        assert source_hash(task) == before != source_hash("ilrobot/PointPath-v0")
        (package / "rules.py").write_text("REACHED = 0.2")
        other = source_hash(task)
        assert other != before
        (package / "arm.urdf").write_text("<robot/>")
        assert source_hash(task) not in (before, other)
    finally:
        del gymnasium.registry[task]
    (package / "__init__.py").write_text("import a_package_that_is_not_there")
    assert source_hash("changing_world/Other-v0") == ""
    assert source_hash("nobody_knows/Task-v0") == ""


def test_a_task_of_a_program_of_one_file_has_no_source_to_be_told_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Task(gymnasium.Env[Any, Any]):
        __module__ = "__main__"

    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    gymnasium.register("one_file/Task-v0", Task)
    try:
        assert source_hash("one_file/Task-v0") == ""
    finally:
        del gymnasium.registry["one_file/Task-v0"]
