"""Contracts with limits of all proportions, and policies that do what their observation says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from exports.runtime.exported_policy import ExportedPolicy
from ilrobot.control.contract import Contract
from ilrobot.control.contract_golden import Golden
from ilrobot.control.contract_guards import FALLBACKS, FallbackAfter, Workspace
from ilrobot.control.contract_parts import Limits, Provenance, Range
from ilrobot.control.drawing import Guide, Prediction
from ilrobot.control.model_file import seal
from ilrobot.spec import Feature, Spec

STATE, WANTED, SCALE = "observation.state", "observation.wanted", "observation.scale"
HORIZON, EXECUTE = 16, 8
#: Of the noise on a chunk, as a share of the command range.
NOISE = np.float32(0.005)


class Puppet(ExportedPolicy):
    """action = wanted / scale + σ · noise, at every tick of the chunk.

    So whatever an observation wants is what the policy says, and a scale of zero makes it say
    infinity while every number that it has seen is finite.
    """

    def predict(
        self,
        history: Mapping[str, NDArray[Any]],
        noise: NDArray[np.float32] | None,
        guide: Guide | None = None,
    ) -> Prediction:
        """See `ExportedPolicy`."""
        with np.errstate(all="ignore"):
            action = history[WANTED] / history[SCALE]
        return Prediction(action if noise is None else action + noise_scale(self.contract) * noise)


def noise_scale(contract: Contract) -> NDArray[np.float32]:
    """σ of each element, in the action's units."""
    scale = contract.scale
    assert scale is not None  # its actions are no choices
    return NOISE * scale.astype(np.float32)


def draw_contract(rng: np.random.Generator, horizon: int) -> Contract:
    """A contract of one to seven joints, of which some are commanded by deltas.

    Args:
        rng: What is drawn from.
        horizon: 1, or `HORIZON` with noise.
    """
    size, rate = int(rng.integers(1, 8)), float(rng.choice([20.0, 50.0, 100.0]))
    kind = int(rng.integers(3))
    modes = ("absolute", "delta")
    mode = tuple(modes[kind] if kind < 2 else str(rng.choice(modes)) for _ in range(size))
    delta = np.array(mode) == "delta"
    span = 10 ** rng.uniform(-2, 0.5, size)
    per_tick = span * np.where(delta, 1.0, 10 ** rng.uniform(-2, 0, size))
    change = per_tick * 10 ** rng.uniform(-1, 0.3, size)
    jerk = change * 10 ** rng.uniform(-0.7, 0.5, size)
    jerk[rng.random(size) < 0.3] = math.inf
    limits = Limits(
        mode,
        tuple((-span).tolist()),
        tuple(span.tolist()),
        tuple((per_tick * rate).tolist()),
        tuple((change * rate**2).tolist()),
        tuple((jerk * rate**3).tolist()),
    )
    wide = span * np.where(delta, 12.0, rng.uniform(0.7, 1.2, size))
    joints = tuple(f"joint_{i}" for i in range(size))
    spec = Spec(
        observations=(
            Feature(STATE, (size,), names=joints),
            Feature(WANTED, (size,)),
            Feature(SCALE, (size,)),
        ),
        action=Feature("action", (size,), names=joints),
        rate=rate,
    )
    anything = Range((-1e30,) * size, (1e30,) * size)
    reach = 30.0 * span
    return Contract(
        spec=spec,
        n_obs=1,
        horizon=horizon,
        execute=1 if horizon == 1 else EXECUTE,
        noise_shape=None if horizon == 1 else (horizon, size),
        limits=limits,
        training_range={
            STATE: Range(tuple((-reach).tolist()), tuple(reach.tolist())),
            WANTED: anything,
            SCALE: anything,
        },
        stale_after=float(rng.uniform(2.5, 6.0)) / rate,
        fallback=str(rng.choice(FALLBACKS)),
        fallback_after=FallbackAfter(
            out_of_range=float(rng.uniform(1, 8)) / rate,
            frozen=float(rng.uniform(2, 8)) / rate,
            late=int(rng.integers(2, 7)),
        ),
        retreat=tuple((0.3 * span).tolist()),
        workspace=Workspace(tuple((-wide).tolist()), tuple(wide.tolist())),
        provenance=Provenance("", "", "", ""),
        golden=(),
        tolerance=1e-5,
    )


def write_policy(path: Path, contract: Contract) -> Contract:
    """The same policy as a file that ONNX Runtime runs; its contract with a golden vector."""
    policy = Puppet("", contract)
    size, shape = contract.spec.action.size, contract.noise_shape
    rng = np.random.default_rng(0)
    observations = {
        name: rng.uniform(0.5, 1.0, (1, size)).astype(np.float32) for name in (STATE, WANTED, SCALE)
    }
    noise = None if shape is None else rng.standard_normal(shape, dtype=np.float32)
    golden = Golden(observations, noise, policy(observations, noise))
    sealed = Contract(**{**vars(contract), "golden": (golden,)})
    path.write_bytes(seal(graph(contract), sealed))
    return sealed


def graph(contract: Contract) -> bytes:
    """The model of `Puppet`, serialised."""
    size, chunk = contract.spec.action.size, (contract.horizon, contract.spec.action.size)
    inputs: dict[str, tuple[int, ...]] = dict.fromkeys((STATE, WANTED, SCALE), (1, 1, size))
    # What it observes of the arm has no say: a product with zero, that NaN would pass.
    nodes = [
        helper.make_node("Mul", [STATE, "nothing"], ["unused"]),
        helper.make_node("Div", [WANTED, SCALE], ["one"]),
    ]
    constants = {"nothing": np.zeros(size, np.float32)}
    if contract.noise_shape is None:
        nodes.append(helper.make_node("Identity", ["one"], ["action"]))
    else:
        inputs["noise"] = (1, *contract.noise_shape)
        constants["sigma"] = noise_scale(contract)
        nodes.append(helper.make_node("Mul", ["noise", "sigma"], ["spread"]))
        nodes.append(helper.make_node("Add", ["one", "spread"], ["action"]))
    made = helper.make_graph(
        nodes,
        "puppet",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, (1, *chunk))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data
