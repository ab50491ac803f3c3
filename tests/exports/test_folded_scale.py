"""The actions' scale goes into the last layer of an MLP, where nothing is lost by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from exports.graph import trace
from ilrobot.policies.policy import Policy
from tests.exhaustive import thinned
from tests.exports.exported import SMALL, frames, make_policy
from tests.ilrobot.policy_tester import CONTINUOUS

MLP = replace(SMALL, head="mse", network="mlp")


def scaled(low: list[float], high: list[float], **config: object) -> Policy:
    """A policy whose actions lie within these."""
    policy = make_policy(replace(MLP, **config))
    rng = np.random.default_rng(0)
    policy.action_normalizer.fit(rng.uniform(low, high, (500, 2)))
    return policy


def both(policy: Policy, graph: bytes) -> tuple[np.ndarray, np.ndarray]:
    """What the module and its graph give for a random history."""
    ticks = frames(CONTINUOUS, policy.config.n_obs)
    history = {name: np.stack([tick[name] for tick in ticks])[None] for name in ticks[0]}
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        of_module = policy({name: torch.from_numpy(value) for name, value in history.items()})
    return of_module.numpy(), session.run(["action"], history)[0]


def operators(graph: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(graph).graph.node]


@pytest.mark.parametrize("horizon", thinned([1, 4], [4]))
def test_the_graph_gives_what_the_module_gives_with_two_operators_less(horizon: int) -> None:
    short = {"horizon": horizon, "execute": 1}
    near, far = scaled([-2, 40], [6, 50], **short), scaled([900, 40], [900.001, 50], **short)
    graph, left = trace(near), trace(far)
    assert operators(left)[-2:] == ["Mul", "Add"]
    assert operators(graph) == operators(left)[:-2]
    of_module, of_graph = both(near, graph)
    np.testing.assert_allclose(of_graph, of_module, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(*both(far, left))


def test_what_never_moved_stays_exactly_where_it_was() -> None:
    policy = scaled([-1, 0.1], [1, 0.1])
    of_module, of_graph = both(policy, trace(policy))
    assert np.unique(of_graph[..., 1]).tolist() == np.unique(of_module[..., 1]).tolist()
    np.testing.assert_array_equal(of_graph[..., 1], np.float32(0.1))
