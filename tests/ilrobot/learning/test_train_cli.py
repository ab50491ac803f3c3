"""``ilrobot train`` as a person types it."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.cli import main
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.known_tasks import PUSHT
from ilrobot.data.writing import write_episodes
from ilrobot.learners import behavioral_cloning
from ilrobot.learners.config import PRESETS
from ilrobot.policies.config import USED_BY_HEAD
from ilrobot.policies.loading import load_policy
from ilrobot.run import Run
from ilrobot.spec import Feature, Spec
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE, recordings

ROOT = Path(__file__).parents[3]


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


def test_train_with_every_preset(dataset, tmp_path, capsys):
    for policy in PRESETS:
        more = () if policy == "bc" else ("--horizon", "4", "--execute", "2")
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


def test_an_ensemble_is_one_run_that_info_tells_of(dataset, tmp_path, capsys):
    output = tmp_path / "five"
    code = _run(
        *("--dataset", dataset, "--policy", "bc", "--output", output, "--steps", "5"),
        *("--width", "16", "--members", "5"),
    )
    assert code == 0
    assert load_policy(output).config.members == 5
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["info", str(output)])
    assert "members: 5" in capsys.readouterr().out
    code = _run("--dataset", dataset, "--policy", "bc", "--output", output, "--members", "101")
    assert code == 2
    assert "--members must be at most 100, not 101" in capsys.readouterr().err


def test_the_next_step_names_a_task_that_known_data_fit(tmp_path, capsys):
    spec = Spec(
        (Feature("observation.state", (5,), **PUSHT.state),),
        Feature("action", (2,), **PUSHT.action),
        rate=PUSHT.rate,
    )
    sizes = {"observation.state": 5, "action": 2}
    columns = {name: np.ones((20, size), "f4") for name, size in sizes.items()}
    info = EpisodeInfo("test", spec.rate, outcome=Outcome.SUCCESS)
    write_episodes(tmp_path / "data", spec, [Episode(info, columns)] * 2)
    dataset, run = tmp_path / "data", tmp_path / "run"
    assert _run("--dataset", dataset, "--policy", "bc", "--output", run, "--steps", "2") == 0
    said = f"ilrobot eval --policy {run} --task ilrobot/PushT-v0\n"
    assert said in capsys.readouterr().out


def test_discrete_actions_are_classified_by_default(tmp_path):
    dataset = _write(tmp_path / "data", DISCRETE)
    output = tmp_path / "run"
    assert _run("--dataset", dataset, "--policy", "bc", "--output", output, "--steps", "2") == 0
    assert load_policy(output).config.head == "cross-entropy"


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
        (["--policy", "bc", "--ema", "1"], "--ema must be at least 0 and less than 1, not 1"),
        (["--policy", "diffusion", "--network", "unet", "--horizon", "10"], "multiple of 4"),
    ],
)
def test_settings_that_cannot_be_are_one_line_and_write_nothing(
    arguments, words, dataset, tmp_path, capsys
):
    assert _run("--dataset", dataset, "--output", tmp_path / "run", *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.startswith("ilrobot: ")
    assert error.count("\n") == 1
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
    capsys.readouterr()
    assert _run(*command, "--resume", "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    result = json.loads(out.splitlines()[-1])
    assert result["loss"] == json.loads(_last_line(tmp_path / "run" / "metrics.jsonl"))["loss"]
    assert (tmp_path / "run" / "policy.pt").read_bytes() == content


def _last_line(file):
    return file.read_text().splitlines()[-1]


def test_help_shows_what_each_preset_has(capsys):
    assert _run("--help") == 0
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "None" not in words
    bc, diffusion = PRESETS["bc"], PRESETS["diffusion"]
    others = "diffusion/flow/fast/mip"
    assert (
        f"(default: bc/bc-chunk/bc-rnn/act {bc[1].steps}, {others} {diffusion[1].steps})" in words
    )
    assert (
        f"(default: bc/act {bc[0].n_obs}, bc-chunk/{others} {diffusion[0].n_obs}, bc-rnn 10)"
        in words
    )
    assert f"(default: bc/bc-chunk/{others} {bc[1].batch_size}, bc-rnn 100, act 8)" in words
    assert "(default: act 8)" in words
    assert "(default: bc-rnn 2, act 4)" in words
    assert f"(default: diffusion/flow {diffusion[0].sampler_steps}, fast 2)" in words
    assert "(default: diffusion ddim)" in words
    heads = (
        "bc/bc-chunk mse, bc-rnn mixture, act cvae, diffusion diffusion, flow/fast flow, mip mip"
    )
    assert f"(default: {heads})" in words
    assert "(default: 64 128 256)" in words


def test_a_short_training_still_warms_up_and_validates(dataset, tmp_path):
    assert (
        _run(
            *(
                "--dataset",
                dataset,
                "--policy",
                "bc",
                "--steps",
                "100",
                "--output",
                tmp_path / "run",
            )
        )
        == 0
    )
    config = Run.read(tmp_path / "run").description.config.train
    assert (config.steps, config.warmup, config.validate_every) == (100, 10, 10)
    assert PRESETS["bc"][1].with_steps(50_000) == replace(PRESETS["bc"][1], steps=50_000)


@pytest.mark.parametrize(
    ("preset", "head"), [("bc", "flow"), ("diffusion", "flow"), ("act", "diffusion")]
)
def test_a_head_on_any_preset_is_set_as_in_its_own_and_what_is_trained_is_said(
    preset, head, dataset, tmp_path, capsys
):
    output = tmp_path / "run"
    small = ("--width", "16", "--steps", "2", "--output", output)
    assert _run("--dataset", dataset, "--policy", preset, "--head", head, *small) == 0
    own, _ = PRESETS[head]
    config = Run.read(output).description.config
    for name in USED_BY_HEAD[head]:
        assert getattr(config.policy, name) == getattr(own, name), name
    assert config.policy.horizon == PRESETS[preset][0].horizon
    assert config.train.patience == 0  # no validation loss ranks policies of these heads
    lines = capsys.readouterr().out.splitlines()
    own_prediction = {"flow": "flow prediction preconditioned", "diffusion": "prediction sample"}
    assert lines[0].startswith(f"trains     {head} (")
    assert own_prediction[head] in lines[0]
    assert f"on {config.policy.network} (width 16" in lines[0]
    assert lines[1].startswith(f"chunks     of {config.policy.horizon} from a history of")
    assert lines[2] == f"length     2 steps of {config.train.batch_size}"


def test_what_is_given_goes_before_what_the_head_has_in_its_own_preset(dataset, tmp_path):
    output = tmp_path / "run"
    given = ("--flow-prediction", "velocity", "--sampler-steps", "3", "--patience", "7")
    small = ("--width", "16", "--steps", "2", "--ema", "0.5", "--output", output)
    assert _run("--dataset", dataset, "--policy", "bc", "--head", "flow", *given, *small) == 0
    config = Run.read(output).description.config
    assert (config.policy.flow_prediction, config.policy.sampler_steps) == ("velocity", 3)
    assert (config.train.patience, config.train.ema) == (7, 0.5)


def test_more_checkpoints_than_steps_are_one_for_each(dataset, tmp_path, capsys):
    output = tmp_path / "run"
    small = ("--width", "16", "--steps", "5", "--keep-checkpoints", "1000", "--output", output)
    assert _run("--dataset", dataset, "--policy", "bc", *small) == 0
    assert "kept       5 checkpoints" in capsys.readouterr().out
    assert len(list((output / "checkpoints").iterdir())) == 5


def test_what_did_not_move_is_named(tmp_path, capsys):
    def spoil(columns):
        columns["action"][:, 1] = 0.5

    dataset = _write(tmp_path / "data", CONTINUOUS, spoil=spoil)
    assert (
        _run("--dataset", dataset, "--policy", "bc", "--steps", "1", "--output", tmp_path / "r")
        == 0
    )
    out = capsys.readouterr().out
    assert "frozen     did not move in the training data: action action[1]" in out


@pytest.mark.parametrize("place", ["file", "file/run", "mine"])
def test_an_output_that_cannot_be_is_one_line(place, dataset, tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    assert _run("--dataset", dataset, "--policy", "bc", "--output", tmp_path / place) == 2
    error = capsys.readouterr().err
    assert place in error
    assert error.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


_FULL_DISK = """
import resource, sys
from ilrobot.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
main(sys.argv[2:])
"""


_LITTLE_MEMORY = """
import resource, sys
import torch, tyro, pyarrow
from ilrobot.cli import main
import ilrobot.learners.behavioral_cloning
torch.zeros(1000, 1000) @ torch.zeros(1000, 1000)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30,) * 2)
main(sys.argv[1:])
"""


def test_too_little_memory_is_one_line_and_work_that_failed(dataset, tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-c", _LITTLE_MEMORY, "train", "--dataset", str(dataset)),
            *("--policy", "bc", "--batch-size", "65536", "--history", "1000", "--width", "8"),
            *("--output", str(tmp_path / "run")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "not enough memory for this training; take a smaller --batch-size" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("limit", [100, 20_000])
def test_a_full_disk_is_one_line_and_work_that_failed(limit, dataset, tmp_path):
    """At 100 bytes nothing fits, at 20,000 the description but no checkpoint."""
    run = tmp_path / "run"
    done = subprocess.run(
        [
            *(sys.executable, "-c", _FULL_DISK, str(limit), "train", "--dataset", str(dataset)),
            *("--policy", "bc", "--steps", "50", "--output", str(run)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "File too large" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(run.glob("*.part"))


def test_a_time_budget_chooses_the_steps(dataset, tmp_path, capsys, monkeypatch):
    chosen = iter([7])
    monkeypatch.setattr(
        behavioral_cloning, "within_budget", lambda *given, **_: given[3].with_steps(next(chosen))
    )
    command = ("--dataset", dataset, "--policy", "bc", "--output", tmp_path / "run")
    small = ("--width", "16", "--time-budget", "1.5m", "--json")
    assert _run(*command, *small) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    config = Run.read(tmp_path / "run").description.config.train
    assert (config.steps, config.time_budget, result["steps"]) == (7, 90.0, 7)
    assert _run(*command, *small, "--resume") == 0


@pytest.mark.parametrize("time", ["10", "soon", "-5m", "0s", "1d", "١m", ""])
def test_a_time_that_is_none_is_one_line(time, dataset, tmp_path, capsys):
    command = ("--dataset", dataset, "--policy", "bc", "--output", tmp_path / "run")
    assert _run(*command, f"--time-budget={time}") == 2
    error = capsys.readouterr().err
    assert f"--time-budget takes a time such as 90s, 10m or 1h, not '{time}'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_steps_and_a_time_are_one_too_many(dataset, tmp_path, capsys):
    both = ("--steps", "5", "--time-budget", "1m")
    assert _run("--dataset", dataset, "--policy", "bc", "--output", tmp_path / "run", *both) == 2
    assert "--steps and --time-budget both say how long" in capsys.readouterr().err


def test_a_pipe_sees_the_curve_the_rate_and_the_expected_end(
    dataset, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("ilrobot.cli.output.QUIET", 0.0)
    command = ("--dataset", dataset, "--policy", "diffusion", "--output", tmp_path / "run")
    assert _run(*command, "--width", "16", "--steps", "200", "--keep-checkpoints", "2") == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line.split("/")[0] for line in lines] == [f"training {n}" for n in (50, 100, 150, 200)]
    end = r", ends by (\d\d \w+ )?\d\d:\d\d(:\d\d)?"
    for line in lines:
        curve = r"loss [\d.]+, held out [\d.]+, sampling error [\d.]+, \d+ steps/s"
        known = r"training \d+/200, \d+ s, " + curve
        assert re.fullmatch(known if line is lines[-1] else known + end, line), line
    assert load_policy(tmp_path / "run" / "checkpoints" / "step-100.pt").config.width == 16


def test_a_teacher_is_distilled_into_two_calls_or_as_many_as_are_asked_for(
    dataset, tmp_path, capsys
):
    small = ("--width", "16", "--steps", "2", "--dataset", dataset)
    teacher = tmp_path / "teacher"
    assert _run("--policy", "diffusion", *small, "--output", teacher) == 0
    student = ("--policy", "flow", *small, "--distill", teacher)
    assert _run(*student, "--output", tmp_path / "two") == 0
    two = load_policy(tmp_path / "two")
    assert (two.sampler_steps, two.config.dropout, two.config.noise_scale) == (2, 0.0, 1.0)
    given = ("--sampler-steps", "3", "--dropout", "0.2")
    assert _run(*student, "--output", tmp_path / "three", *given) == 0
    three = load_policy(tmp_path / "three")
    assert (three.sampler_steps, three.config.dropout) == (3, 0.2)
    assert _run(*student, "--output", tmp_path / "one", "--sampler-steps", "1") == 0
    assert load_policy(tmp_path / "one").sampler_steps == 1
    capsys.readouterr()
    for wrong, words in (
        (("--policy", "mip", *small, "--distill", teacher), "is a flow, not mip"),
        ((*student, "--noise-scale", "0.3"), "leave --noise-scale out"),
        ((*student, "--horizon", "8"), "the teacher has --horizon 16, not 8"),
        (("--policy", "flow", *small, "--distill", dataset), "is a dataset, not a run"),
    ):
        assert _run(*wrong, "--output", tmp_path / "wrong") == 2
        error = capsys.readouterr().err.strip()
        assert words in error
        assert "\n" not in error
        assert not (tmp_path / "wrong").exists()
