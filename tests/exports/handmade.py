"""An exported file without training and torch: a graph by hand that every input has a say in."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from exports.runtime.session import BoundSession
from ilrobot.control.chunking import Chunking
from ilrobot.control.contract import Contract
from ilrobot.control.contract_golden import Golden
from ilrobot.control.contract_parts import Limits, PolicyFrame, Provenance, Range
from ilrobot.control.contract_signals import DoubtScale
from ilrobot.control.drawing import Guide
from ilrobot.control.model_file import seal
from ilrobot.control.signals import OF_ENSEMBLE
from ilrobot.spec import Feature, Spec

SPEC = Spec(
    observations=(Feature("observation.state", (3,)), Feature("observation.target", (1,))),
    action=Feature("action", (2,)),
    rate=10.0,
)
N_OBS, HORIZON, STEPS = 2, 4, 3


def write_policy(
    path: Path,
    *,
    gain: float = 1.0,
    spec: Spec = SPEC,
    doubt: DoubtScale | None = None,
    policy_frame: PolicyFrame | None = None,
) -> Path:
    """Chunks of four from two ticks of history, with noise, led in three steps.

    action = gain (noise + Σ state + Σ target) + mean weight · prefix

    With a scale of doubt, doubt = novelty = mean of noise + Σ state + Σ target.
    """
    model = _model(gain, spec, doubts=doubt is not None)
    size, chunk = spec.action.size, (HORIZON, *spec.action.shape)
    contract = Contract(
        spec=spec,
        n_obs=N_OBS,
        horizon=HORIZON,
        execute=2,
        noise_shape=chunk,
        limits=Limits(
            mode=("absolute",) * size,
            low=(-9.0,) * size,
            high=(9.0,) * size,
            velocity=(1e3,) * size,
            acceleration=(1e6,) * size,
        ),
        training_range={
            f.name: Range((-1.0,) * f.size, (1.0,) * f.size) for f in spec.observations
        },
        stale_after=0.3,
        fallback="hold",
        provenance=Provenance("", "", "", "0"),
        golden=(),
        tolerance=1e-5,
        chunking=Chunking.parse("realtime:1"),
        sampler_steps=STEPS,
        doubt=doubt,
        policy_frame=policy_frame,
    )
    rng = np.random.default_rng(0)
    observations = {
        f.name: rng.uniform(-1, 1, (N_OBS, *f.shape)).astype(np.float32) for f in spec.observations
    }
    noise = rng.standard_normal(chunk, dtype=np.float32)
    plan = rng.uniform(-1, 1, chunk).astype(np.float32)
    weights = rng.random((STEPS, HORIZON), dtype=np.float32)
    session, golden = BoundSession(model, contract), []
    for guide in (None, Guide(plan, weights)):
        given = session.predict(observations, noise, guide)
        golden.append(Golden(observations, noise, given.chunk, given.signals, guide))
    path.write_bytes(seal(model, replace(contract, golden=tuple(golden))))
    return path


def _model(gain: float, spec: Spec, *, doubts: bool) -> bytes:
    chunk = (HORIZON, *spec.action.shape)
    shapes = {f.name: (N_OBS, *f.shape) for f in spec.observations}
    shapes |= {"noise": chunk, "prefix": chunk, "prefix_weights": (STEPS, HORIZON)}
    sums = [f"sum.{f.name}" for f in spec.observations]
    nodes = [
        helper.make_node("ReduceSum", [f.name, "axes"], [name], keepdims=1)
        for f, name in zip(spec.observations, sums, strict=True)
    ]
    nodes += [
        helper.make_node("Sum", sums, ["seen"]),
        helper.make_node("Add", ["noise", "seen"], ["drawn"]),
        helper.make_node("Mul", ["drawn", "gain"], ["free"]),
        helper.make_node("ReduceMean", ["prefix_weights", "first"], ["weight"], keepdims=0),
        helper.make_node("Unsqueeze", ["weight", "last"], ["weights"]),
        helper.make_node("Mul", ["prefix", "weights"], ["led"]),
        helper.make_node("Add", ["free", "led"], ["action"]),
    ]
    signals = OF_ENSEMBLE if doubts else ()
    nodes += [
        helper.make_node("ReduceMean", ["drawn", "last"], [name], keepdims=0) for name in signals
    ]
    constants = {
        "axes": np.array([1, 2]),
        "first": np.array([1]),
        "last": np.array([2]),
        "gain": np.float32(gain),
    }
    graph = helper.make_graph(
        nodes,
        "handmade",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, *shape))
            for name, shape in shapes.items()
        ],
        [
            helper.make_tensor_value_info("action", TensorProto.FLOAT, (1, *chunk)),
            *(helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, HORIZON)) for n in signals),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    data: bytes = model.SerializeToString()
    return data
