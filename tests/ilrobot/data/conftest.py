"""What tests of datasets share."""

from shutil import copytree

import pytest

from ilrobot.data.writing import write_episodes
from tests.ilrobot.data.damaging import SPEC, episode


@pytest.fixture(scope="session")
def _written(tmp_path_factory):
    """Written once: that takes fifty times as long as a copy."""
    path = tmp_path_factory.mktemp("written") / "toy"
    write_episodes(path, SPEC, [episode(4, 0), episode(5, 1)])
    return path


@pytest.fixture
def path(_written, tmp_path):
    return copytree(_written, tmp_path / "toy")
