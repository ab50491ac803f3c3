"""Ctrl-C and SIGTERM end a verb with what there is kept, and say how to go on."""

import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ilrobot.atomic import write_json
from ilrobot.cli import main
from ilrobot.cli.command import command, resuming
from ilrobot.cli.dagger import Dagger
from ilrobot.cli.train import Train
from ilrobot.data.dataset import Dataset, DatasetRecorder
from ilrobot.data.episode import UNCOUNTED, EpisodeInfo, Outcome
from ilrobot.env import make_env
from ilrobot.rollout import rollout
from ilrobot.run import Run
from ilrobot.scripted_actor import ScriptedActor
from ilrobot.typed_json import dump
from sims.experts import make_expert
from tests.exhaustive import thinned
from tests.forked import Forked
from tests.ilrobot.described_runs import DATA, dagger_description

TASK = "ilrobot/PointPath-v0"

SIGNALS = [
    (signal.SIGINT, 130, "ilrobot: stopped by Ctrl-C"),
    (signal.SIGTERM, 143, "ilrobot: stopped by SIGTERM"),
    pytest.param(
        *(signal.SIGHUP, 129, "ilrobot: stopped by SIGHUP"),
        marks=pytest.mark.skipif(
            signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="under nohup it is ignored"
        ),
    ),
]


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("stopping") / "data"
    _record(path, range(3))
    return path


@pytest.fixture(scope="module")
def clone(demonstrations, tmp_path_factory) -> Path:
    verb = Train(demonstrations, "bc", tmp_path_factory.mktemp("clone") / "run", steps=5, width=16)
    assert verb.run() == 0
    return verb.output


def _record(path: Path, seeds: range) -> None:
    """Episodes of the expert, after those that are there already."""
    env = make_env(TASK)
    env.reset(0)
    expert = ScriptedActor(make_expert(env.env), env)
    size, resume = env.state_size, path.exists()
    with DatasetRecorder(path, env.spec, state_size=size, resume=resume) as recorder:
        for seed in seeds:
            info = EpisodeInfo(TASK, env.spec.rate, seed=seed)
            rollout(env, expert, seed=seed, recorder=recorder, info=info)


@contextmanager
def _running(line: str, ready: Callable[[], bool], errors: Path) -> Iterator[Forked]:
    """A command, once it is ready to be stopped."""
    assert line.startswith("ilrobot ")
    process = Forked(main, shlex.split(line)[1:], errors=errors)
    try:
        deadline = time.monotonic() + 120
        while not ready():
            assert process.poll() is None, errors.read_text()
            assert time.monotonic() < deadline, "it got nowhere"
            time.sleep(0.01)
        yield process
    finally:
        process.kill()


def _stop(process: Forked, number: int, errors: Path) -> tuple[int, list[str]]:
    process.send_signal(number)
    return process.wait(), errors.read_text().splitlines()


@pytest.mark.parametrize(("number", "code", "words"), thinned(SIGNALS, SIGNALS[1:2]))
def test_train_keeps_a_checkpoint(number, code, words, demonstrations, tmp_path):
    verb = Train(demonstrations, "bc", tmp_path / "my run", steps=100_000, width=16)
    metrics = verb.output / "metrics.jsonl"
    errors = tmp_path / "errors"
    with _running(command(verb), metrics.exists, errors) as process:
        ended, said = _stop(process, number, errors)
    assert (ended, said[-1]) == (code, words)
    assert said[-2].endswith(f"keeps a checkpoint. Go on with: {resuming(verb)}")
    assert (verb.output / "checkpoint.pt").exists()
    assert not Run.read(verb.output).done


@pytest.mark.parametrize(("number", "code", "words"), thinned(SIGNALS[:2], SIGNALS[:1]))
def test_dagger_keeps_every_attempt(number, code, words, demonstrations, clone, tmp_path):
    verb = Dagger(
        TASK,
        demonstrations,
        clone,
        tmp_path / "run",
        gate="beta",
        device="expert",
        rounds=1,
        episodes=100_000,
    )
    sealed, errors = verb.output / "dataset" / "data" / "chunk-000", tmp_path / "errors"

    def under_way() -> bool:
        return len(list(sealed.glob("*.parquet"))) > 5

    with _running(command(verb), under_way, errors) as process:
        ended, said = _stop(process, number, errors)
    assert (ended, said[-1]) == (code, words)
    infos = Dataset.open(verb.output / "dataset").infos[3:]
    assert f"keeps {len(infos)} attempts" in said[-2]
    assert said[-2].endswith(f"Go on with: {resuming(verb)}")
    counted = [info for info in infos if info.outcome not in UNCOUNTED]
    assert [info.seed for info in counted] == list(range(10_000, 10_000 + len(counted)))
    assert all(info.outcome is Outcome.UNFINISHED for info in infos[len(counted) :])
    assert len(infos) <= len(counted) + 1


def test_dagger_stopped_while_it_copies_tells_how_to_go_on(demonstrations, tmp_path):
    verb = Dagger(TASK, demonstrations, tmp_path / "bc", tmp_path / "run")
    assert verb._stopped() == "Stopped before the first attempt; nothing is lost."
    verb.output.mkdir()
    (verb.output / "run.json").write_text("{}")
    assert "keeps 0 attempts" in verb._stopped()
    assert verb._stopped().endswith(f"Go on with: {resuming(verb)}")


def test_dagger_stopped_counts_its_attempts_in_plain_words(demonstrations, tmp_path):
    verb = Dagger(TASK, demonstrations, tmp_path / "bc", tmp_path / "run")
    shutil.copytree(demonstrations, verb.output / "dataset")
    begun = replace(DATA, episodes=Dataset.open(demonstrations).num_episodes)
    write_json(verb.output / "run.json", dump(dagger_description(demonstrations=begun)))
    for seed, said in ((3, "keeps 1 attempt and"), (4, "keeps 2 attempts and")):
        _record(verb.output / "dataset", range(seed, seed + 1))
        assert said in verb._stopped()


@pytest.mark.parametrize("number", thinned([signal.SIGINT, signal.SIGTERM], [signal.SIGTERM]))
def test_a_signal_after_the_last_word_adds_none(number):
    command = (sys.executable, "-c", "from ilrobot.cli import main; main()")
    verb = ("eval", "--policy", "nowhere", "--task", TASK, "--episodes", "0")
    with subprocess.Popen((*command, *verb), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "--episodes must be from 1" in process.stderr.readline()
        process.send_signal(number)
        assert process.stderr.read() == ""
    assert process.returncode in (2, -number)
