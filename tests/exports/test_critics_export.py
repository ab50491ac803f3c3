"""What a gate of DAgger decides by goes into the file of its policy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exports.runtime.session import OnnxPolicy
from exports.to_onnx import Export
from ilrobot.control.signals import RISK, UNSAFE
from ilrobot.errors import WorkFailed
from ilrobot.learners.interactive.calling import Calling
from ilrobot.learners.interactive.safety_classifier import SafetyClassifier
from ilrobot.learners.interactive.success_critic import SuccessCritic
from tests.exports.exported import SMALL, export, frames, make_policy
from tests.ilrobot.policy_tester import CONTINUOUS, recordings

SPEC = replace(CONTINUOUS, action=replace(CONTINUOUS.action, low=(-2, -1), high=(2, 1)))
THRESHOLDS = {RISK: 0.625, UNSAFE: 0.25}


def critics():
    """Of random weights, scaled to the tester's recordings."""
    data = recordings(SPEC)
    columns = {f.name: data.column(f.name) for f in SPEC.observations}
    with torch.random.fork_rng([]):
        torch.manual_seed(3)
        risk, unsafe = SuccessCritic(SPEC), SafetyClassifier(SPEC)
        with torch.no_grad():
            for weights in (risk.twins.weights[-1], unsafe.network[-1].weight):
                weights.normal_(0.0, 2.0)  # so that they have an opinion
            risk.twins.biases[-1].zero_()
    risk.action_normalizer.fit(data.column("action"))
    for network in (risk, unsafe):
        network.fit_encoder(columns)
    return {RISK: risk, UNSAFE: unsafe}


@pytest.fixture(scope="module")
def networks():
    return critics()


@pytest.fixture(scope="module", params=[1, 3], ids=["single", "ensemble"])
def done(request, networks, tmp_path_factory):
    path = tmp_path_factory.mktemp("critics") / "policy.onnx"
    policy = make_policy(replace(SMALL, head="mse", members=request.param), SPEC)
    return export(policy, path, calling=Calling(THRESHOLDS, networks)), path


def test_the_file_says_what_the_critics_say(done, networks):
    exported, path = done
    assert isinstance(exported, Export)
    policy = OnnxPolicy(path)
    assert policy.contract.thresholds == THRESHOLDS
    assert policy.verify() == 0
    told = []
    for frame in frames(SPEC, 30):
        history = {name: np.stack([0.3 * value, value]) for name, value in frame.items()}
        chunk, signals = policy.predict(history, None)
        expected = {
            RISK: 1.0 - networks[RISK](frame, chunk[0]),
            UNSAFE: networks[UNSAFE](frame),
        }
        for name, value in expected.items():
            assert signals[name].shape == (len(chunk),)
            assert signals[name] == pytest.approx(value, abs=1e-5)
        told.append(list(expected.values()))
    assert np.ptp(told, axis=0).min() > 0.3  # they do not always say the same


def test_parity_and_promise_hold_the_critics_too(done):
    exported, _ = done
    names = list(exported.contract.signals)
    assert names[-2:] == [RISK, UNSAFE]
    for parity in (exported.parity, exported.plain_parity):
        assert list(parity.signals) == names
        assert parity.signals[RISK] < 1e-5
    assert all(list(golden.signals) == names for golden in exported.contract.golden)
    for critic in exported.contract.critics.values():
        assert 0.0 < critic.usual < 1.0


def test_it_calls_for_help_as_the_gate_would(done, networks):
    policy = OnnxPolicy(done[1])
    actor, calls = policy.actor(), []
    for frame in frames(SPEC, 30):
        actor.reset(0)
        decision = actor.act(frame, 0.0)
        risk = 1.0 - networks[RISK](frame, decision.action)
        expected = risk > THRESHOLDS[RISK] or networks[UNSAFE](frame) > THRESHOLDS[UNSAFE]
        assert decision.calls_for_help is expected
        calls.append(expected)
    assert 0 < sum(calls) < 30


def test_a_critic_that_differs_leaves_no_file(networks, tmp_path, monkeypatch):
    honest = SafetyClassifier.judge
    monkeypatch.setattr(
        SafetyClassifier,
        "judge",
        lambda self, *seen: honest(self, *seen) + 0.01 * torch.is_inference_mode_enabled(),
    )
    calling = Calling({}, {UNSAFE: networks[UNSAFE]})
    with pytest.raises(WorkFailed, match="of its unsafe; nothing was written"):
        export(make_policy(SMALL, SPEC), tmp_path / "policy.onnx", calling=calling)
    assert list(tmp_path.iterdir()) == []
