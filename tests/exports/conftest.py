"""What the tests of exports share."""

from __future__ import annotations

import functools

import pytest
from torch._export import utils as export_utils
from torch.onnx._internal.exporter._registration import ONNXRegistry

from exports.cpp.building import what_is_missing
from ilrobot.policies.heads import residual_vq
from tests.exports.plant import Served
from tests.exports.raw_socket import ADDRESSES


@pytest.fixture(scope="session", autouse=True)
def _quick_exports():
    """A graph is no other for codes that are fitted less, nor for torch's tables of operators being
    made once and not, most of a second each time, anew for each graph.
    """
    table = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
    composed = functools.cache(export_utils._collect_all_valid_cia_ops_for_namespace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ONNXRegistry, "from_torchlib", table)
        patch.setattr(export_utils, "_collect_all_valid_cia_ops_for_namespace", composed)
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
