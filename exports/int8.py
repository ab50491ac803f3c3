"""An exported policy with weights of 8 bits, and what it still does of its task.

Dynamic quantisation: weights are rounded once, each column of a matrix by its own scale, and the
rows that they multiply whenever they come, by ONNX Runtime's own tool. An error of the action says
nothing about success, so a file is only worth having with both counted in closed loop
(`ilrobot.control.contract_parts.Quantized`).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from exports.runtime.exported_policy import golden_error
from exports.runtime.session import BoundSession
from ilrobot.atomic import replacing
from ilrobot.control.contract import Contract
from ilrobot.control.contract_parts import Quantized
from ilrobot.control.model_file import read_model_file, seal
from ilrobot.errors import WorkFailed, explained

#: Another processor may round a number the other way, which moves an action about as far as
#: quantising it did; a golden vector may differ by so many times that.
_GOLDEN_MARGIN = 2.0


def write_int8(source: Path, target: Path, measured: Quantized | None = None) -> Contract:
    """Quantise an exported file.

    Args:
        source: What `ilrobot export` wrote, of full precision.
        target: Where to write; an existing file is replaced.
        measured: What came of both in closed loop (None: to be measured).

    Returns:
        Its contract: that of `source` with golden vectors and tolerance of its own.

    Raises:
        UserError: One of the places cannot be read or written.
        WorkFailed: The quantised graph does not run.
    """
    contract, content = read_model_file(source)
    model = quantize(content)
    session = BoundSession(model, contract)
    golden, errors = [], []
    for known in contract.golden:
        given = session.predict(known.observations, known.noise, known.guide)
        errors.append(golden_error(contract, known, given))
        golden.append(replace(known, action=given.chunk, signals=given.signals))
    worst = float(np.max(errors))
    if not worst < float("inf"):
        raise WorkFailed("the quantised graph gives actions that are not finite")
    tolerance = max(contract.tolerance, _GOLDEN_MARGIN * worst)
    contract = replace(contract, golden=tuple(golden), tolerance=tolerance, quantized=measured)
    with explained(target, "nothing was written", "export again"), replacing(target) as part:
        part.write_bytes(seal(model, contract))
    return contract


def quantize(model: bytes) -> bytes:
    """A serialised ONNX model with its matrix products in 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    proto = onnx.load_model_from_string(model)
    del proto.metadata_props[:]
    _own_weights(proto.graph)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            proto,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"EnableSubgraph": True, "MatMulConstBOnly": True},
        )
        return path.read_bytes()


def _own_weights(graph: Any) -> None:
    """Give loops' bodies the weights that only such use, for they are looked for there.

    Stated shapes go, which are wrong after quantisation, and so do empty lists of attributes, whose
    kind the quantiser cannot tell.
    """
    del graph.value_info[:]
    used_here = {name for node in graph.node for name in node.input}
    taken: set[str] = set()
    for node in graph.node:
        kept = [a for a in node.attribute if a.type != onnx.AttributeProto.INTS or a.ints]
        del node.attribute[:]
        node.attribute.extend(kept)
        for attribute in node.attribute:
            if not attribute.HasField("g"):
                continue
            body = attribute.g
            used = {name for inner in body.node for name in inner.input} - used_here
            # Several bodies may use the same one, such as members of an ensemble a constant.
            body.initializer.extend(weight for weight in graph.initializer if weight.name in used)
            taken |= used
            _own_weights(body)
    stay = [weight for weight in graph.initializer if weight.name not in taken]
    del graph.initializer[:]
    graph.initializer.extend(stay)


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser advises preprocessing, which would undo nothing that was done here."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
