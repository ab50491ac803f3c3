"""What tests of training share."""

import pytest

from tests.ilrobot.learning.train_verb import write_dataset
from tests.ilrobot.policy_tester import CONTINUOUS


@pytest.fixture
def dataset(tmp_path):
    """The tester's recordings on disk."""
    return write_dataset(tmp_path / "data", CONTINUOUS)
