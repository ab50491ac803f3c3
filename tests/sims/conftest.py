"""What tests of simulations share."""

from collections.abc import Iterator

import pytest

from tests.sims.panda_worlds import MADE


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Each arm on PyBullet holds some 90 MB until it is closed."""
    yield
    while MADE:
        MADE.pop().close()
