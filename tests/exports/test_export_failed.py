"""A file that would not do what the policy does is not written, and none is lost for it."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from exports import parity as parity_module
from exports.real_data import observation_windows
from exports.runtime.session import BoundSession, OnnxPolicy
from ilrobot.control.chunking import Chunking
from ilrobot.control.drawing import Prediction
from ilrobot.errors import Terminated, UserError, WorkFailed
from ilrobot.policies.heads.flow import FlowHead
from ilrobot.policies.policy import Policy
from tests.exhaustive import thinned
from tests.exports.exported import SMALL, export, make_policy
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE, recordings


def test_an_ensemble_whose_doubt_differs_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(parity_module, "ROUNDING", {"doubt": -1.0, "novelty": 1.0})
    with pytest.raises(WorkFailed, match=r"of its doubt; .* of its novelty; nothing was written"):
        export(make_policy(replace(SMALL, members=2)), tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["optimized", "plain"])
def test_both_graphs_are_held_to_the_policy(how, tmp_path, monkeypatch):
    """As ONNX Runtime rewrites it and as it is written, and free as well as led."""
    honest = BoundSession.__init__
    broken = how == "optimized"

    def init(self, model, contract, *, optimized=True):
        honest(self, model, contract, optimized=optimized)
        self.broken = optimized is broken

    def drifting(self, *asked):
        given = predict(self, *asked)
        return given._replace(chunk=given.chunk + np.float32(1e-2)) if self.broken else given

    predict = BoundSession.predict
    monkeypatch.setattr(BoundSession, "__init__", init)
    monkeypatch.setattr(BoundSession, "predict", drifting)
    words = "the exported graph differs" if broken else "graph as it is written differs"
    with pytest.raises(WorkFailed, match=words):
        export(make_policy(), tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_sampler_that_is_nan_only_where_it_is_led_leaves_no_file(tmp_path, monkeypatch):
    predict = BoundSession.predict

    def lost(self, history, noise, guide=None):
        given = predict(self, history, noise, guide)
        return given if guide is None else given._replace(chunk=given.chunk * np.nan)

    monkeypatch.setattr(BoundSession, "predict", lost)
    with pytest.raises(WorkFailed, match="nan of the command range"):
        export(
            make_policy(replace(SMALL, head="flow")),
            tmp_path / "policy.onnx",
            chunking=Chunking("realtime", 1.0),
        )


def test_a_graph_that_differs_leaves_no_file(tmp_path, monkeypatch):
    for name in ("TOLERANCE", "MOST_TOLERANCE"):
        monkeypatch.setattr(parity_module, name, -1.0)
    with pytest.raises(WorkFailed, match="differs from the trained policy"):
        export(make_policy(), tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


class _Rounds(Policy):
    """Differs by so much where it is asked for more than one window."""

    apart = 0.0

    def opinions(self, observations, *asked):
        chunks, members = super().opinions(observations, *asked)
        many = len(next(iter(observations.values()))) > 1
        return chunks + self.apart * many, members


@pytest.mark.parametrize(("apart", "tolerance"), [(0.0, 1e-5), (2e-5, 8e-5), (2e-2, 1e-3)])
def test_a_policy_that_rounds_more_may_differ_more_up_to_a_limit(apart, tolerance):
    torch.manual_seed(0)
    policy = _Rounds(CONTINUOUS, SMALL).eval()
    policy.apart = apart
    windows = observation_windows(recordings(CONTINUOUS), CONTINUOUS, SMALL.n_obs, 20)

    def predict(further):
        def predicted(history, *_):
            given = policy({name: torch.from_numpy(w[None]) for name, w in history.items()})
            return Prediction(given[0].detach().numpy() + np.float32(further))

        return predicted

    samples, scale = parity_module.Samples(windows), np.ones(2)
    for further, holds in ((0.4 * tolerance, True), (2e-2 + 1.5 * tolerance, False)):
        found = parity_module.measure_parity(policy, predict(-further), samples, scale)
        assert found.holds is (holds and apart < 1e-2)
    assert found.tolerance == pytest.approx(tolerance, rel=0.2)


def test_choices_that_differ_are_told_as_such():
    policy = make_policy(spec=DISCRETE, config=replace(SMALL, head="cross-entropy"))
    windows = observation_windows(recordings(DISCRETE), DISCRETE, policy.config.n_obs, 20)
    wrong = np.full(policy.config.horizon, -1)
    found = parity_module.measure_parity(
        policy, lambda *_: Prediction(wrong), parity_module.Samples(windows), None
    )
    assert not found.holds
    assert str(found) == "1 of the choices on 20 real observations are others"


def test_a_sampler_that_was_exported_wrongly_is_caught(tmp_path, monkeypatch):
    honest = FlowHead.step

    def drifting(self, state, row, condition, *lead):
        drift = 1e-3 if torch.compiler.is_exporting() else 0.0
        return tuple(part + drift for part in honest(self, state, row, condition, *lead))

    monkeypatch.setattr(FlowHead, "step", drifting)
    with pytest.raises(WorkFailed, match="nothing was written"):
        export(make_policy(replace(SMALL, head="flow")), tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


def test_weights_of_nan_leave_no_file(tmp_path):
    policy = make_policy()
    with torch.no_grad():
        next(policy.parameters()).fill_(float("nan"))
    with pytest.raises(WorkFailed, match="nothing was written"):
        export(policy, tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_keeps_the_file_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "policy.onnx"
    path.write_bytes(b"precious")
    for name in ("TOLERANCE", "MOST_TOLERANCE"):
        monkeypatch.setattr(parity_module, name, -1.0)
    with pytest.raises(WorkFailed):
        export(make_policy(), path)
    assert path.read_bytes() == b"precious"


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    for path, words in (
        (tmp_path / "file/policy.onnx", "cannot be written"),
        (tmp_path / "x.pt", "end"),
    ):
        with pytest.raises(UserError, match=words):
            export(make_policy(), path)


def test_a_finished_file_that_acts_otherwise_is_told_without_the_file_that_is_gone(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(OnnxPolicy, "golden_error", lambda _: 0.5)
    with pytest.raises(WorkFailed, match=r"the finished file .* \(0\.5 of") as caught:
        export(make_policy(), tmp_path / "policy.onnx")
    assert ".part" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "raised"),
    thinned(
        [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)],
        [(signal.SIGTERM, Terminated)],
    ),
)
def test_a_signal_in_the_midst_of_tracing_ends_the_export(number, raised, tmp_path, monkeypatch):
    honest = Policy.decode

    def interrupted(self, *given):
        if torch.compiler.is_exporting():
            os.kill(os.getpid(), number)
        return honest(self, *given)

    monkeypatch.setattr(Policy, "decode", interrupted)
    before = signal.getsignal(number)
    with pytest.raises(raised):
        export(make_policy(), tmp_path / "policy.onnx")
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is before
