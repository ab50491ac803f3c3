"""What `ilrobot info` says of an exported policy: everything that its contract promises."""

import json
from dataclasses import replace

import pytest

from ilrobot.cli import main
from ilrobot.control.chunking import Chunking
from ilrobot.control.contract_guards import FallbackAfter
from ilrobot.control.contract_parts import PolicyFrame, Quantized
from ilrobot.control.model_file import read_model_file, seal
from tests.exports.exported import SMALL, export, make_policy
from tests.exports.handmade import SPEC, write_policy
from tests.ilrobot.policy_tester import DISCRETE


def info(path, capsys, *more):
    with pytest.raises(SystemExit) as stop:
        main(["info", str(path), *more])
    assert stop.value.code == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    """A led sampler of two members, said to be quantised and signed."""
    path = tmp_path_factory.mktemp("exported") / "policy.onnx"
    policy = make_policy(replace(SMALL, head="flow", members=2))
    export(policy, path, chunking=Chunking("realtime", 1.0))
    contract, content = read_model_file(path)
    record = content.rindex(b"\n\x10ilrobot.contract")
    model = content[: content.rindex(b"\x72", 0, record)]
    doubt = replace(contract.doubt, threshold=0.125)
    quantized = Quantized(8, "ilrobot/PandaReach-v0", 100, 300_000, 0.91, 0.93)
    late = FallbackAfter(late=5, calling=0.5)
    path.write_bytes(
        seal(model, replace(contract, doubt=doubt, quantized=quantized, fallback_after=late))
    )
    path.with_name("policy.onnx.sig").write_bytes(bytes(64))
    return path


def test_a_person_reads_all_that_is_promised(ensemble, capsys):
    contract, _ = read_model_file(ensemble)
    said = info(ensemble, capsys)
    for feature in (*contract.spec.observations, contract.spec.action):
        assert feature.name in said or feature is contract.spec.action
        for name in feature.element_names:
            assert name in said
    bounds = contract.training_range["observation.state"]
    limits = contract.limits
    for number in (*bounds.low, *bounds.high, *limits.low, *limits.velocity, *limits.acceleration):
        assert f"{number:.4g}" in said
    for words in (
        "schema 1.6",
        "signature    there is one",
        "10 Hz",
        "2 ticks, oldest first",
        "4 actions",
        "2 of them before the next prediction, realtime:1",
        "standard normal, shape [4, 2]",
        f"its sampler's {contract.sampler_steps} steps",
        "a call for help above 0.125",
        "300 ms",
        "hold: when not finite or stale, after 5 ticks in a row late, after 0.5 s calling for help",
        "success 91.0% where full precision had 93.0%, in 100 episodes",
        "8 golden vectors, 4 of them led, kept within 1e-05 of the command range",
        f"code {contract.provenance.code[:16]}",
    ):
        assert words in said


def test_a_program_reads_the_contract(ensemble, capsys):
    contract, _ = read_model_file(ensemble)
    said = json.loads(info(ensemble, capsys, "--json").splitlines()[-1])
    stated = json.loads(json.dumps(contract.to_json()))
    assert said["golden"] == 8
    assert said["signed"] is True
    for key in ("limits", "training_range", "doubt", "quantized", "chunking", "provenance"):
        assert said[key] == stated[key]
    assert said["spec"] == stated["task"]


@pytest.mark.parametrize(
    ("turned", "words"), [(("dx", "dy"), "it sees and acts (dx, dy);"), ((), "it sees;")]
)
def test_the_frame_that_it_acts_in_is_told(turned, words, tmp_path, capsys):
    spec = replace(SPEC, action=replace(SPEC.action, names=("dx", "dy")))
    frame = PolicyFrame("cube", "goal", turned)
    path = write_policy(tmp_path / "policy.onnx", spec=spec, policy_frame=frame)
    assert f"frame        from cube towards goal, in which {words}" in info(path, capsys)
    said = json.loads(info(path, capsys, "--json").splitlines()[-1])
    assert said["policy_frame"] == {"origin": "cube", "goal": "goal", "turned": list(turned)}
    plain = write_policy(tmp_path / "plain.onnx")
    assert "frame  " not in info(plain, capsys)


def test_choices_have_no_limits(tmp_path, capsys):
    policy = make_policy(replace(SMALL, head="cross-entropy", horizon=1, execute=1), DISCRETE)
    export(policy, tmp_path / "policy.onnx")
    said = info(tmp_path / "policy.onnx", capsys)
    assert f"1 action, one of {DISCRETE.choices} choices" in said
    assert "of the choices" in said
    assert "executes" not in said
