"""The exported policy at run time: refusals, and no torch."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from exports.runtime.session import OnnxPolicy
from ilrobot.compatibility import check_policy_fits
from ilrobot.control.chunking import Chunking
from ilrobot.control.model_file import read_model_file, seal
from ilrobot.errors import UserError, WorkFailed
from tests.exports.exported import SMALL, export, frames, make_policy


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "policy.onnx"
    export(make_policy(replace(SMALL, head="diffusion")), path)
    return path


def resealed(exported, path, **changes):
    """The same graph under a contract with other contents but right digests."""
    contract, content = read_model_file(exported)
    record = content.rindex(b"\n\x10ilrobot.contract")
    model = content[: content.rindex(b"\x72", 0, record)]
    path.write_bytes(seal(model, replace(contract, **changes)))
    return path


def test_resealing_unchanged_gives_the_same_file(exported, tmp_path):
    path = resealed(exported, tmp_path / "policy.onnx")
    assert path.read_bytes() == exported.read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(exported, tmp_path, share):
    content = exported.read_bytes()
    path = tmp_path / "policy.onnx"
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"ONNX model|truncated"):
        OnnxPolicy(path)


def test_a_flipped_bit_in_the_weights_is_refused(exported, tmp_path):
    content = bytearray(exported.read_bytes())
    weights = make_policy(replace(SMALL, head="diffusion")).head.network.enter.bias
    place = content.index(weights.detach().numpy().tobytes())
    content[place + 9] ^= 0x40
    path = tmp_path / "policy.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match="graph or weights were altered"):
        OnnxPolicy(path)


def test_a_graph_that_does_not_fit_its_contract_is_refused(exported, tmp_path):
    contract, _ = read_model_file(exported)
    spec = contract.spec
    reordered = replace(spec, observations=spec.observations[::-1])
    assert OnnxPolicy(resealed(exported, tmp_path / "a.onnx", spec=reordered))  # by name, so alike
    with pytest.raises(UserError, match="its contract says"):
        OnnxPolicy(resealed(exported, tmp_path / "b.onnx", horizon=5, golden=()))


def test_permuted_and_renamed_elements_do_not_fit(exported):
    policy = OnnxPolicy(exported)
    state, target = policy.spec.observations

    def named(*names):
        return replace(state, names=names)

    mine = replace(policy.spec, observations=(named("x", "y", "angle"), target))
    check_policy_fits(mine, mine, "policy.onnx")
    for names in (("y", "x", "angle"), ("x", "z", "angle")):
        task = replace(policy.spec, observations=(named(*names), target))
        with pytest.raises(UserError, match=r"element \d of 'observation.state'"):
            check_policy_fits(mine, task, "policy.onnx")


def test_golden_vectors_that_do_not_replay_are_told(exported, tmp_path):
    contract, _ = read_model_file(exported)
    golden = tuple(replace(g, action=g.action + np.float32(0.01)) for g in contract.golden)
    policy = OnnxPolicy(resealed(exported, tmp_path / "policy.onnx", golden=golden))
    with pytest.raises(WorkFailed, match="golden inputs"):
        policy.verify()


def test_golden_vectors_that_come_out_as_nan_are_told(exported, monkeypatch):
    policy = OnnxPolicy(exported)
    predict = OnnxPolicy.predict

    def lost(self, *asked):
        given = predict(self, *asked)
        return given._replace(chunk=given.chunk * np.nan)

    monkeypatch.setattr(OnnxPolicy, "predict", lost)
    with pytest.raises(WorkFailed, match=r"golden inputs .*nan"):
        policy.verify()


def test_a_chunk_is_not_overwritten_by_the_next_prediction(exported):
    policy = OnnxPolicy(exported)
    golden = policy.contract.golden
    first = policy(golden[0].observations, golden[0].noise)
    kept = first.copy()
    policy(golden[1].observations, golden[1].noise)
    np.testing.assert_array_equal(first, kept)


def test_the_noise_follows_the_seed(exported):
    actor = OnnxPolicy(exported).actor()
    frame = frames(OnnxPolicy(exported).spec, 1)[0]

    def first_action(seed):
        actor.reset(seed)
        return actor.act(frame, 0.0).action

    np.testing.assert_array_equal(first_action(1), first_action(1))
    assert not np.array_equal(first_action(1), first_action(2))


@pytest.mark.parametrize("word", ["receding", "ensemble:0.1", "coherent:3"])
def test_chunks_are_executed_as_the_contract_says_and_as_in_training(exported, tmp_path, word):
    policy = OnnxPolicy(resealed(exported, tmp_path / "policy.onnx", chunking=Chunking.parse(word)))
    trained = make_policy(replace(SMALL, head="diffusion")).actor(Chunking.parse(word))
    by_contract, by_word = policy.actor(), OnnxPolicy(exported).actor(Chunking.parse(word))
    for actor in (trained, by_contract, by_word):
        actor.reset(3)
    for tick, frame in enumerate(frames(policy.spec, 9)):
        action = by_contract.act(frame, tick).action
        np.testing.assert_array_equal(action, by_word.act(frame, tick).action)
        np.testing.assert_allclose(action, trained.act(frame, tick).action, rtol=0, atol=2e-5)


def test_no_torch_is_loaded(exported):
    program = (
        "import sys\n"
        "from exports.runtime.session import OnnxPolicy\n"
        "import exports.runtime.loop, exports.runtime.process, exports.robots.gymnasium_robot\n"
        f"print(OnnxPolicy({str(exported)!r}).verify())\n"
        "assert not {'torch', 'onnx', 'mujoco', 'pybullet', 'pyarrow'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == 0


@pytest.mark.parametrize("known", [True, False], ids=["demonstrated", "nothing known"])
def test_a_wrong_golden_action_is_found_where_the_limits_bound_nothing(exported, tmp_path, known):
    contract, _ = read_model_file(exported)
    nothing = (np.inf,) * contract.spec.action.size
    limits = replace(contract.limits, low=tuple(-x for x in nothing), high=nothing)
    ranges = {n: r for n, r in contract.training_range.items() if known or n != "action"}
    unbounded = {"limits": limits, "training_range": ranges}
    OnnxPolicy(resealed(exported, tmp_path / "right.onnx", **unbounded)).verify()
    wrong = replace(contract.golden[0], action=contract.golden[0].action + np.float32(0.01))
    golden = (wrong, *contract.golden[1:])
    policy = OnnxPolicy(resealed(exported, tmp_path / "wrong.onnx", **unbounded, golden=golden))
    with pytest.raises(WorkFailed, match="give other actions"):
        policy.verify()
