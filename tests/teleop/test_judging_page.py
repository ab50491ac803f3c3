"""Which of two clips is better, answered on the page in a real Chromium."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import FAKE_PAD, launch

import ilrobot.cli.prefer
from ilrobot.cli.page import PageAddress
from ilrobot.cli.people import scripted_expert
from ilrobot.cli.prefer import Prefer
from ilrobot.data.comparisons import Answer, Comparisons
from ilrobot.data.dataset import DatasetRecorder
from ilrobot.env import make_env
from ilrobot.rollout import rollout

PATIENCE = 60.0
LEFT, RIGHT = 14, 15  # of a standard pad


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launch()


def test_keys_and_a_pad_answer_on_the_page(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = make_env("ilrobot/PointPath-v0", {"horizon": 10})
    with DatasetRecorder(tmp_path / "path", env.spec, state_size=env.state_size) as recorder:
        for seed in range(3):
            rollout(env, scripted_expert(env), seed=seed, recorder=recorder)

    addresses: queue.Queue[str] = queue.Queue()
    codes: list[int] = []
    monkeypatch.setattr(ilrobot.cli.prefer, "tell_address", lambda url, _: addresses.put(url))
    verb = Prefer(tmp_path / "path", tmp_path / "judged", answers=4, page=PageAddress(port=0))
    thread = threading.Thread(target=lambda: codes.append(verb.run()), daemon=True)
    thread.start()
    page = browser.new_context().new_page()
    page.add_init_script(FAKE_PAD)
    page.goto(addresses.get(timeout=PATIENCE))
    for number, answer in enumerate(("ArrowLeft", RIGHT, "ArrowUp", LEFT), start=1):
        page.wait_for_selector(f"text=pair {number} of 4", timeout=1_000 * PATIENCE)
        page.wait_for_selector("text=which is better, left or right?")
        if isinstance(answer, str):
            page.keyboard.press(answer, delay=100)
        else:
            page.evaluate(f"press({answer}, true)")
            page.wait_for_timeout(200)
            page.evaluate(f"press({answer}, false)")
    page.wait_for_selector("text=the session has ended", timeout=1_000 * PATIENCE)
    thread.join(PATIENCE)
    page.context.close()

    assert codes == [0]
    said = [one.answer for one in Comparisons.read(tmp_path / "judged").answers]
    assert said == [Answer.LEFT, Answer.RIGHT, Answer.EQUAL, Answer.LEFT]
