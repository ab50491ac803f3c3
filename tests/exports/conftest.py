"""What the tests of exports share."""

from __future__ import annotations

import pytest

from exports.cpp.building import what_is_missing


@pytest.fixture(scope="session")
def cpp_library():
    """The C++ library is built; a test that needs it is skipped where it cannot be."""
    if why := what_is_missing():
        pytest.skip(why)
