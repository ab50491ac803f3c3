from collections.abc import Iterator

import pytest

from ilrobot.env import make_env
from ilrobot.task_env import TaskEnv
from teleop.devices import sdl
from tests.teleop.page_person import Robot


@pytest.fixture(autouse=True)
def _fresh_sdl() -> Iterator[None]:
    """SDL is one per process: each test begins and ends without it."""
    sdl.stop()
    yield
    sdl.stop()


@pytest.fixture
def dummy_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A display for windows on a machine that has none."""

    def start_display() -> bool:
        sdl.start()
        return True

    monkeypatch.setattr(sdl, "start_display", start_display)


@pytest.fixture(scope="session")
def reach() -> Iterator[TaskEnv]:
    """PandaReach."""
    made = make_env("ilrobot/PandaReach-v0")
    yield made
    made.close()


@pytest.fixture
def robot(reach: TaskEnv) -> Iterator[Robot]:
    """Its arm with a page."""
    made = Robot(reach)
    yield made
    made.page.close()
