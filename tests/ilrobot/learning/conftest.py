"""What tests of training share."""

from shutil import copytree

import pytest

from tests.ilrobot.learning.train_verb import write_dataset
from tests.ilrobot.policy_tester import CONTINUOUS


@pytest.fixture(scope="session")
def _written(tmp_path_factory):
    """Written once: that takes fifty times as long as a copy."""
    return write_dataset(tmp_path_factory.mktemp("written") / "data", CONTINUOUS)


@pytest.fixture
def dataset(_written, tmp_path):
    """The tester's recordings on disk."""
    return copytree(_written, tmp_path / "data")
