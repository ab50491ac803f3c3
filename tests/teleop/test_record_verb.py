"""``ilrobot record`` as a person runs it."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli import _main
from ilrobot.cli.options import parse_options
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Outcome
from ilrobot.env import make_env
from ilrobot.errors import UserError
from tests.called import called
from tests.exhaustive import thinned

ILROBOT = [sys.executable, "-c", "from ilrobot.cli import main; main()"]


def _operator(output: Path, task: str, *more: str) -> subprocess.CompletedProcess[str]:
    return called("record", "--task", task, "--device", "operator", "--output", str(output), *more)


def test_operator_records_grasps_that_can_be_replayed(tmp_path: Path) -> None:
    output = tmp_path / "lift"
    done = _operator(output, "ilrobot/PandaLift-v0", "--episodes", "2", "--seed", "5", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    data = Dataset.open(output)
    assert (result["episodes"], result["successes"]) == (2, 2)
    assert result["frames"] == data.num_frames
    assert result["seconds"] > 0
    assert [info.seed for info in data.infos] == [5, 6]
    info = data.infos[0]
    assert (info.operator, len(info.mapping_hash)) == ("simulated", 16)
    assert "virtual pad" in info.device

    env = make_env("ilrobot/PandaLift-v0")
    observation = env.reset(5)
    columns = data.episode(0).columns
    for tick, action in enumerate(columns["action"]):
        for name, value in observation.items():
            assert np.array_equal(value, columns[name][tick])
        observation = env.step(action).observation
    env.close()


def test_resume_adds_fresh_seeds_up_to_the_total(tmp_path: Path) -> None:
    output = tmp_path / "junction"
    task = "ilrobot/Junction-v0"
    assert _operator(output, task, "--episodes", "2").returncode == 0
    again = _operator(output, task, "--episodes", "5")
    assert again.returncode == 2
    assert "--resume" in again.stderr
    assert Dataset.open(output).num_episodes == 2
    resumed = _operator(output, task, "--episodes", "5", "--resume", "--json")
    assert json.loads(resumed.stdout.splitlines()[-1])["episodes"] == 5
    assert [info.seed for info in Dataset.open(output).infos] == [0, 1, 2, 3, 4]
    enough = _operator(output, task, "--episodes", "5", "--resume")
    assert enough.returncode == 0
    assert Dataset.open(output).num_episodes == 5


def test_resume_with_another_task_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "mixed"
    assert _operator(output, "ilrobot/PandaLift-v0", "--episodes", "1").returncode == 0
    for task in ("ilrobot/PandaReach-v0", "ilrobot/PandaPush-v0"):
        refused = _operator(output, task, "--episodes", "2", "--resume")
        assert refused.returncode == 2
        assert len(refused.stderr.strip().splitlines()) == 1
    assert Dataset.open(output).num_episodes == 1


@pytest.mark.parametrize(
    ("number", "code", "words"),
    thinned(
        [(signal.SIGINT, 130, "stopped by Ctrl-C"), (signal.SIGTERM, 143, "stopped by SIGTERM")],
        [(signal.SIGTERM, 143, "stopped by SIGTERM")],
    ),
)
def test_a_stop_keeps_the_sealed_and_the_open_episode(
    tmp_path: Path, number: int, code: int, words: str
) -> None:
    output = tmp_path / "long"
    command = [*ILROBOT, "record", "--task", "ilrobot/PandaLift-v0", "--device", "operator"]
    command += ["--episodes", "10000", "--output", str(output), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        deadline = time.monotonic() + 60
        while len(list(output.glob("data/*/*.parquet"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        run.send_signal(number)
        stdout, stderr = run.communicate(timeout=60)
    assert run.returncode == code
    assert words in stderr
    assert "Traceback" not in stderr
    outcomes = [info.outcome for info in Dataset.open(output).infos]
    assert outcomes.count(Outcome.SUCCESS) >= 2
    assert outcomes.count(Outcome.UNFINISHED) <= 1
    assert set(outcomes[:-1]) == {Outcome.SUCCESS}
    said, last = stdout.splitlines()
    assert f"{outcomes.count(Outcome.SUCCESS)} succeeded" in said
    assert json.loads(last)["successes"] == outcomes.count(Outcome.SUCCESS)
    go_on = f"Go on with: ilrobot record --task ilrobot/PandaLift-v0 --output {output} --device"
    assert f"{go_on} operator --episodes 10000 --resume --json\n" in stderr


@pytest.mark.parametrize("device", ["keyboard", "gamepad"])
def test_a_device_that_needs_a_window_needs_a_display(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    output = tmp_path / "out"
    arguments = ("--task", "ilrobot/PandaLift-v0", "--device", device)
    refused = called("record", *arguments, "--output", str(output))
    assert refused.returncode == 2
    lines = refused.stderr.strip().splitlines()
    assert len(lines) == 1, refused.stderr
    assert "needs a display" in lines[0]
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "CartPole-v1"], "ilrobot/PandaLift-v0"),
        # The rate of a task that is not ours may be corrected: what lacks is an expert.
        (["--task", "CartPole-v1", "--rate", "25"], "ilrobot/PandaLift-v0"),
        (["--task", "ilrobot/PandaLiift-v0"], "ilrobot/PandaLift-v0"),
        (
            ["--task", "ilrobot/Junction-v0", "--episodes", "0"],
            "--episodes",
        ),
        (["--task", "ilrobot/Junction-v0", "--rate", "-1"], "--rate"),
        (["--task", "ilrobot/Junction-v0", "--rate", "20"], "leave it out"),
        (["--task", "ilrobot/Junction-v0", "--seed", "-1"], "--seed"),
        (["--task", "ilrobot/Junction-v0", "--seed", f"{2**65}"], "--seed"),
        (
            ["--task", "ilrobot/Junction-v0", "--options", "nonsense"],
            "key=value",
        ),
        (
            ["--task", "ilrobot/Junction-v0", "--options", "wheels=4"],
            "wheels",
        ),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    output = tmp_path / "out"
    assert _main(["record", *arguments, "--device", "operator", "--output", str(output)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert words in lines[0]
    assert not output.exists()


@pytest.mark.parametrize(
    ("output", "words"), [("file", "is a file"), ("file/inside", "cannot be written")]
)
def test_an_output_that_cannot_be(tmp_path: Path, output: str, words: str) -> None:
    (tmp_path / "file").write_text("mine")
    refused = _operator(tmp_path / output, "ilrobot/Junction-v0", "--episodes", "1")
    assert refused.returncode == 2
    assert words in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_options_are_typed_as_they_read() -> None:
    pairs = ("engine=pybullet", "size=96", "gain=0.5", "fast=true", "slow=False", "a=[1, 2]", "b=")
    pairs += ("most=inf", "c=[0.7, Infinity]", "name=nanny")
    assert parse_options(pairs) == {
        "engine": "pybullet",
        "size": 96,
        "gain": 0.5,
        "fast": True,
        "slow": False,
        "a": [1, 2],
        "b": "",
        "most": math.inf,
        "c": [0.7, math.inf],
        "name": "nanny",
    }


@pytest.mark.parametrize("value", ["nan", "NaN", "[1.0, NaN]"])
def test_an_option_that_is_not_a_number_is_refused(value: str) -> None:
    with pytest.raises(UserError, match="nan is no number"):
        parse_options([f"instability={value}"])


@pytest.mark.parametrize("pair", ["engine", "=1", "two words=1"])
def test_options_that_are_no_pairs_are_refused(pair: str) -> None:
    with pytest.raises(UserError, match="key=value"):
        parse_options([pair])


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(UserError, match="twice"):
        parse_options(["a=1", "a=2"])
