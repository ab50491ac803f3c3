"""Every head on every network goes into a file that does the same, or into none."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pytest
import torch

from exports.graph import OPSET, trace
from exports.real_data import observation_windows
from exports.runtime.session import OnnxPolicy
from ilrobot.control.chunking import Chunking
from ilrobot.control.contract import Contract
from ilrobot.policies.config import HeadName, NetworkName
from ilrobot.policies.residual import with_residual
from tests.exhaustive import thinned
from tests.exports.exported import SMALL, export, frames, make_policy
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE, recordings

#: The other losses are the same head as "mse", which `check_policy` captures as graphs too.
_PAIRS = [
    (head, network)
    for head in get_args(HeadName)
    if head not in ("l1", "huber", "log-cosh")
    for network in get_args(NetworkName)
]
#: Each head once and each network, but for the heads that others export: of an ensemble, led, and
#: over a U-Net (`test_led_export`, `test_lowered_unet`).
_KEPT = [
    *((head, "mlp") for head in ("vq", "diffusion")),
    ("mixture", "unet"),
    ("cvae", "transformer"),
    *((head, "rnn") for head in ("gaussian", "bins", "cross-entropy")),
]


def test_each_network_is_among_the_pairs():
    assert {network for _, network in _PAIRS} == set(get_args(NetworkName))
    assert {of_kept[1] for of_kept in _KEPT} == set(get_args(NetworkName))
    assert {head for head, _ in _PAIRS} - {head for head, _ in _KEPT} == {"mse", "mip", "flow"}


@pytest.mark.parametrize(("head", "network"), thinned(_PAIRS, _KEPT))
def test_every_head_and_every_network_act_as_they_were_trained(head, network, tmp_path):
    spec = DISCRETE if head == "cross-entropy" else CONTINUOUS
    policy = make_policy(replace(SMALL, head=head, network=network), spec)
    done = export(policy, tmp_path / "policy.onnx")
    assert done.parity.windows == 20
    words = "the same choices on 20" if head == "cross-entropy" else "of the command range on 20"
    assert words in str(done.parity)
    assert done.parity.relative <= (0 if head == "cross-entropy" else 1e-5)
    assert list(tmp_path.iterdir()) == [tmp_path / "policy.onnx"]

    loaded = OnnxPolicy(tmp_path / "policy.onnx")
    assert loaded.contract.to_json() == done.contract.to_json()
    assert loaded.spec == policy.spec
    assert loaded.verify() == 0
    trained, exported = policy.actor(), loaded.actor()
    trained.reset(3)
    exported.reset(3)
    for tick, frame in enumerate(frames(spec, 7)):
        mine, theirs = exported.act(frame, tick).action, trained.act(frame, tick).action
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5)


@pytest.mark.parametrize("solver", thinned(["ddpm", "dpm"], ["dpm"]))
def test_every_solver_samples_as_it_did(solver, tmp_path):
    policy = make_policy(replace(SMALL, head="diffusion", solver=solver, sampler_steps=5))
    assert export(policy, tmp_path / "policy.onnx").parity.relative <= 1e-5
    assert OnnxPolicy(tmp_path / "policy.onnx").contract.noise_shape == policy.noise_shape


def test_a_latent_that_is_drawn_is_an_input_of_the_file(tmp_path):
    policy = make_policy(replace(SMALL, head="cvae", latent="drawn", kl_weight=0.1))
    done = export(policy, tmp_path / "policy.onnx")
    assert done.contract.noise_shape == policy.noise_shape
    assert len(policy.noise_shape or ()) == 1
    assert done.parity.relative <= 1e-5


@pytest.mark.parametrize(
    ("actions", "head", "members"),
    thinned(
        [("relative", "mse", 1), ("delta", "mse", 3), ("relative", "diffusion", 1)],
        [("delta", "mse", 3)],
    ),
)
def test_a_policy_of_ways_to_go_gives_the_actions_themselves(actions, head, members, tmp_path):
    state = replace(CONTINUOUS.observations[0], names=("x", "y", "turn"))
    spec = replace(
        CONTINUOUS,
        observations=(state, CONTINUOUS.observations[1]),
        action=replace(CONTINUOUS.action, names=("target_y", "x")),
    )
    policy = make_policy(replace(SMALL, head=head, members=members, actions=actions), spec)
    done = export(policy, tmp_path / "policy.onnx")
    assert done.parity.relative <= 1e-5
    assert OnnxPolicy(tmp_path / "policy.onnx").verify() == 0


@pytest.mark.parametrize("at_rest", [None, 0.1])
def test_a_residual_acts_in_a_file_as_it_was_learnt(at_rest, tmp_path):
    action = replace(CONTINUOUS.action, names=("dx", "gripper_opening"), units=("m", ""))
    spec = replace(CONTINUOUS, action=action, semantics="delta")
    clone = make_policy(replace(SMALL, n_obs=1, horizon=1, execute=1), spec)
    policy = with_residual(clone, bound_at_rest=at_rest)
    with torch.no_grad(), torch.random.fork_rng([]):
        torch.manual_seed(1)
        for weights in policy.head.network.parameters():
            weights.normal_(std=0.3)
    done = export(policy, tmp_path / "policy.onnx")
    assert done.parity.relative <= 1e-5
    trained, exported = policy.actor(), OnnxPolicy(tmp_path / "policy.onnx").actor()
    for tick, frame in enumerate(frames(spec, 5)):
        mine, theirs = exported.act(frame, tick).action, trained.act(frame, tick).action
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2e-5)
        assert (np.abs(mine - clone.actor().act(frame, tick).action) > 1e-3).all()


@pytest.mark.parametrize("head", thinned(["mse", "bins", "cross-entropy", "diffusion"], ["mse"]))
def test_an_ensemble_acts_as_it_was_trained(head, tmp_path):
    spec = DISCRETE if head == "cross-entropy" else CONTINUOUS
    policy = make_policy(replace(SMALL, head=head, members=2), spec)
    done = export(policy, tmp_path / "policy.onnx")
    assert done.parity.relative <= (0 if head == "cross-entropy" else 1e-5)
    loaded = OnnxPolicy(tmp_path / "policy.onnx")
    trained, exported = policy.actor(), loaded.actor()
    trained.reset(3)
    exported.reset(3)
    for tick, frame in enumerate(frames(spec, 5)):
        mine, theirs = exported.act(frame, tick), trained.act(frame, tick)
        np.testing.assert_allclose(mine.action, theirs.action, rtol=0, atol=2e-5)
        assert mine.doubt == pytest.approx(theirs.doubt, abs=1e-5)
        assert mine.doubt == exported.doubt(frame)
        assert mine.doubt > 0 or head == "cross-entropy"  # members may agree in a choice
        assert exported.novelty(frame) == pytest.approx(trained.novelty(frame), abs=1e-5)
    golden = loaded.contract.golden
    for given in golden:
        assert {name: s.shape for name, s in given.signals.items()} == {
            "doubt": (policy.config.horizon,),
            "novelty": (policy.config.horizon,),
        }
    assert loaded.contract.doubt.usual > 0
    told = loaded.contract.to_json()
    assert Contract.from_json(told, "again").to_json() == told


def test_members_that_say_the_same_angle_a_turn_apart_agree_in_a_file(tmp_path):
    action = replace(CONTINUOUS.action, units=("rad", "m"), low=(-20, -20), high=(20, 20))
    spec = replace(CONTINUOUS, action=action)
    policy = make_policy(replace(SMALL, members=3), spec)
    policy.action_normalizer.spread.mul_(100)  # so that members are whole turns apart
    assert export(policy, tmp_path / "policy.onnx").parity.relative <= 1e-5
    trained, exported = policy.actor(), OnnxPolicy(tmp_path / "policy.onnx").actor()
    for tick, frame in enumerate(frames(spec, 5)):
        mine, theirs = exported.act(frame, tick), trained.act(frame, tick)
        assert mine.doubt == pytest.approx(theirs.doubt, abs=1e-5)


def test_the_graph_is_pinned_whole_and_says_nothing_of_this_machine(tmp_path):
    policy = make_policy(replace(SMALL, head="diffusion"))
    export(policy, tmp_path / "policy.onnx")
    model = onnx.load(tmp_path / "policy.onnx", load_external_data=False)
    onnx.checker.check_model(model)
    assert [(item.domain, item.version) for item in model.opset_import] == [("", OPSET)]
    assert [item.name for item in model.graph.input] == [*policy.spec.observation_names, "noise"]
    assert [item.name for item in model.graph.output] == ["action"]
    assert [entry.key for entry in model.metadata_props] == ["ilrobot.contract"]
    content = (tmp_path / "policy.onnx").read_bytes()
    assert str(Path.cwd()).encode() not in content
    assert b"site-packages" not in content


@pytest.mark.parametrize(
    ("network", "members"),
    thinned([("mlp", 1), ("unet", 1), ("mlp", 2)], []),  # of a led one, see below
)
def test_an_unrolled_sampler_has_no_loop(network, members, tmp_path):
    policy = make_policy(replace(SMALL, head="flow", network=network, members=members))
    done = export(policy, tmp_path / "policy.onnx", unrolled=True)
    assert done.parity.relative <= 1e-5
    assert_no_loop(tmp_path / "policy.onnx")


def assert_no_loop(path):
    operators = {node.op_type for node in onnx.load(path).graph.node}
    assert not {"Scan", "Loop", "If"} & operators


def test_an_unrolled_sampler_is_led_as_the_loop_is(tmp_path):
    policy, chunking = make_policy(replace(SMALL, head="flow")), Chunking.parse("realtime")
    export(policy, tmp_path / "loop.onnx", chunking=chunking)
    export(policy, tmp_path / "unrolled.onnx", chunking=chunking, unrolled=True)
    assert_no_loop(tmp_path / "unrolled.onnx")
    loop, unrolled = OnnxPolicy(tmp_path / "loop.onnx"), OnnxPolicy(tmp_path / "unrolled.onnx")
    for golden in loop.contract.golden:
        np.testing.assert_allclose(
            unrolled(golden.observations, golden.noise, golden.guide),
            golden.action,
            rtol=0,
            atol=1e-5,
        )


@pytest.mark.parametrize("head", thinned(["diffusion", "flow"], ["flow"]))
def test_the_sampler_is_a_loop_whatever_its_number_of_steps(head):
    def nodes(steps):
        policy = make_policy(replace(SMALL, head=head, sampler_steps=steps))
        graph = onnx.load_model_from_string(trace(policy)).graph
        operators = [node.op_type for node in graph.node]
        assert operators.count("Scan") == 1
        assert "Mish" not in operators  # times are embedded before, not whenever it runs
        return len(graph.node)

    assert nodes(3) == nodes(12)


def test_the_same_policy_gives_the_same_bytes(tmp_path):
    policy = make_policy()
    for name in ("one", "other"):
        export(policy, tmp_path / f"{name}.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "other.onnx").read_bytes()


@pytest.mark.parametrize("dtype", thinned(["float16", "float64"], ["float16"]))
def test_a_policy_of_actions_of_another_width_is_exported(dtype, tmp_path):
    policy = make_policy()
    policy.spec = replace(policy.spec, action=replace(policy.spec.action, dtype=dtype))
    export(policy, tmp_path / "policy.onnx")
    assert OnnxPolicy(tmp_path / "policy.onnx").verify() == 0


def test_the_contract_tells_what_the_data_did(tmp_path):
    policy = make_policy()
    contract = export(policy, tmp_path / "policy.onnx").contract
    data = recordings(CONTINUOUS)
    actions = data.column("action")
    assert contract.limits is not None
    assert np.all(np.array(contract.limits.low) <= actions.min(axis=0))
    assert np.all(np.array(contract.limits.high) >= actions.max(axis=0))
    for name in policy.spec.observation_names:
        bounds = contract.training_range[name]
        np.testing.assert_allclose(bounds.low, data.column(name).min(axis=0), atol=1e-6)
        np.testing.assert_allclose(bounds.high, data.column(name).max(axis=0), atol=1e-6)
    assert contract.provenance.data == "d" * 16
    assert len(contract.provenance.code) == 64


def test_windows_are_what_the_policy_would_see():
    data = recordings(CONTINUOUS, episodes=2, length=5)
    windows = observation_windows(data, CONTINUOUS, n_obs=3, count=10)["observation.state"]
    state = data.column("observation.state")
    np.testing.assert_array_equal(windows[5], state[[5, 5, 5]])
    np.testing.assert_array_equal(windows[6], state[[5, 5, 6]])
    np.testing.assert_array_equal(windows[9], state[[7, 8, 9]])
