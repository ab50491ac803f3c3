"""``ilrobot train`` as a person types it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from ilrobot.cli import main
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.data.known_tasks import PUSHT
from ilrobot.data.writing import write_episodes
from ilrobot.learners import behavioral_cloning
from ilrobot.learners.config import PRESETS
from ilrobot.policies.heeded import USED_BY_HEAD
from ilrobot.policies.loading import load_policy
from ilrobot.run import Run
from ilrobot.spec import Feature, Spec
from tests.ilrobot.learning.train_verb import run_train, write_dataset
from tests.ilrobot.policy_tester import CONTINUOUS, DISCRETE


def test_train_with_every_preset(dataset, tmp_path, capsys):
    for policy in PRESETS:
        more = () if policy == "bc" else ("--horizon", "4", "--execute", "2")
        output = tmp_path / policy
        code = run_train(
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


@pytest.mark.parametrize(("policy", "code"), [("bc", 0), ("diffusion", 2)])
def test_a_default_that_became_another_binds_a_run_that_uses_it_alone(
    dataset, tmp_path, capsys, policy, code
):
    output = tmp_path / "run"
    small = ("--policy", policy, "--width", "16", "--steps", "2", "--output", output)
    assert run_train("--dataset", dataset, *small) == 0
    told = json.loads((output / "run.json").read_text())
    told["config"]["policy"]["prediction"] = "epsilon"
    (output / "run.json").write_text(json.dumps(told))
    assert run_train("--dataset", dataset, *small, "--resume") == code
    said = "was begun with prediction epsilon, not sample"
    assert (said in capsys.readouterr().err) == bool(code)


def test_an_ensemble_is_one_run_that_info_tells_of(dataset, tmp_path, capsys):
    output = tmp_path / "five"
    code = run_train(
        *("--dataset", dataset, "--policy", "bc", "--output", output, "--steps", "5"),
        *("--width", "16", "--members", "5"),
    )
    assert code == 0
    assert load_policy(output).config.members == 5
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["info", str(output)])
    assert "members: 5" in capsys.readouterr().out
    code = run_train("--dataset", dataset, "--policy", "bc", "--output", output, "--members", "101")
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
    assert run_train("--dataset", dataset, "--policy", "bc", "--output", run, "--steps", "2") == 0
    said = f"ilrobot eval --policy {run} --task ilrobot/PushT-v0\n"
    assert said in capsys.readouterr().out


def test_discrete_actions_are_classified_by_default(tmp_path):
    dataset = write_dataset(tmp_path / "data", DISCRETE)
    output = tmp_path / "run"
    assert (
        run_train("--dataset", dataset, "--policy", "bc", "--output", output, "--steps", "2") == 0
    )
    assert load_policy(output).config.head == "cross-entropy"


def test_a_finished_run_is_kept_and_resume_takes_it_as_it_is(dataset, tmp_path, capsys):
    command = ("--dataset", dataset, "--policy", "bc", "--output", tmp_path / "run", "--steps", "3")
    assert run_train(*command) == 0
    content = (tmp_path / "run" / "policy.pt").read_bytes()
    assert run_train(*command) == 2
    assert "already holds a run; go on with it by --resume, or give" in capsys.readouterr().err
    capsys.readouterr()
    assert run_train(*command, "--resume", "--json") == 0
    out, err = capsys.readouterr()
    assert err == ""
    result = json.loads(out.splitlines()[-1])
    assert result["loss"] == json.loads(_last_line(tmp_path / "run" / "metrics.jsonl"))["loss"]
    assert (tmp_path / "run" / "policy.pt").read_bytes() == content


def test_an_output_that_cannot_be_is_refused_before_the_plan(dataset, tmp_path, capsys):
    file, taken = tmp_path / "file", tmp_path / "taken"
    file.touch()
    taken.mkdir()
    (taken / "notes.txt").touch()
    done = tmp_path / "done"
    command = ("--dataset", dataset, "--policy", "bc", "--steps", "2", "--output")
    assert run_train(*command, done) == 0
    capsys.readouterr()
    for output, said in (
        (dataset, "is not empty and no run"),
        (taken, "is not empty and no run"),
        (file, "is a file"),
        (done, "already holds a run"),
    ):
        assert run_train(*command, output) == 2
        out, err = capsys.readouterr()
        assert (out, len(err.splitlines())) == ("", 1)
        assert said in err
    for output in (dataset, file):
        assert run_train(*command, output, "--resume") == 2
        assert capsys.readouterr().out == ""


def _last_line(file):
    return file.read_text().splitlines()[-1]


def test_help_shows_what_each_preset_has(capsys):
    assert run_train("--help") == 0
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
    assert f"(default: bc/bc-chunk/{others} {bc[1].batch_size}, bc-rnn 100, act 64)" in words
    assert "(default: act 8)" in words
    assert "(default: bc-rnn/act 2)" in words
    assert f"(default: diffusion/flow {diffusion[0].sampler_steps}, fast 2)" in words
    assert "(default: diffusion ddim)" in words
    heads = (
        "bc/bc-chunk mse, bc-rnn mixture, act cvae, diffusion diffusion, flow/fast flow, mip mip"
    )
    assert f"(default: {heads})" in words
    assert "(default: 64 128 256)" in words


def test_a_short_training_still_warms_up_and_validates(dataset, tmp_path):
    assert (
        run_train(
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
    assert run_train("--dataset", dataset, "--policy", preset, "--head", head, *small) == 0
    own, _ = PRESETS[head]
    config = Run.read(output).description.config
    for name in USED_BY_HEAD[head]:
        assert getattr(config.policy, name) == getattr(own, name), name
    assert config.policy.horizon == PRESETS[preset][0].horizon
    assert config.train.patience == 0  # no validation loss ranks policies of these heads
    lines = capsys.readouterr().out.splitlines()
    own_prediction = {"flow": "flow prediction sample", "diffusion": "prediction sample"}
    assert lines[0].startswith(f"trains     {head} (")
    assert own_prediction[head] in lines[0]
    assert f"on {config.policy.network} (width 16" in lines[0]
    assert lines[1].startswith(f"chunks     of {config.policy.horizon} from a history of")
    assert lines[2] == f"length     2 steps of {config.train.batch_size}"
    data = Dataset.open(dataset)
    frames, episodes = data.num_frames, data.num_episodes
    assert (
        lines[3] == f"teach      {frames} of {frames} frames, in {episodes} of {episodes} episodes"
    )


def test_what_is_given_goes_before_what_the_head_has_in_its_own_preset(dataset, tmp_path):
    output = tmp_path / "run"
    given = ("--flow-prediction", "velocity", "--sampler-steps", "3", "--patience", "7")
    small = ("--width", "16", "--steps", "2", "--ema", "0.5", "--output", output)
    assert run_train("--dataset", dataset, "--policy", "bc", "--head", "flow", *given, *small) == 0
    config = Run.read(output).description.config
    assert (config.policy.flow_prediction, config.policy.sampler_steps) == ("velocity", 3)
    assert (config.train.patience, config.train.ema) == (7, 0.5)


def test_more_checkpoints_than_steps_are_one_for_each(dataset, tmp_path, capsys):
    output = tmp_path / "run"
    small = ("--width", "16", "--steps", "5", "--keep-checkpoints", "1000", "--output", output)
    assert run_train("--dataset", dataset, "--policy", "bc", *small) == 0
    assert "kept       5 checkpoints" in capsys.readouterr().out
    assert len(list((output / "checkpoints").iterdir())) == 5


def test_what_did_not_move_is_named(tmp_path, capsys):
    def spoil(columns):
        columns["action"][:, 1] = 0.5
        columns["observation.state"][:, 0] = 1.7e9 + np.arange(len(columns["action"]))

    dataset = write_dataset(tmp_path / "data", CONTINUOUS, spoil=spoil)
    assert (
        run_train(
            "--dataset", dataset, "--policy", "bc", "--steps", "1", "--output", tmp_path / "r"
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "frozen     did not move in the training data: state[0]; action[1]\n" in out
    said = "state[0]: near 1.7e+09 float32 tells apart steps of 1.3e+02 only; record the change"
    assert out.count("float32") == 1
    assert said in out


def test_a_time_budget_chooses_the_steps(dataset, tmp_path, capsys, monkeypatch):
    chosen = iter([7])
    monkeypatch.setattr(
        behavioral_cloning, "within_budget", lambda *given, **_: given[3].with_steps(next(chosen))
    )
    command = ("--dataset", dataset, "--policy", "bc", "--output", tmp_path / "run")
    small = ("--width", "16", "--time-budget", "1.5m", "--json")
    assert run_train(*command, *small) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    config = Run.read(tmp_path / "run").description.config.train
    assert (config.steps, config.time_budget, result["steps"]) == (7, 90.0, 7)
    assert run_train(*command, *small, "--resume") == 0


def test_a_pipe_sees_the_curve_the_rate_and_the_expected_end(
    dataset, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("ilrobot.cli.output.QUIET", 0.0)
    command = ("--dataset", dataset, "--policy", "diffusion", "--output", tmp_path / "run")
    assert run_train(*command, "--width", "16", "--steps", "200", "--keep-checkpoints", "2") == 0
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
    assert run_train("--policy", "diffusion", *small, "--output", teacher) == 0
    student = ("--policy", "flow", *small, "--distill", teacher)
    assert run_train(*student, "--output", tmp_path / "two") == 0
    two = load_policy(tmp_path / "two")
    assert (two.sampler_steps, two.config.dropout, two.config.noise_scale) == (2, 0.0, 1.0)
    given = ("--sampler-steps", "3", "--dropout", "0.2")
    assert run_train(*student, "--output", tmp_path / "three", *given) == 0
    three = load_policy(tmp_path / "three")
    assert (three.sampler_steps, three.config.dropout) == (3, 0.2)
    assert run_train(*student, "--output", tmp_path / "one", "--sampler-steps", "1") == 0
    assert load_policy(tmp_path / "one").sampler_steps == 1
    capsys.readouterr()
    for wrong, words in (
        (("--policy", "mip", *small, "--distill", teacher), "is a flow, not mip"),
        ((*student, "--noise-scale", "0.3"), "leave --noise-scale out"),
        ((*student, "--horizon", "8"), "the teacher has --horizon 16, not 8"),
        (("--policy", "flow", *small, "--distill", dataset), "is a dataset, not a run"),
    ):
        assert run_train(*wrong, "--output", tmp_path / "wrong") == 2
        error = capsys.readouterr().err.strip()
        assert words in error
        assert "\n" not in error
        assert not (tmp_path / "wrong").exists()
