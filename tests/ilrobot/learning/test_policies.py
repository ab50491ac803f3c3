"""Every head on every network; sizes that are refused; that they learn."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.memory import MemoryRecordings
from ilrobot.errors import UserError
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import PRESETS, TrainConfig, preset
from ilrobot.policies.config import HeadName, NetworkName, PolicyConfig
from ilrobot.policies.heads import residual_vq
from ilrobot.policies.heeded import USED_BY_HEAD
from ilrobot.policies.loading import load_policy
from ilrobot.policies.networks.network import Sizes
from ilrobot.policies.networks.unet1d import UNet1d
from ilrobot.policies.policy import Policy
from ilrobot.spec import Feature, Spec
from tests.exhaustive import thinned
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE, SMALL, check_policy, example


@pytest.fixture
def rough_codes(monkeypatch):
    """What is asked of every policy holds however well codes were fitted."""
    monkeypatch.setattr(residual_vq, "_STEPS", 20)


#: The same head as "mse", with other losses.
_OTHER_LOSSES = ("l1", "huber", "log-cosh")
_PAIRS = [
    (head, network)
    for head in get_args(HeadName)
    for network in (["mlp"] if head in _OTHER_LOSSES else get_args(NetworkName))
]
#: Each head on one network, the networks in turn, or on its only one; a U-Net with one that samples
_KEPT = [
    pair
    for pair in _PAIRS
    if pair[0] in _OTHER_LOSSES
    or get_args(NetworkName).index(pair[1]) == get_args(HeadName).index(pair[0]) % 4
    or pair == ("flow", "unet")
]


@pytest.mark.usefixtures("rough_codes")
@pytest.mark.parametrize(
    ("head", "network"),
    thinned(_PAIRS, _KEPT),
)
def test_every_head_on_every_network(head, network, tmp_path):
    spec = DISCRETE if head == "cross-entropy" else CONTINUOUS
    check_policy(replace(SMALL, head=head, network=network), spec, tmp_path)


@pytest.mark.parametrize("prediction", ["sample", "velocity"])
def test_other_predictions_of_the_denoiser(prediction, tmp_path):
    check_policy(replace(SMALL, head="diffusion", prediction=prediction), CONTINUOUS, tmp_path)


@pytest.mark.parametrize("solver", ["ddpm", "dpm"])
def test_other_solvers_of_the_denoiser(solver, tmp_path):
    check_policy(replace(SMALL, head="diffusion", solver=solver), CONTINUOUS, tmp_path)


@pytest.mark.parametrize("prediction", ["sample", "preconditioned"])
def test_other_predictions_of_a_flow(prediction, tmp_path):
    config = replace(SMALL, head="flow", flow_prediction=prediction, noise_scale=0.5)
    check_policy(config, CONTINUOUS, tmp_path)


@pytest.mark.parametrize("members", [1, 3])
def test_a_cvae_that_draws_its_latent(members, tmp_path):
    config = replace(SMALL, head="cvae", latent="drawn", members=members)
    check_policy(config, CONTINUOUS, tmp_path)


@pytest.mark.parametrize(
    ("head", "normalize"),
    thinned(
        [
            (head, normalize)
            for head in ("mse", "diffusion", "flow")
            for normalize in ("limits", "standardize", "quantile")
        ],
        [
            ("mse", "limits"),
            ("mse", "standardize"),
            ("diffusion", "standardize"),
            ("diffusion", "quantile"),
            ("flow", "standardize"),
        ],
    ),
)
def test_every_normalisation_with_every_kind_of_head(head, normalize, tmp_path):
    config = replace(SMALL, head=head, normalize=normalize)
    if (head, normalize) != ("diffusion", "standardize"):
        check_policy(config, CONTINUOUS, tmp_path)
        return
    with pytest.raises(UserError, match=r"--head diffusion ends there; take limits or quantile"):
        check_policy(config, CONTINUOUS, tmp_path)
    Policy(CONTINUOUS, config).save(tmp_path / "policy.pt")  # as it was trained before
    assert load_policy(tmp_path / "policy.pt").config == config


@pytest.mark.usefixtures("rough_codes")
@pytest.mark.parametrize(
    ("head", "network"),
    thinned(
        [(head, "mlp") for head in get_args(HeadName) if head not in _OTHER_LOSSES]
        + [("diffusion", "unet"), ("mixture", "rnn")],
        [
            *((head, "mlp") for head in ("mse", "bins", "cross-entropy", "flow")),
            ("diffusion", "unet"),
            ("mixture", "rnn"),
        ],
    ),
)
def test_an_ensemble_of_every_head(head, network, tmp_path):
    spec = DISCRETE if head == "cross-entropy" else CONTINUOUS
    check_policy(replace(SMALL, head=head, network=network, members=3), spec, tmp_path)


@pytest.mark.parametrize("spec", [CONTINUOUS, DISCRETE])
def test_the_bc_preset_fits_any_actions(spec, tmp_path):
    policy, _ = preset("bc", spec)
    assert (policy.n_obs, policy.horizon, policy.execute) == (1, 1, 1)
    check_policy(policy, spec, tmp_path)


@pytest.mark.parametrize("name", ["act", "diffusion", "flow", "mip"])
def test_a_head_has_from_python_what_it_has_in_its_preset(name):
    own, _ = PRESETS[name]
    config = PolicyConfig(head=own.head)
    for setting in USED_BY_HEAD[own.head]:
        assert getattr(config, setting) == getattr(own, setting), setting


def test_the_unet_has_about_four_and_a_half_million_parameters():
    network = UNet1d(Sizes(condition=138, horizon=16, sample=2, output=2), channels=(64, 128, 256))
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(4.5e6, rel=0.05)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_obs": 0}, "--history must be at least 1, not 0"),
        ({"n_obs": 10**9}, "--history must be at most 1000, not 1000000000"),
        ({"horizon": 10**9}, "--horizon must be at most 1000"),
        ({"width": 10**9}, "--width must be at most"),
        ({"channels": (8, -1)}, "--channels must be at least 1, not -1"),
        ({"execute": 5}, "--execute 5 is more than"),
        ({"sampler_steps": 101, "head": "diffusion"}, "--sampler-steps must be at most 100, the"),
        ({"sampler_steps": 0, "head": "flow"}, "--sampler-steps must be at least 1, not 0"),
        ({"dropout": 1.0}, "--dropout"),
        ({"members": 0}, "--members must be at least 1, not 0"),
        ({"members": 101}, "--members must be at most 100, not 101"),
        ({"observation_noise": float("nan")}, "--observation-noise"),
        ({"network": "unet", "channels": (8, 16), "horizon": 5}, "multiple of 2, not 5"),
        ({"network": "unet", "channels": (8, 12)}, "--channels"),
        ({"network": "transformer", "width": 18}, "--width must be a multiple of --attention-he"),
        ({"attention_heads": 0}, "--attention-heads must be at least 1, not 0"),
        ({"layers": 10**9}, "--layers must be at most 1000"),
        ({"head": "cross-entropy"}, "is for discrete actions"),
    ],
)
def test_sizes_that_cannot_be(change, words):
    with pytest.raises(UserError, match=words):
        Policy(CONTINUOUS, replace(SMALL, **change))


def test_regression_is_refused_for_discrete_actions():
    with pytest.raises(UserError, match="for continuous actions, and these are 3 choices"):
        Policy(DISCRETE, SMALL)


def test_an_angle_is_seen_alike_on_both_sides_of_its_wrap():
    policy = Policy(CONTINUOUS, SMALL).eval()
    observations, _ = example(policy)
    turned = {name: value.clone() for name, value in observations.items()}
    turned["observation.state"][..., 2] += 2 * torch.pi
    torch.testing.assert_close(policy(turned), policy(observations), rtol=1e-4, atol=1e-5)
    turned["observation.state"][..., 1] += 2 * torch.pi
    assert (policy(turned) - policy(observations)).abs().max() > 1e-3


def test_training_range_is_that_of_the_data(tmp_path):
    spec = replace(CONTINUOUS, observations=CONTINUOUS.observations[:1])
    state = np.array([[0, 1, 2], [4, 1, -2]], np.float32)
    action = np.array([[5, 6], [7, 8]], np.float32)
    info = EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS)
    data = MemoryRecordings(spec, [Episode(info, {"observation.state": state, "action": action})])
    policy = train(data, SMALL, TrainConfig(steps=1, device="cpu"), tmp_path / "run")
    low, high = policy.training_range["observation.state"]
    assert (low.tolist(), high.tolist()) == ([0, 1, -2], [4, 1, 2])
    assert [side.tolist() for side in policy.training_range["action"]] == [[5, 6], [7, 8]]


def test_a_linear_expert_is_recovered(tmp_path):
    rng = np.random.default_rng(0)
    gains = np.array([[3.0, -1.0], [0.5, 2.0], [0.0, 10.0]])
    data = _demonstrations(rng.uniform(-1, 1, (40, 25, 3)), lambda x: x @ gains)
    config = PolicyConfig(width=64, blocks=1)
    training = TrainConfig(steps=600, warmup=20, validate_every=100, device="cpu")
    policy = train(data, config, training, tmp_path / "run")
    x = rng.uniform(-1, 1, (200, 1, 3)).astype(np.float32)
    with torch.no_grad():
        predicted = policy({"observation.state": torch.from_numpy(x)}).numpy()
    error = np.abs(predicted - x @ gains).mean(axis=(0, 1)) / np.abs(x @ gains).mean(axis=(0, 1))
    assert (error < 0.03).all()


def _demonstrations(states, expert):
    spec = Spec(
        (Feature("observation.state", (states.shape[2],)),),
        Feature("action", (expert(states[0]).shape[1],)),
        10.0,
    )
    info = EpisodeInfo("", 10.0, outcome=Outcome.SUCCESS)
    return MemoryRecordings(
        spec,
        [
            Episode(info, {"observation.state": x.astype("f4"), "action": expert(x).astype("f4")})
            for x in states
        ],
    )


@pytest.mark.parametrize(("precision", "tolerance"), [("highest", 1e-5), ("medium", 0.1)])
def test_the_unet_trains_on_a_cpu_by_the_same_function_and_gradients_as_torchs_operators(
    precision, tolerance
):
    torch.manual_seed(0)
    network = UNet1d(Sizes(condition=12, horizon=8, sample=3, output=3), channels=(16, 32, 64))
    condition, sample = torch.randn(5, 12), torch.randn(5, 8, 3) * 4

    def run(training: bool) -> list[torch.Tensor]:
        network.train(training)
        torch.set_float32_matmul_precision(precision if training else "highest")
        inputs = [condition.clone().requires_grad_(), sample.clone().requires_grad_()]
        y = network(*inputs)
        leaves = [*inputs, *network.parameters()]
        return [y, *torch.autograd.grad(y.square().sum() + y.sum(), leaves)]

    for trained, reference in zip(run(True), run(False), strict=True):
        assert (trained - reference).norm() <= tolerance * reference.norm()
