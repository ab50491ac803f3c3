"""What the tests of exports share."""

from __future__ import annotations

import pytest

from exports.cpp.building import what_is_missing
from ilrobot.policies.heads import residual_vq
from tests.exports.plant import Served
from tests.exports.raw_socket import ADDRESSES


@pytest.fixture(scope="session", autouse=True)
def _rough_codes():
    """A graph is no other for codes that are fitted less."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(residual_vq, "_STEPS", 10)
        yield


@pytest.fixture(scope="session")
def cpp_library():
    """The C++ library is built; a test that needs it is skipped where it cannot be."""
    if why := what_is_missing():
        pytest.skip(why)


@pytest.fixture(params=ADDRESSES)
def served(request):
    """A plant behind a socket of each kind."""
    with Served(request.param) as served:
        yield served
