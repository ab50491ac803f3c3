"""A run's folder: described once, claimed by one process, never overwritten."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ilrobot.atomic import PART, write_json
from ilrobot.cli import _main
from ilrobot.errors import UserError
from ilrobot.gates.log import GateLog
from ilrobot.policies.config import PolicyConfig
from ilrobot.run import Run, read_metrics
from ilrobot.run_description import Description, RoundSummary
from ilrobot.typed_json import dump, parse_fields
from tests.ilrobot.described_runs import DATA, dagger_description, train_description

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("description", [train_description(), dagger_description()])
def test_a_description_comes_back_as_it_was(description, tmp_path):
    with Run.claim(tmp_path / "run", description, resume=False) as run:
        run.update(seconds=12.5)
    assert Run.read(tmp_path / "run").description == replace(description, seconds=12.5)


def test_a_setting_of_the_policy_never_hides_one_of_the_training():
    config = train_description().config
    assert not config.policy.to_json().keys() & config.train.to_json().keys()


def _edit(*path, value):
    def edit(content):
        *above, last = path
        for name in above:
            content = content[name]
        content[last] = value

    return edit


def _drop(*path):
    def drop(content):
        *above, last = path
        for name in above:
            content = content[name]
        del content[last]

    return drop


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop("kind"), "'kind' is none of train, dagger"),
        (_edit("kind", value=["train"]), "'kind' is none of train, dagger"),
        (_edit("status", value="great"), "'status' is \"great\", not one of running, done"),
        (_edit("seconds", value=True), "'seconds' is true, not a number"),
        (_edit("parameters", value=1.5), "'parameters' is 1.5, not a whole number"),
        (_edit("spec", value=None), "description of the task is damaged"),
        (_edit("config", value=[]), "'config' is not a JSON object"),
        (_edit("config", "train", "steps", value="many"), "'config.train.steps' is \"many\""),
        (_edit("config", "policy", "head", value="love"), "'head' is \"love\", not one of mse"),
        (_drop("config", "policy", "width"), "'width' is missing"),
        (_drop("plan"), "'plan' is missing"),
        (_edit("plan", "episodes", value=0), "at least 1 episode"),
        (_edit("rounds", value={}), "'rounds' is {}, not a list"),
        (_edit("rounds", value=[{}]), "'rounds[0].round' is missing"),
        (_edit("setting", value=3), "'setting' is 3, not a JSON object"),
        (_edit("wings", value=2), "'wings' is not known to this version"),
    ],
)
def test_an_edited_description_is_one_line_that_names_the_place(change, said, tmp_path):
    content = dump(dagger_description())
    change(content)
    write_json(tmp_path / "run.json", content)
    with pytest.raises(UserError, match="damaged or of another version") as caught:
        Run.read(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_newer_version_added_may_be_missing_and_is_then_the_default():
    content = dump(train_description())
    del content["dataset"]["frame_weights"], content["result"]
    del content["config"]["policy"]["members"], content["config"]["train"]["weighting"]
    assert parse_fields(type(train_description()), content) == train_description()


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"kind": "train"}', "\x00\xff"])
@pytest.mark.parametrize(
    "command",
    [
        ("info", "{run}"),
        ("view", "{run}"),
        ("eval", "--policy", "{run}", "--task", "ilrobot/PointPath-v0"),
        ("export", "--policy", "{run}", "--output", "{run}/policy.onnx"),
        (
            *("dagger", "--task", "ilrobot/PointPath-v0", "--dataset", "nowhere"),
            *("--policy", "{run}", "--output", "{run}/new"),
        ),
    ],
)
def test_every_verb_says_in_one_line_that_a_description_is_damaged(
    command, content, tmp_path, capsys
):
    (tmp_path / "run.json").write_text(content)
    assert _main([word.format(run=tmp_path) for word in command]) == 2
    error = capsys.readouterr().err
    assert "run.json is damaged" in error
    assert len(error.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_info_says_of_a_run_what_it_came_to(tmp_path, capsys):
    rounds = (RoundSummary(1, 2, 2, 1, 3, 15, 20),)
    with Run.claim(tmp_path / "run", dagger_description(rounds=rounds), resume=False):
        pass
    assert _main(["info", str(tmp_path / "run")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1: 1 of 2 without help, 3 interventions, 15 of 20 steps by the expert" in out
    assert "policy.horizon: 16" in out
    assert "None" not in out
    assert _main(["info", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rounds"][0]["human_steps"] == 15


def test_info_is_short_of_doubts_and_silent_of_what_other_heads_have(tmp_path, capsys):
    log = GateLog(9, 4, 4, 8, 4, 0.4, doubts=(0.25, 0.75, 0.5, 0.125))
    rounds = (RoundSummary(1, 2, 2, 1, 4, 4, 9, log),)
    wanted = dagger_description(rounds=rounds)
    config = replace(wanted.config, policy=PolicyConfig(head="flow", width=64, members=3))
    with Run.claim(tmp_path / "run", replace(wanted, config=config), resume=False):
        pass
    assert _main(["info", str(tmp_path / "run")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "doubts: at 4 takeovers, median 0.375, τ 0.125" in out
    for said, there in {"width: 64": True, "sampler_steps": True, "latent": False}.items():
        assert (f"policy.{said}" in out) == there
    assert _main(["info", str(tmp_path / "run"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["control"]["doubts"] == [0.25, 0.75, 0.5, 0.125]
    assert found["config"]["policy"]["latent"] == "zero"


def test_a_run_goes_on_with_what_it_began_with_wherever_that_lies_now():
    begun = dagger_description()
    policy = replace(begun.initial, path="moved/bc")
    shown = replace(DATA, path="moved/lift")
    again = replace(begun, initial=policy, demonstrations=shown)
    assert begun.fixed() == again.fixed()
    resumed = begun.resumed(again)
    assert (resumed.initial, resumed.demonstrations) == (policy, shown)


def test_what_is_not_the_same_run_is_refused_and_untouched(tmp_path):
    wanted = train_description()
    with Run.claim(tmp_path / "run", wanted, resume=True):
        pass
    before = (tmp_path / "run" / "run.json").read_bytes()
    policy = replace(wanted.config, policy=PolicyConfig(horizon=8))
    for other, resume, said in (
        (wanted, False, "--resume, delete the folder to begin anew, or give another --output"),
        (dagger_description(), True, "is a run of 'train'"),
        (replace(wanted, config=policy), True, "begun with horizon 16, not 8"),
        (
            replace(wanted, dataset=replace(DATA, content_hash="other")),
            True,
            "begun with data of content hash 0123456789abcdef, not other",
        ),
    ):
        with (
            pytest.raises(UserError, match=said),
            Run[Description].claim(tmp_path / "run", other, resume=resume),
        ):
            pass
    assert [file.name for file in (tmp_path / "run").iterdir()] == ["run.json"]
    assert (tmp_path / "run" / "run.json").read_bytes() == before


_HOLD = """
import signal, sys
from pathlib import Path
from ilrobot.run import Run
from tests.ilrobot.described_runs import train_description
with Run.claim(Path(sys.argv[1]), train_description(), resume=True) as run:
    (run.path / "run.json.1.part").write_text("half")
    print("held", flush=True)
    signal.pause()
