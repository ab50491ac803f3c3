"""A sampler that is led in the file as in the trained policy."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from exports.graph import trace
from exports.runtime.session import OnnxPolicy
from ilrobot.control.chunking import Chunking
from ilrobot.control.drawing import Guide
from ilrobot.errors import UserError, WorkFailed
from ilrobot.policies.heads.prefix import Prefix
from tests.exhaustive import thinned
from tests.exports.exported import SMALL, export, frames, make_policy
from tests.exports.handmade import write_policy
from tests.exports.resealed import sealed

CONFIG = replace(SMALL, horizon=5)
LED = [
    (replace(CONFIG, head="diffusion", solver="ddpm"), "realtime"),
    (replace(CONFIG, head="mip", horizon=6), "warm"),
    (replace(CONFIG, head="flow", horizon=6, prefix_delay=2), "realtime:2"),
    (replace(CONFIG, head="flow", members=2), "realtime:2"),
    (replace(CONFIG, head="flow", network="unet", horizon=6, prefix_delay=2), "realtime:2"),
]


def act(actor, spec, count=9):
    actor.reset(3)
    return np.stack([actor.act(frame, 0.0).action for frame in frames(spec, count)])


def in_a_quick_thread(policy):
    """An actor that predicts in the background, with an answer as soon as it asks."""
    actor = policy.actor(background=True)
    ask, wait = actor.inference.ask, actor.inference.wait

    def ask_and_wait(*question):
        ask(*question)
        wait(60.0)

    actor.inference.ask = ask_and_wait
    return actor


@pytest.mark.parametrize(
    ("config", "word"),
    thinned(LED, LED[1:3]),
)
def test_a_led_policy_acts_as_it_was_trained(config, word, tmp_path):
    policy, chunking = make_policy(config), Chunking.parse(word)
    done = export(policy, tmp_path / "policy.onnx", chunking=chunking)
    assert done.parity.holds
    loaded = OnnxPolicy(tmp_path / "policy.onnx")
    assert (loaded.contract.chunking, loaded.contract.sampler_steps) == (
        chunking,
        policy.sampler_steps,
    )
    assert loaded.verify() == 0
    guides = [golden.guide for golden in loaded.contract.golden]
    assert guides[:4] == [None] * 4
    assert None not in guides[4:]
    kept = slice(int(chunking.number))  # ticks in every step, or steps over all of the plan
    led = guides[4].weights
    assert (led[:, kept] == 1).all() if chunking.mode == "realtime" else (led[kept, :4] == 1).all()
    trained = act(policy.actor(chunking), policy.spec)
    np.testing.assert_allclose(act(loaded.actor(), policy.spec), trained, rtol=0, atol=5e-5)
    threaded = act(in_a_quick_thread(loaded), policy.spec)
    np.testing.assert_allclose(threaded, trained, rtol=0, atol=5e-5)
    free = act(policy.actor(), policy.spec)
    assert not np.allclose(trained, free, atol=1e-3)
    plain = act(loaded.actor(Chunking("receding")), policy.spec)
    np.testing.assert_allclose(plain, free, rtol=0, atol=5e-5)
    inputs = [item.name for item in onnx.load(tmp_path / "policy.onnx").graph.input]
    assert inputs[-2:] == ["prefix", "prefix_weights"]


def test_a_graph_that_does_not_hear_what_is_kept_leaves_no_file(tmp_path, monkeypatch):
    """It differs in the chunks after the first alone: what is kept is told then, free else."""
    config = replace(CONFIG, head="flow", n_obs=1, horizon=6, prefix_delay=2)
    told = Prefix.given

    def deaf(self, condition, guidance):
        heard, led = told(self, condition, guidance)
        silence = condition.new_zeros(len(condition), heard.shape[1] - condition.shape[1])
        return torch.cat([condition, silence], 1), led

    def traced(*asked, **how):
        with monkeypatch.context() as patch:
            patch.setattr(Prefix, "given", deaf)
            return trace(*asked, **how)

    monkeypatch.setattr("exports.to_onnx.trace", traced)
    with pytest.raises(WorkFailed, match="the exported graph differs"):
        export(make_policy(config), tmp_path / "p.onnx", chunking=Chunking.parse("realtime:2"))
    assert list(tmp_path.iterdir()) == []


def test_golden_vectors_hold_a_file_to_how_it_is_led(tmp_path):
    path = write_policy(tmp_path / "policy.onnx")
    assert OnnxPolicy(path).verify() == 0
    change = {"action": np.zeros((4, 2)).tolist()}
    sealed(path, path, lambda contract: contract["golden_led"][0].update(change))
    with pytest.raises(WorkFailed, match="golden inputs give other actions"):
        OnnxPolicy(path).verify()


def test_a_file_that_was_exported_otherwise_cannot_be_led(tmp_path):
    export(make_policy(replace(CONFIG, head="flow")), tmp_path / "policy.onnx")
    loaded = OnnxPolicy(tmp_path / "policy.onnx")
    with pytest.raises(UserError, match="exported with --chunks warm"):
        loaded.actor(Chunking.parse("warm"))
    guide = Guide(np.zeros((5, 2), np.float32), np.ones((3, 5), np.float32))
    golden = loaded.contract.golden[0]
    with pytest.raises(ValueError, match="cannot be led"):
        loaded(golden.observations, golden.noise, guide)
