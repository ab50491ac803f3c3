"""Recording by the page in a real Chromium: from a finger to a saved episode."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import (
    FAKE_PAD,
    PHONE,
    Fingers,
    KeyFingers,
    PadFingers,
    TouchFingers,
    demonstrate,
    launch,
)

import ilrobot.cli.record
import ilrobot.env
from ilrobot.cli.page import PageAddress
from ilrobot.cli.record import Record
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Judge, Outcome
from ilrobot.env import make_env
from ilrobot.errors import UserError
from ilrobot.task_env import TaskEnv
from sims.experts import make_expert
from tests.exhaustive import thinned
from tests.teleop.page_person import PATIENCE

TASK = "ilrobot/PandaLift-v0"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launch()


class Recording:
    """``ilrobot record --device browser`` in a thread of this process, its world within reach."""

    def __init__(self, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.env: TaskEnv
        self.code: int | None = None
        self._addresses: queue.Queue[str] = queue.Queue()
        monkeypatch.setattr(ilrobot.cli.record, "tell_address", self._addresses.put)
        monkeypatch.setattr(ilrobot.env, "make_env", self._make_env)
        verb = Record(TASK, output, "browser", PageAddress(port=0), episodes=1, seed=3)
        self._thread = threading.Thread(target=lambda: self._run(verb), daemon=True)
        self._thread.start()
        self.url = self._addresses.get(timeout=PATIENCE)

    def _make_env(self, *args: Any, **options: Any) -> TaskEnv:
        self.env = make_env(*args, **options)
        return self.env

    def _run(self, verb: Record) -> None:
        self.code = verb.run()

    def ended(self) -> bool:
        return not self._thread.is_alive()


WAYS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "pad": (PadFingers, {}),
    "keys": (KeyFingers, {}),
    "touch": (TouchFingers, PHONE),
}


def begin_until_heard(page: Any, fingers: Fingers) -> None:
    """As a person does who sees that nothing has begun: a busy machine's page may miss a tap."""
    for tenth in range(600):
        if page.evaluate("document.body.dataset.state") != "ready":
            break
        if tenth % 50 == 0:
            fingers.begin()
        page.wait_for_timeout(100)
    page.wait_for_selector("[data-state=you]")


@pytest.mark.gl
@pytest.mark.parametrize("way", thinned(WAYS, ["touch"]))
def test_a_person_lifts_the_cube_and_the_episode_is_saved(
    browser: Any, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_fingers, look = WAYS[way]
    trial = make_env(TASK, render_mode="rgb_array")
    trial.reset(0)
    try:
        trial.render()
    except UserError as error:
        pytest.skip(str(error))
    finally:
        trial.close()
    recording = Recording(tmp_path / "lift", monkeypatch)
    page = browser.new_context(**look).new_page()
    if way == "pad":
        page.add_init_script(FAKE_PAD)
    page.goto(recording.url)
    page.wait_for_selector("[data-state=ready]")
    fingers: Fingers = make_fingers(page)
    begin_until_heard(page, fingers)
    expert = make_expert(recording.env.env)
    demonstrate(fingers, recording.env, expert.act, recording.ended, patience=45)
    page.wait_for_selector("text=the session has ended", timeout=90_000)
    page.context.close()

    assert recording.code == 0
    data = Dataset.open(tmp_path / "lift")
    (info,) = data.infos
    assert (info.outcome, info.judge, info.seed) == (Outcome.SUCCESS, Judge.ENVIRONMENT, 3)
    assert info.device == "browser"
    sources = list(data.column("control.source"))
    # A page that a busy machine starves is silent, and the robot holds until it is heard again.
    assert set(sources) <= {"demo", "paused"}
    assert sources.count("demo") > len(sources) / 2


def press_until_it_counts(page: Any, key: str) -> None:
    """As a person does on a machine that is too busy to hear the first time.

    A page that is not heard for a moment is held, or lost, within the episode, too.
    """
    for tenth in range(600):
        state = page.evaluate("document.body.dataset.state")
        if state == "ready" or page.query_selector("text=the session has ended"):
            return
        if tenth % 50 == 0 and state in ("you", "held"):
            page.keyboard.press(key)
        page.wait_for_timeout(100)
    raise AssertionError(f"{key} was not heard: {state}, {page.inner_text('header')!r}")


def test_a_process_records_what_the_page_declares(browser: Any, tmp_path: Path) -> None:
    output = tmp_path / "junction"
    command = [sys.executable, "-c", "from ilrobot.cli import main; main()", "record", "--json"]
    command += ["--task", "ilrobot/PointPath-v0", "--device", "browser", "--port", "0"]
    command += ["--episodes", "2", "--output", str(output)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found
        page = browser.new_page()
        page.goto(found.group())
        for key in ("Delete", "Backspace", "Enter"):
            page.wait_for_selector("[data-state=ready]")
            assert "of 2" in page.inner_text("#counter")
            page.click("[data-control=success]")
            page.wait_for_selector("[data-state=you]")
            page.wait_for_selector("#recording:visible")
            press_until_it_counts(page, key)
        page.wait_for_selector("text=the session has ended", timeout=90_000)
        page.close()
        stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    assert json.loads(stdout.splitlines()[-1])["episodes"] == 2
    outcomes = [info.outcome for info in Dataset.open(output).infos]
    assert outcomes == [Outcome.DISCARDED, Outcome.FAILURE, Outcome.SUCCESS]


# A robot under the page ------------------------------------------------------------------------
