"""``ilrobot train`` as a person types it."""

import json

import numpy as np
import pytest

from ilrobot.cli import main
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.writing import write_episodes
from ilrobot.policies.loading import load_policy
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE, recordings


@pytest.fixture
def dataset(tmp_path):
    return _write(tmp_path / "data", CONTINUOUS)


def _write(path, spec, outcome=Outcome.SUCCESS, spoil=None):
    data = recordings(spec)
    names = (*spec.observation_names, "action")
    episodes = []
    for start, end in zip(data.starts[:-1], data.starts[1:], strict=True):
        columns = {name: data.column(name)[start:end].copy() for name in names}
        if spoil:
            spoil(columns)
        info = EpisodeInfo("test", spec.rate, outcome=outcome)
        episodes.append(Episode(info, {k: _narrow(v) for k, v in columns.items()}))
    write_episodes(path, spec, episodes)
    return path


def _narrow(values):
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def _run(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["train", *map(str, arguments)])
    return stop.value.code


def test_train_bc_and_diffusion(dataset, tmp_path, capsys):
    for policy, more in (("bc", ()), ("diffusion", ("--horizon", "4", "--execute", "2"))):
        output = tmp_path / policy
        code = _run(
            *("--dataset", dataset, "--policy", policy, "--output", output, "--steps", "20"),
            *("--width", "16", "--json", *more),
        )
        out = capsys.readouterr().out
        assert code == 0
        assert str(output / "policy.pt") in out
        assert "ilrobot eval --policy" in out
        result = json.loads(out.splitlines()[-1])
        assert result["steps"] == 20
        assert result["output"] == str(output)
        assert result.keys() >= {"seconds", "loss", "validation_loss", "parameters"}
        trained = load_policy(output)
        assert trained.config.width == 16
        assert result["parameters"] == sum(p.numel() for p in trained.parameters())


def test_discrete_actions_are_classified_by_default(tmp_path):
    dataset = _write(tmp_path / "data", DISCRETE)
    output = tmp_path / "run"
    assert _run("--dataset", dataset, "--policy", "bc", "--output", output, "--steps", "2") == 0
    assert load_policy(output).config.loss == "cross-entropy"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--policy", "bc", "--steps", "-1"], "--steps must be at least 1, not -1"),
        (["--policy", "bc", "--history", "0"], "--history must be at least 1, not 0"),
        (["--policy", "bc", "--execute", "2"], "--execute 2 is more than"),
        (["--policy", "bc", "--batch-size", "0"], "--batch-size"),
        (["--policy", "diffusion", "--loss", "mse"], "--loss is for --policy bc"),
        (["--policy", "diffusion", "--ddim-steps", "0"], "--ddim-steps"),
        (["--policy", "diffusion", "--network", "unet", "--horizon", "10"], "multiple of 4"),
    ],
)
def test_settings_that_cannot_be_are_one_line_and_write_nothing(
    arguments, words, dataset, tmp_path, capsys
):
    assert _run("--dataset", dataset, "--output", tmp_path / "run", *arguments) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert error.startswith("ilrobot: ")
    assert "\n" not in error
    assert not (tmp_path / "run").exists()


def test_bad_datasets_are_one_line(tmp_path, capsys):
    def spoil(columns):
        columns["action"][3, 1] = np.nan

    failed = _write(tmp_path / "failed", CONTINUOUS, Outcome.FAILURE)
    spoiled = _write(tmp_path / "spoiled", CONTINUOUS, spoil=spoil)
    for dataset, words in (
        (failed, "nothing to learn from: its episodes ended as 6 failure"),
        (spoiled, "'action' is not finite at episode 0, frame 3"),
        (tmp_path / "nowhere", "nowhere"),
    ):
        output = tmp_path / "run"
        assert _run("--dataset", dataset, "--policy", "bc", "--output", output) == 2
        error = capsys.readouterr().err.strip()
        assert words in error
        assert "\n" not in error
        assert not output.exists()


def test_a_finished_run_is_kept_and_resume_takes_it_as_it_is(dataset, tmp_path, capsys):
    command = ("--dataset", dataset, "--policy", "bc", "--output", tmp_path / "run", "--steps", "3")
    assert _run(*command) == 0
    content = (tmp_path / "run" / "policy.pt").read_bytes()
    assert _run(*command) == 2
    assert "already holds a run; go on with it by --resume" in capsys.readouterr().err
    assert _run(*command, "--resume") == 0
    assert (tmp_path / "run" / "policy.pt").read_bytes() == content
