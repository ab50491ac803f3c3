"""What the page is shown: the newest frame, each picture once, and the end of the session."""

from __future__ import annotations

import asyncio

import aiohttp
import numpy as np
import simplejpeg

from teleop.devices.base import Feedback
from teleop.hud import HudState
from tests.teleop.page_person import Robot, person, run


def pictures(level: int) -> dict[str, np.ndarray]:
    return {"front": np.full((48, 64, 3), level, np.uint8)}


def test_a_slow_page_gets_the_newest_frame_and_no_queue(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as slow:
            slow.draws = False
            robot.page.show(pictures(0), HudState())
            await robot.until(lambda: len(slow.packets) == 1)
            for level in range(1, 200):
                robot.page.show(pictures(level), HudState(episode=level))
                await asyncio.sleep(0.001)
            assert len(slow.packets) == 1
            await slow.socket.send_json({"type": "drawn", "frame": slow.packets[0]["frame"]})
            await robot.until(lambda: len(slow.packets) == 2)
            assert slow.packets[1]["hud"]["episode"] == 199
            picture = simplejpeg.decode_jpeg(slow.pictures["front"])
            assert np.abs(picture.astype(int) - 199).max() <= 2

    run(test)


def test_a_frozen_page_keeps_no_other_from_its_frames(robot: Robot) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)

    async def test() -> None:
        async with person(robot, take=False) as frozen, person(robot, take=False) as other:
            frozen.freeze()
            for level in range(1, 40):
                robot.page.show({"front": noise.copy()}, HudState(episode=level))
                await asyncio.sleep(0.002)
            await robot.until(lambda: bool(other.packets))
            await robot.until(lambda: other.packets[-1]["hud"]["episode"] == 39)

    run(test)


def test_pictures_that_stay_the_same_are_sent_once(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as page:
            still, wrist = pictures(10)["front"], pictures(20)["front"]
            robot.page.show({"front": still, "wrist": wrist}, HudState())
            await robot.until(lambda: len(page.packets) == 1)
            robot.page.show({"front": still, "wrist": wrist.copy()}, HudState(episode=2))
            await robot.until(lambda: len(page.packets) == 2)
        first, second = page.packets
        assert [new["camera"] for new in first["new"]] == ["front", "wrist"]
        assert [new["camera"] for new in second["new"]] == ["wrist"]
        assert second["shown"] == ["front", "wrist"]
        assert second["hud"]["episode"] == 2

    run(test)


def test_feedback_and_the_newest_input_that_was_read_reach_the_page(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as page:
            await page.take()
            await page.say(sequence=41)
            await robot.until(robot.moves)
            robot.hand.device.feedback(Feedback.SAVED)
            robot.page.show({}, HudState())
            await robot.until(lambda: bool(page.packets))
        assert page.packets[-1]["sequence"] == 41
        assert page.packets[-1]["feedback"]["saved"] == 1

    run(test)


def test_the_end_of_the_session_is_told(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await asyncio.to_thread(robot.page.close)
            await robot.until(lambda: anne.socket.closed)
            assert anne.socket.close_code == aiohttp.WSCloseCode.GOING_AWAY

    run(test)
