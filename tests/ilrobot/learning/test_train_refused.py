"""What ``ilrobot train`` refuses, and what it cannot do on this machine, in one line."""

import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from ilrobot.cli import main
from ilrobot.data.episode import Outcome
from tests.forked import Forked
from tests.ilrobot.learning.train_verb import run_train, write_dataset
from tests.ilrobot.policy_tester import CONTINUOUS


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "bc", "--steps", "-1"], "--steps must be at least 1, not -1"),
        (["--policy", "bc", "--history", "0"], "--history must be at least 1, not 0"),
        (["--policy", "bc", "--execute", "2"], "--execute 2 is more than"),
        (["--policy", "bc", "--batch-size", "0"], "--batch-size"),
        (["--policy", "bc", "--batch-size", "1000000000000"], "--batch-size must be at most"),
        (["--policy", "bc", "--width", "1000000000"], "--width must be at most"),
        (["--policy", "bc", "--width", "65536", "--blocks", "1000"], "GB to be trained"),
        (["--policy", "bc", "--history", "1000000"], "--history must be at most"),
        (["--policy", "bc", "--horizon", "1000000"], "--horizon must be at most"),
        (["--policy", "bc", "--seed", "-1"], "--seed must be at least 0"),
        (["--policy", "bc", "--seed", str(2**63)], "--seed must be at most"),
        (
            ["--policy", "bc", "--sampler-steps", "5"],
            "is for --head diffusion or flow",
        ),
        (["--policy", "mip", "--sampler-steps", "5"], "this is mip; leave it out"),
        (
            ["--policy", "flow", "--solver", "dpm"],
            "for --head diffusion, and this is flow",
        ),
        (
            ["--policy", "bc", "--prediction", "sample"],
            "--prediction is for --head diffusion",
        ),
        (["--policy", "bc", "--kl-weight", "0.1"], "--kl-weight is for --head cvae"),
        (["--policy", "bc", "--head", "cvae", "--kl-weight", "-1"], "--kl-weight must be at least"),
        (["--policy", "bc", "--latent", "drawn"], "--latent is for --head cvae, and this is mse"),
        (["--policy", "bc", "--channels", "8"], "--channels is for --network unet"),
        (
            ["--policy", "bc", "--prefix-delay", "1"],
            "--prefix-delay is for --head diffusion or flow",
        ),
        (["--policy", "flow", "--prefix-delay", "9"], "--prefix-delay must be within 0 and 8"),
        (
            ["--policy", "diffusion", "--network", "unet", "--width", "8"],
            "--width is for --network mlp or transformer or rnn, and this is unet",
        ),
        (
            ["--policy", "diffusion", "--head", "mse", "--sampler-steps", "5"],
            "--sampler-steps is for",
        ),
        (["--policy", "diffusion", "--sampler-steps", "0"], "--sampler-steps"),
        (
            ["--policy", "diffusion", "--normalize", "standardize"],
            "--head diffusion ends there; take limits or quantile",
        ),
        (["--policy", "bc", "--patience", "-1"], "--patience must be at least 0, not -1"),
        (
            ["--policy", "bc", "--patience", "3", "--held-out", "0"],
            "there are none: --held-out is 0",
        ),
        (["--policy", "bc", "--ema", "1"], "--ema must be at least 0 and less than 1, not 1"),
        (["--policy", "diffusion", "--network", "unet", "--horizon", "10"], "multiple of 4"),
    ],
)
def test_settings_that_cannot_be_are_one_line_and_write_nothing(
    arguments, words, dataset, tmp_path, capsys
):
    assert run_train("--dataset", dataset, "--output", tmp_path / "run", *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.startswith("ilrobot: ")
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_bad_datasets_are_one_line(tmp_path, capsys):
    def spoil(columns):
        columns["action"][3, 1] = np.nan

    failed = write_dataset(tmp_path / "failed", CONTINUOUS, Outcome.FAILURE)
    spoiled = write_dataset(tmp_path / "spoiled", CONTINUOUS, spoil=spoil)
    for dataset, words in (
        (failed, "nothing to learn from: its episodes ended as 6 failure"),
        (spoiled, "'action' is not finite at episode 0, frame 3"),
        (tmp_path / "nowhere", "nowhere"),
    ):
        output = tmp_path / "run"
        assert run_train("--dataset", dataset, "--policy", "bc", "--output", output) == 2
        error = capsys.readouterr().err.strip()
        assert words in error
        assert "\n" not in error
        assert not output.exists()


@pytest.mark.parametrize("place", ["file", "file/run", "mine"])
def test_an_output_that_cannot_be_is_one_line(place, dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    assert run_train("--dataset", dataset, "--policy", "bc", "--output", tmp_path / place) == 2
    error = capsys.readouterr().err
    assert place in error
    assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def _train_on_a_full_disk(limit: int, arguments: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    main(arguments)


def _train_in_little_memory(arguments: list[str]) -> None:
    torch.set_num_threads(1)
    torch.zeros(1000, 1000) @ torch.zeros(1000, 1000)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30,) * 2)
    main(arguments)


def test_too_little_memory_is_one_line_and_work_that_failed(dataset, tmp_path):
    command = ["train", "--dataset", str(dataset), "--policy", "bc", "--batch-size", "65536"]
    command += ["--history", "1000", "--width", "8", "--output", str(tmp_path / "run")]
    errors = tmp_path / "errors"
    code = Forked(_train_in_little_memory, command, errors=errors).wait()
    said = errors.read_text()
    assert code == 1, said
    assert "not enough memory for this training; take a smaller --batch-size" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("limit", [600, 20_000])
def test_a_full_disk_is_one_line_and_work_that_failed(limit, dataset, tmp_path):
    """In 600 bytes the line fits and nothing else, in 20,000 the description but no checkpoint."""
    run, errors = tmp_path / "run", tmp_path / "errors"
    command = ["train", "--dataset", str(dataset), "--policy", "bc", "--steps", "50"]
    command += ["--output", str(run)]
    code = Forked(_train_on_a_full_disk, limit, command, errors=errors).wait()
    told = errors.read_text()
    assert code == 1, told
    # A slow machine tells of its progress, too.
    said = [line for line in told.splitlines() if not line.startswith("training ")]
    assert len(said) == 1, told
    assert "File too large" in said[0]
    assert (run / "run.json").exists() is (limit == 20_000)
    assert not list(run.glob("*.part"))


@pytest.mark.parametrize("time", ["10", "soon", "-5m", "0s", "1d", "١m", ""])
def test_a_time_that_is_none_is_one_line(time, dataset, tmp_path, capsys):
    command = ("--dataset", dataset, "--policy", "bc", "--output", tmp_path / "run")
    assert run_train(*command, f"--time-budget={time}") == 2
    error = capsys.readouterr().err
    assert f"--time-budget takes a time such as 90s, 10m or 1h, not '{time}'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_steps_and_a_time_are_one_too_many(dataset, tmp_path, capsys):
    both = ("--steps", "5", "--time-budget", "1m")
    assert (
        run_train("--dataset", dataset, "--policy", "bc", "--output", tmp_path / "run", *both) == 2
    )
    assert "--steps and --time-budget both say how long" in capsys.readouterr().err


def test_a_teacher_that_cannot_teach_is_refused_before_any_plan(tmp_path, capsys):
    dataset = write_dataset(tmp_path / "data", CONTINUOUS)
    given = ("--dataset", dataset, "--steps", "1", "--width", "16")
    assert run_train(*given, "--policy", "bc", "--output", tmp_path / "bc") == 0
    capsys.readouterr()
    learn = ("--policy", "flow", "--distill", tmp_path / "bc", "--output", tmp_path / "flow")
    assert run_train(*given, *learn) == 2
    said, refused = capsys.readouterr()
    assert "its head is mse" in refused
    assert said == ""
