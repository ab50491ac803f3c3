"""The explorers' pages in a real Chromium: a person draws paths, and looks at rounds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from chromium import launch

from ilrobot.cli.explorers import drift, irl
from teleop.explorer.exploration import Exploration, Step
from teleop.explorer.explorer import Explorer

#: ms; a busy machine loads torch for half a minute.
PATIENCE = 120_000
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
STAIRS = (0, 1, 6, 7, 12, 13, 18, 19, 24)
METHODS = ("maxent", "projection", "max-margin")


def quick_round(_: None, state: drift.Drift) -> Step[drift.Drift]:
    """As the page's, with too little training to be any good."""
    drift._TRAINING = 20
    return drift.next_round(None, state)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launch()


@contextmanager
def served(exploration: Exploration[Any]) -> Iterator[Explorer]:
    explorer = Explorer(exploration, "127.0.0.1", 0)
    try:
        yield explorer
    finally:
        explorer.close()


@pytest.fixture(scope="module")
def grid() -> Iterator[Explorer]:
    with served(irl.EXPLORATION) as explorer:
        yield explorer


@contextmanager
def opened(browser: Any, explorer: Explorer, **look: Any) -> Iterator[Any]:
    """The page, when it is ready; nothing may go wrong in its scripts."""
    context = browser.new_context(**look)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.goto(explorer.url)
    page.wait_for_selector("body[data-state=ready]")
    yield page
    context.close()
    assert wrong == []


def cell(state: int) -> str:
    return f".cell[data-state='{state}']"


def peak(page: Any, board: str) -> int:
    """The cell of a map with the greatest value."""
    value = "cell => Number(cell.dataset.value)"
    values = page.eval_on_selector_all(f"#{board} rect[data-value]", f"all => all.map({value})")
    assert len(values) == int(page.input_value("#side")) ** 2
    return int(max(range(len(values)), key=values.__getitem__))


def worked_out(page: Any) -> None:
    page.click("#run")
    page.wait_for_selector("body[data-state=done]")


def line_says(page: Any, words: str) -> None:
    page.wait_for_function(
        "words => document.getElementById('line').textContent.includes(words)", arg=words
    )


def test_a_clicked_path_and_each_method_recover_the_goal(browser: Any, grid: Explorer) -> None:
    with opened(browser, grid) as page:
        for state in STAIRS:
            page.click(cell(state))
        for method in METHODS:
            page.check(f"[name=method][value={method}]", force=True)
            page.wait_for_selector("body[data-state=ready]")
            worked_out(page)
            assert [peak(page, board) for board in ("recovered", "expert", "learner")] == [24] * 3
            assert int(page.inner_text("#iterations")) > 1
            assert float(page.inner_text("#gap")) < 0.2
            assert 0.3 < float(page.inner_text("#correlation")) <= 1
        assert page.locator("#recovered .arrow").count() >= 24
        label = page.get_attribute("#recovered svg", "aria-label")
        assert "most at row 5, column 5" in label
        # Another question makes what is shown old, and says so by its looks.
        page.click("#clear")
        page.wait_for_selector("body.old")


def test_a_dragged_path_is_whole_and_a_goal_can_be_elsewhere(browser: Any, grid: Explorer) -> None:
    with opened(browser, grid) as page:
        page.check("[name=tool][value=goal]", force=True)
        page.click(cell(20))
        page.check("[name=tool][value=path]", force=True)
        start, corner = (page.locator(cell(state)).bounding_box() for state in (4, 20))
        page.mouse.move(start["x"] + 5, start["y"] + 5)
        page.mouse.down()
        page.mouse.move(corner["x"] + 5, corner["y"] + 5)  # in one move, as a quick hand
        page.mouse.up()
        worked_out(page)
        assert peak(page, "recovered") == 20
        assert page.is_hidden("#remark")


def test_a_path_can_be_walked_by_keys_alone(browser: Any, grid: Explorer) -> None:
    with opened(browser, grid) as page:
        page.focus(cell(0))
        for key in ("Enter", *("Shift+ArrowRight",) * 3, "Backspace", "ArrowLeft"):
            page.keyboard.press(key)
        for key in (*("Shift+ArrowDown",) * 4, "g"):
            page.keyboard.press(key)
        page.focus("#run")
        page.keyboard.press("Enter")
        page.wait_for_selector("body[data-state=done]")
        assert peak(page, "recovered") == 22
        assert "goal" in page.get_attribute(cell(22), "aria-label")


def test_mistakes_are_one_line_on_the_page(browser: Any, grid: Explorer) -> None:
    with opened(browser, grid) as page:
        page.click("#run")
        line_says(page, "there is no path")
        page.click(cell(0))
        page.click(cell(12))
        line_says(page, "row 3, column 3 does not touch the end of the path")
        page.click(cell(1))
        page.wait_for_selector("body[data-state=ready]")
        page.focus(cell(24))
        page.keyboard.press("g")
        page.click("#run")
        line_says(page, "there is no goal")
        # What the page would not send is told by the server.
        page.evaluate(
            "() => import('./link.js').then(({ Link }) => { window.other = new Link({"
            "hello() { window.other.say('garbage'); }, answer() {},"
            "state(name, words) { if (name === 'lost') window.why = words; } }); })"
        )
        page.wait_for_function("() => window.why")
        assert "it is no JSON object" in page.evaluate("window.why")


def test_two_pages_are_both_answered(browser: Any, grid: Explorer) -> None:
    with opened(browser, grid) as first, opened(browser, grid, **PHONE) as second:
        for page in (first, second):
            page.click("#more")
            page.click("#run")
        for page in (first, second):
            page.wait_for_selector("body[data-state=done]")
            assert peak(page, "recovered") == 24
        # On a phone nothing stands out to the side.
        assert second.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_rounds_of_drift_are_stepped_through(browser: Any) -> None:
    quick = replace(drift.EXPLORATION, step=quick_round)
    with served(quick) as explorer, opened(browser, explorer) as page:
        page.fill("#rounds", "2")
        page.fill("#episodes", "1")
        page.click("#run")
        page.wait_for_selector("body[data-state=done]")
        assert page.inner_text("#shown") == "round 2 of 2"
        labels = [page.inner_text(f"#row-{name} td >> nth=0") for name in ("bc", "dagger")]
        assert labels == ["200", "200"]
        assert page.locator("#dagger .driven").count() == drift.JUDGED
        assert page.is_disabled("#after")
        page.click("#before")
        assert page.inner_text("#shown") == "round 1 of 2"
        assert "round 1: 100 labels" in page.get_attribute("#dagger", "aria-label")
        assert page.is_disabled("#before")
        strokes = "path => path.getAttribute('d').split('M').length - 1"
        assert page.eval_on_selector("#bc .label", strokes) == 100
        page.fill("#show", "2")
        assert page.eval_on_selector("#bc .label", strokes) == 200
        page.uncheck("#with-labels")
        assert page.locator("#bc .label").count() == 0
        page.fill("#seed", "1000")
        page.click("#run")
        line_says(page, "seed of 1000: choose 0 to 999")
        page.fill("#seed", "7")
        page.click("#run")
        page.wait_for_selector("body[data-state=working]")
        page.click("#run")  # stop
        page.wait_for_selector("body[data-state=ready]")
