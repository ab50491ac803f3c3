"""Weights of 8 bits are written where they do the task as well, and else there is no file."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from exports.int8 import quantize, write_int8
from exports.runtime.session import OnnxPolicy
from ilrobot.cli import int8, main
from ilrobot.control.contract_parts import Quantized
from ilrobot.data.episode import Episode, MemoryRecorder, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.env import make_env
from ilrobot.errors import WorkFailed
from ilrobot.evaluate import Evaluation
from ilrobot.learners.behavioral_cloning import train
from ilrobot.learners.config import TrainConfig
from ilrobot.policies.config import PolicyConfig
from ilrobot.rollout import EpisodeResult, rollout
from ilrobot.scripted_actor import ScriptedActor
from sims.experts import make_expert
from tests.exhaustive import thinned
from tests.exports.exported import SMALL, export, make_policy
from tests.exports.handmade import write_policy
from tests.ilrobot.policy_tester import CONTINUOUS, recordings

TASK = "ilrobot/PandaReach-v0"


@pytest.mark.parametrize(
    ("head", "network", "members"),
    thinned(
        [
            *(("mse", network, 1) for network in ("mlp", "unet", "transformer")),
            *(("flow", "mlp", 2), ("flow", "unet", 1)),
        ],
        [("mse", "unet", 1), ("mse", "transformer", 1), ("flow", "mlp", 2)],
    ),
)
def test_matrices_shrink_and_the_file_keeps_its_promises(head, network, members, tmp_path):
    config = replace(
        SMALL, head=head, network=network, members=members, width=64, channels=(32, 64)
    )
    full, small = tmp_path / "full.onnx", tmp_path / "int8.onnx"
    export(make_policy(config), full)
    contract = write_int8(full, small, Quantized(8, TASK, 10, 300_000, 0.9, 0.8))
    loaded = OnnxPolicy(small)
    assert loaded.contract.quantized == contract.quantized
    assert loaded.verify() <= contract.tolerance
    assert 1e-5 < contract.tolerance < 0.2
    assert OnnxPolicy(full).contract.quantized is None
    graph = onnx.load_model_from_string(quantize(full.read_bytes())).graph
    bodies = [a.g for node in graph.node for a in node.attribute if a.HasField("g")]
    operators = {node.op_type for part in (graph, *bodies) for node in part.node}
    assert "MatMulInteger" in operators
    assert small.stat().st_size < full.stat().st_size


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A policy that reaches."""
    folder = tmp_path_factory.mktemp("int8")
    env = make_env(TASK)
    recorder = MemoryRecorder(env.spec)
    actor = ScriptedActor(make_expert(env.env), env)
    for seed in range(10):
        rollout(env, actor, seed=seed, recorder=recorder)
    episodes = [
        Episode(replace(episode.info, outcome=Outcome.SUCCESS), episode.columns)
        for episode in recorder.episodes
    ]
    dataset = write_episodes(folder / "data", env.spec, episodes)
    training = TrainConfig(steps=600, batch_size=128, device="cpu", held_out=0.0)
    train(dataset, PolicyConfig(width=64, blocks=1), training, folder / "run")
    return folder


@pytest.fixture
def few_are_enough(monkeypatch):
    """Which show little, and take less long."""
    monkeypatch.setattr(int8, "LEAST_EPISODES", 1)


def call(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, arguments)])
    return stop.value.code


def export_int8(run, output, *more):
    return call("export", "--policy", run, "--output", output, "--int8", "--episodes", 8, *more)


@pytest.mark.usefixtures("few_are_enough")
def test_it_is_written_with_what_both_did(run_folder, tmp_path, capsys):
    assert export_int8(run_folder / "run", tmp_path / "policy.onnx", "--json") == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])["quantized"]
    quantized = OnnxPolicy(tmp_path / "policy.onnx").contract.quantized
    assert vars(quantized) == said
    assert (quantized.bits, quantized.task, quantized.episodes) == (8, TASK, 8)
    assert quantized.full_success > 0
    assert [file.name for file in tmp_path.iterdir()] == ["policy.onnx"]


@pytest.mark.usefixtures("few_are_enough")
def test_it_is_refused_where_it_does_worse(run_folder, tmp_path, capsys, monkeypatch):
    honest = quantize

    def quantized_to_nothing(model):
        proto = onnx.load_model_from_string(model)
        for weight in proto.graph.initializer:
            if len(weight.dims) == 2:
                zeros = np.zeros_like(onnx.numpy_helper.to_array(weight))
                weight.CopyFrom(onnx.numpy_helper.from_array(zeros, weight.name))
        return honest(proto.SerializeToString())

    monkeypatch.setattr("exports.int8.quantize", quantized_to_nothing)
    assert export_int8(run_folder / "run", tmp_path / "policy.onnx") == 1
    assert "int8 succeeds in 0.0% of 8 episodes" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("successes", "ships"), [(27, False), (28, True), (47, True)])
def test_only_a_lower_success_is_refused(successes, ships, tmp_path, monkeypatch):
    """Of 36 in 100, whose interval is 27.3 to 45.8 %."""
    done = {"full": 36, "int8": successes}

    def counted(file, episodes):
        def came_to(seed):
            success = seed < done[file.stem]
            outcome = Outcome.SUCCESS if success else Outcome.TIMEOUT
            return EpisodeResult(seed, outcome, success, 0.0, 0.0, 1, 0, 0, 0)

        return Evaluation(tuple(map(came_to, range(episodes))))

    monkeypatch.setattr(int8, "_evaluate", counted)
    full, target = write_policy(tmp_path / "full.onnx"), tmp_path / "policy.onnx"
    if ships:
        assert int8.ship_int8(full, target, 100).success == successes / 100
    else:
        with pytest.raises(WorkFailed, match=r"int8 succeeds in 27.0% .* full precision in 36.0%"):
            int8.ship_int8(full, target, 100)
    assert target.exists() == ships


@pytest.mark.usefixtures("few_are_enough")
def test_success_that_nobody_has_or_judges_ships_nothing(run_folder, tmp_path, capsys, monkeypatch):
    class Failed:
        judged, successes = True, 0

    monkeypatch.setattr(int8, "_evaluate", lambda *_: Failed)
    assert export_int8(run_folder / "run", tmp_path / "policy.onnx") == 1
    assert "none of 8 episodes" in capsys.readouterr().err
    Failed.judged = False
    assert export_int8(run_folder / "run", tmp_path / "policy.onnx") == 1
    assert "nobody judges success" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("few_are_enough")
def test_without_a_task_nothing_is_begun(tmp_path, capsys):
    spec = replace(CONTINUOUS, task="", task_options={})
    data = recordings(spec)
    training = TrainConfig(steps=2, batch_size=8, device="cpu", held_out=0.0)
    train(data, PolicyConfig(width=16, blocks=1), training, tmp_path / "run")
    assert export_int8(tmp_path / "run", tmp_path / "policy.onnx") == 2
    assert "names no task to try it on" in capsys.readouterr().err
    assert not (tmp_path / "policy.onnx").exists()


def test_episodes_are_for_int8(run_folder, tmp_path, capsys):
    arguments = ("--policy", run_folder / "run", "--output", tmp_path / "policy.onnx")
    assert call("export", *arguments, "--episodes", 3) == 2
    assert "--episodes is for --int8" in capsys.readouterr().err
    assert call("export", *arguments, "--int8", "--episodes", 0) == 2
    assert "--episodes must be from 1" in capsys.readouterr().err
    assert call("export", *arguments, "--int8", "--episodes", 49) == 2
    assert "give at least 50" in capsys.readouterr().err
