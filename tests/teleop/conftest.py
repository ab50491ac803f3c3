from collections.abc import Iterator

import pytest

from teleop.devices import sdl


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
