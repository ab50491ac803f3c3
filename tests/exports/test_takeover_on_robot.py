"""A person with a pad beside the policy on a robot: they take over, let go and end it."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from exports.runtime.tick_reading import read_ticks
from ilrobot.cli import main
from ilrobot.control.contract_parts import Limits, Range
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.env import make_env
from teleop.hands import bound_mapping
from tests.exports.identity import constant_policy
from tests.ilrobot.control.contracts import contract_for

TASK = "ilrobot/PointPath-v0"


@pytest.fixture
def policy(tmp_path):
    """Wants nothing, so that what moves is the person's."""
    env = make_env(TASK)
    spec = env.spec
    env.close()
    low, high = spec.action.low, spec.action.high
    limits = Limits(("absolute",) * spec.action.size, low, high, (1e3,), (1e5,))
    ranges = {f.name: Range((-1e3,) * f.size, (1e3,) * f.size) for f in spec.observations}
    contract = replace(
        contract_for(spec, limits),
        **{"n_obs": 1, "horizon": 1, "execute": 1, "golden": (), "training_range": ranges},
    )
    constant_policy(tmp_path / "policy.onnx", contract)
    return tmp_path / "policy.onnx"


def begun(policy, log, how, *arguments):
    """The process, once the loop waits for its person."""
    words = (log, how, "--policy", policy, "--json", *arguments)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.exports.pad_person", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = []
    while (line := process.stderr.readline()) and not line.startswith("running"):
        said.append(line)
    assert line, said
    return process


def deploy(policy, log, how, *arguments):
    return ended(begun(policy, log, how, *arguments))


def ended(process):
    out, err = process.communicate(timeout=120)
    assert out, err
    return process.returncode, json.loads(out.splitlines()[-1]), err


def who(log):
    ticks = read_ticks(log)
    return np.array(ticks.layout.sources)[ticks.rows["source"]], ticks


def test_a_person_takes_over_lets_go_and_declares_success_and_all_is_data(policy, tmp_path):
    log, data = tmp_path / "run.ticks", tmp_path / "data"
    code, result, said = deploy(policy, log, "success", "--record", data)
    assert code == 0, said
    assert result["recorded"] == ["success"]
    sources, ticks = who(log)
    acting = sources[~ticks.had("coming_to_rest")]
    human = acting == "human"
    first, last = np.flatnonzero(human)[[0, -1]]
    assert set(acting[:first]) == {"policy"}
    assert set(acting[last + 1 :]) <= {"blend", "policy"}
    assert acting[-1] == "policy"
    assert np.abs(ticks.rows["command"][: len(acting)][human]).max() > 0.01
    dataset = Dataset.open(data)
    episode = dataset.episode(0)
    assert [str(source) for source in episode.columns["control.source"]] == acting.tolist()
    np.testing.assert_array_equal(episode.columns["intervention"], human)
    assert np.isfinite(episode.columns["control.human_action"][human]).all()
    assert episode.info.outcome is Outcome.SUCCESS
    assert "pad" in episode.info.device


def test_the_left_trigger_is_an_emergency_stop(policy, tmp_path):
    code, result, said = deploy(policy, tmp_path / "run.ticks", "stop", "--episodes", "3")
    assert code == 1, said
    assert result["stopped_by"] == "emergency stop (button)"
    assert len(result["episode_results"]) == 1


def test_a_person_has_the_buttons_that_they_recorded_with(policy, tmp_path):
    bindings, data = tmp_path / "mine.toml", tmp_path / "data"
    bindings.write_text('[controls]\nsuccess = "y"\nfailure = "start"\nnext_camera = "back"\n')
    code, result, said = deploy(
        *(policy, tmp_path / "run.ticks", "success"),
        *("--bindings", bindings, "--record", data),
    )
    assert code == 0, said
    assert result["recorded"] == ["failure"]
    spec = Dataset.open(data).spec
    assert Dataset.open(data).episode(0).info.mapping_hash == bound_mapping(spec, bindings).hash


@pytest.mark.parametrize(
    ("device", "text", "words"),
    [
        (["--device", "operator"], "[controls]\nrewind = []", "the emergency stop of a robot"),
        (["--device", "gamepad"], "[controls]\nhalt = 'b'", "halt"),
        ([], "", "--bindings is for a person's hand: --device"),
    ],
)
def test_bindings_that_do_not_serve_on_a_robot_are_refused(
    policy, tmp_path, capsys, device, text, words
):
    bindings = tmp_path / "mine.toml"
    bindings.write_text(text)
    arguments = ["--policy", str(policy), *device, "--bindings", str(bindings)]
    with pytest.raises(SystemExit) as caught:
        main(["deploy", *arguments])
    assert caught.value.code == 2
    said = capsys.readouterr().err
    assert words in said
    assert "\n" not in said.strip()


def test_an_emergency_stop_ends_the_waiting_for_a_person(policy, tmp_path):
    process = begun(policy, tmp_path / "run.ticks", "wait", "--episodes", "3")
    process.send_signal(signal.SIGUSR1)
    code, result, said = ended(process)
    assert code == 1, said
    assert result["stopped_by"] == "emergency stop (signal SIGUSR1)"
    assert result["ticks"] == 0