"""


def test_a_run_belongs_to_one_process_and_to_none_once_that_is_killed(tmp_path):
    run = tmp_path / "run"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(run)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(UserError, match="another process is at work there"),
            Run.claim(run, train_description(), resume=True),
        ):
            pass
        # Whoever followed "delete the folder to begin anew" would end what runs there.
        with pytest.raises(UserError, match="another process is at work there; wait for it"):
            Run.check(run, train_description(), resume=False)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    with Run.claim(run, train_description(), resume=True) as claimed:
        assert claimed.description == train_description()
        assert not list(run.glob(f"*{PART}"))
    assert [file.name for file in run.iterdir()] == ["run.json"]


def test_what_a_kill_leaves_of_a_runs_first_moment_is_no_run(tmp_path):
    (tmp_path / "run.json.77.part").write_text("{")
    (tmp_path / ".writing.lock").write_text("")
    with Run.claim(tmp_path, train_description(), resume=False):
        pass
    assert [file.name for file in tmp_path.iterdir()] == ["run.json"]


def test_metrics_of_a_run_that_was_cut_off_lose_their_last_half_line_only(tmp_path):
    with Run.claim(tmp_path, train_description(), resume=False) as run:
        for step in (50, 100, 150):
            run.append_metrics({"step": step, "loss": 1.0})
        with (tmp_path / "metrics.jsonl").open("a") as file:
            file.write('{"step": 200, "lo')
        run.drop_metrics_after(100)
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl")] == [50, 100]
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": null}\n')
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": None}]
    for line in ("{", "[]", '{"step": "fifty", "loss": 1}', '{"step": 5}'):
        (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": 1}) + f"\n{line}\n")
        with pytest.raises(UserError, match="line 2 is damaged"):
            read_metrics(tmp_path / "metrics.jsonl")
