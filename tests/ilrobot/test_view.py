"""``ilrobot view``: an episode or a run becomes one file; bad input becomes one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.atomic import write_json
from ilrobot.cli import _main
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import EpisodeInfo
from ilrobot.env import make_env
from ilrobot.report.video import write_video
from ilrobot.rollout import rollout
from ilrobot.run_description import Description, RoundSummary
from ilrobot.task_env import TaskEnv
from ilrobot.typed_json import dump
from tests.ilrobot.described_runs import DATA, dagger_description, train_description


class Takeover(Actor):
    """The policy acts for five ticks, then a person does."""

    def __init__(self, env: TaskEnv) -> None:
        self._action = np.zeros(env.spec.action.shape, env.spec.action.dtype)
        self._ticks = 0

    def reset(self, seed: int | None = None) -> None:
        self._ticks = 0

    def act(self, observation: Observation, now: float) -> Decision:
        self._ticks += 1
        return Decision(self._action, Source.POLICY if self._ticks <= 5 else Source.HUMAN)


def record(path: Path, seeds: range, task: str = "ilrobot/PointPath-v0") -> Path:
    env = make_env(task)
    with DatasetRecorder(path, env.spec) as recorder:
        for seed in seeds:
            info = EpisodeInfo(
                task, env.spec.rate, seed=seed, operator="test <person>", policy_hash="ab" * 32
            )
            rollout(env, Takeover(env), seed=seed, max_steps=20, recorder=recorder, info=info)
    return path


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return record(tmp_path_factory.mktemp("data") / "paths", range(3))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def test_an_episode_becomes_a_file_outside_the_dataset(
    dataset: Path, capsys: pytest.CaptureFixture[str]
):
    before = sorted(dataset.rglob("*"))
    assert _main(["view", str(dataset), "--episode", "2"]) == 0
    file = Path(capsys.readouterr().out.strip())
    page = file.read_text()
    assert "Episode 2 of paths" in page
    assert "test &lt;person&gt;" in page
    assert "expert 75% of the time" in page
    assert "neither pictures nor states" in page
    assert sorted(dataset.rglob("*")) == before


def test_the_output_can_be_named(dataset: Path, tmp_path: Path):
    assert _main(["view", str(dataset), "--output", str(tmp_path / "a" / "b.html")]) == 0
    assert "Episode 0 of paths" in (tmp_path / "a" / "b.html").read_text()


@pytest.mark.parametrize(
    ("name", "more", "suffix"),
    [("dock.onnx", [], ".html"), ("page", [], ".html"), ("page.html", ["--rerun"], ".rrd")],
)
def test_a_file_of_another_kind_is_never_replaced(
    dataset: Path, name: str, more: list[str], suffix: str, tmp_path: Path, capsys
):
    (tmp_path / name).write_text("precious")
    run = write_run(tmp_path / "bc", train_description())
    for viewed in (dataset,) if more else (dataset, run):
        assert _main(["view", str(viewed), "--output", str(tmp_path / name), *more]) == 2
        assert f"--output must end in {suffix}, not '{name}'" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("index", ["3", "-1"])
def test_an_episode_out_of_range_is_one_line(
    dataset: Path, index: str, capsys: pytest.CaptureFixture[str]
):
    assert _main(["view", str(dataset), "--episode", index]) == 2
    assert "from 0 to 2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "nothing at"),
        (lambda path: path.mkdir(), "neither a dataset"),
        (lambda path: (path.mkdir(), (path / "run.json").write_text("{")), "is damaged"),
        (lambda path: (path.mkdir(), (path / "run.json").write_text("[]")), "not a JSON object"),
    ],
)
def test_bad_input_is_one_line(make, said: str, tmp_path: Path, capsys):
    make(tmp_path / "x")
    assert _main(["view", str(tmp_path / "x")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("place", ["file/page.html", "folder"])
def test_a_place_that_cannot_be_written_is_one_line(dataset: Path, place: str, tmp_path, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    run = write_run(tmp_path / "bc", train_description())
    for viewed in (dataset, run):
        assert _main(["view", str(viewed), "--output", str(tmp_path / place)]) == 2
        error = capsys.readouterr().err
        assert "cannot be written" in error
        assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize("option", [["--output", "a.html"], ["--episode", "0"], ["--rerun"]])
def test_a_report_that_is_there_takes_no_options(option: list[str], tmp_path: Path, capsys):
    (tmp_path / "report.html").touch()
    assert _main(["view", str(tmp_path)]) == 0
    assert _main(["view", str(tmp_path), *option]) == 2
    assert f"{option[0]} is for datasets" in capsys.readouterr().err


def test_an_onnx_file_is_for_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "p.onnx").touch()
    assert _main(["view", str(tmp_path / "p.onnx")]) == 2
    assert "ilrobot info" in capsys.readouterr().err


def write_run(path: Path, description: Description) -> Path:
    path.mkdir()
    write_json(path / "run.json", dump(description))
    rows = [{"step": i, "loss": 1 / i, "validation_loss": None} for i in range(1, 9)]
    lines = [json.dumps(line) for line in rows]
    (path / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 9, "lo']))
    return path


def test_a_run_that_is_still_being_written_becomes_its_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = write_run(tmp_path / "bc", train_description())
    assert _main(["view", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    page = (run / "report.html").read_text()
    assert "not finished yet" in page
    assert "config.policy.horizon" in page
    assert "5.0 min" in page
    assert "0.125" in page


def test_a_run_shows_the_error_of_its_samples(tmp_path: Path):
    run = write_run(tmp_path / "bc", train_description())
    errors = [0.5, 0.25, 0.375]
    rows = [
        {"step": 50 * i, "loss": 1 / i, "validation_loss": 1.0, "sampling_error": error}
        for i, error in enumerate(errors, start=1)
    ]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert _main(["view", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "sampling error there" in page
    assert "0.25 at step 100" in page


def test_a_run_with_a_damaged_line_in_its_middle_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    run = write_run(tmp_path / "bc", train_description())
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 1}\n{"st\n{"step": 2, "loss": 1}\n')
    assert _main(["view", str(run)]) == 2
    assert "line 2" in capsys.readouterr().err


def test_a_run_takes_no_episode(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = write_run(tmp_path / "bc", train_description())
    assert _main(["view", str(run), "--episode", "0"]) == 2
    assert "for datasets" in capsys.readouterr().err


def test_a_run_of_dagger_shows_its_rounds(tmp_path: Path):
    rounds = tuple(RoundSummary(n, 1, 1, 1, 2, 15, 20) for n in (1, 2))
    before = replace(DATA, episodes=1)
    described = dagger_description(rounds=rounds, demonstrations=before)
    run = write_run(tmp_path / "dagger", described)
    record(run / "dataset", range(49, 52))
    assert _main(["view", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert page.count("expert 75% of the time") == 4  # two rounds, each for screen and phone
    assert "Round 2" in page


def test_the_recorded_pictures_of_one_episode_are_cut_from_their_film(tmp_path: Path):
    """Two episodes in one mp4, as other programs write them."""
    from ilrobot.data.video.film import VideoPlace, read_film

    shades = [np.full((32, 32, 3), 3 * i, np.uint8) for i in range(20)]
    film = tmp_path / "file-000.mp4"
    write_video(film, iter(shades), 10.0)
    seen = [int(frame.mean()) for frame in read_film(VideoPlace(film, 0.8, 2.0), 12)]
    np.testing.assert_allclose(seen, [3 * i for i in range(8, 20)], atol=2)


def test_cameras_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "pusht"
    env = make_env("ilrobot/PushT-v0", {"cameras": "top", "render_size": 96})
    with DatasetRecorder(path, env.spec) as recorder:
        rollout(env, Takeover(env), seed=0, recorder=recorder, max_steps=5)
    file = tmp_path / "page.html"
    assert _main(["view", str(path), "--output", str(file)]) == 0
    assert "observation.images.top" in file.read_text()
    assert "video/mp4" in file.read_text()
    film = path / "videos/observation.images.top/chunk-000/file-000.mp4"
    film.write_bytes(film.read_bytes()[:500])
    assert _main(["view", str(path), "--output", str(file)]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert f"{film}: damaged or cut off" in said[0]


def test_recorded_states_are_drawn(tmp_path: Path):
    from ilrobot.report.recording import simulated_frames
    from ilrobot.scripted_actor import ScriptedActor
    from sims.experts import make_expert

    env = make_env("ilrobot/PushT-v0")
    env.reset(0)
    path = tmp_path / "pusht"
    with DatasetRecorder(path, env.spec, state_size=env.get_state().size) as recorder:
        actor = ScriptedActor(make_expert(env.env), env)
        rollout(env, actor, seed=0, max_steps=12, recorder=recorder)
    pictures = list(simulated_frames(Dataset.open(path), 0))
    assert len(pictures) == 12
    assert pictures[0].shape[2] == 3
    assert any(not np.array_equal(pictures[0], later) for later in pictures[1:])


def test_a_run_that_tried_shows_return_and_success_and_not_its_loss(tmp_path: Path):
    run = write_run(tmp_path / "ppo", train_description(learner="ppo"))
    rows = [
        {"step": 2048 * i, "loss": -0.03, "return": 10.5 * i, "success": 0.25 * i, "length": 9.0}
        for i in range(1, 4)
    ]
    rows.append({"step": 8192, "loss": -0.03})  # no attempt ended in this round
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert _main(["view", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "Learning by trying" in page
    assert "environment steps" in page
    assert "31.5" in page
    assert "75%" in page
    assert "8,192" in page
    assert "Learning curves" not in page


def test_a_run_of_raft_shows_how_its_rounds_were_cloned_beside_what_it_tried(tmp_path: Path):
    run = write_run(tmp_path / "raft", train_description(learner="raft"))
    (run / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 0.43219, "return": 1.0, "length": 3.0}\n'
    )
    (run / "round-1").mkdir()
    (run / "round-1" / "metrics.jsonl").write_text('{"step": 50, "loss": 0.125}\n')
    assert _main(["view", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "beginnings" in page
    assert "0.125" in page
    assert "0.43219" not in page
