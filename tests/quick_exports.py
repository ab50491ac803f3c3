"""The same graphs in two thirds of the time, for a process that exports many."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from onnxscript.rewriter import _basics
from onnxscript.rewriter._matcher import SimplePatternMatcher
from torch._export import utils as export_utils
from torch.onnx._internal.exporter._registration import ONNXRegistry


def make_exports_quick(patch: pytest.MonkeyPatch) -> None:
    """Let torch's tables of operators be made once and not, most of a second each time, anew for
    each graph; and let the optimizer look closer only at nodes that a rule is for.
    """
    registry = staticmethod(functools.cache(ONNXRegistry.from_torchlib))
    patch.setattr(ONNXRegistry, "from_torchlib", registry)
    composed = functools.cache(export_utils._collect_all_valid_cia_ops_for_namespace)
    patch.setattr(export_utils, "_collect_all_valid_cia_ops_for_namespace", composed)
    closer = SimplePatternMatcher.match

    def match(self: Any, model: Any, graph: Any, node: Any, **how: Any) -> Any:
        if not self.pattern.output_nodes[0].op.matches(node.op_type):
            return _basics.MatchResult().fail("another operator")
        return closer(self, model, graph, node, **how)

    patch.setattr(SimplePatternMatcher, "match", match)
