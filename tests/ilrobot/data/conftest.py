"""What tests of datasets share."""

import pytest

from ilrobot.data.writing import write_episodes
from tests.ilrobot.data.damaging import SPEC, episode


@pytest.fixture
def path(tmp_path):
    write_episodes(tmp_path / "toy", SPEC, [episode(4, 0), episode(5, 1)])
    return tmp_path / "toy"
