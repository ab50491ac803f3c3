"""The page's server over real sockets: who steers, and that the arm holds in faults."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress

import numpy as np
import pytest
from test_browser_messages import BAD

from ilrobot.actors import Actor, Decision, Observation, Source
from ilrobot.gates.human import HumanGate
from ilrobot.shared_control import SharedControl
from teleop.actor import TeleopActor
from teleop.bindings import END_EFFECTOR
from teleop.browser.page import hello
from teleop.engagement import make_engagement
from teleop.hud import HudState
from tests.teleop.page_person import Robot, person, run


def test_a_page_moves_the_arm(robot: Robot) -> None:
    async def test() -> None:
        assert not robot.moves()
        async with person(robot):
            await robot.until(robot.moves)
        await robot.holds("the page was closed")

    run(test)


def test_a_silent_page_lets_the_arm_hold_until_it_speaks_again(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await robot.until(robot.moves)
            anne.freeze()
            await robot.holds("the page is silent")
            anne.push()
            await robot.until(robot.moves)

    run(test)


def test_a_connection_that_breaks_lets_the_arm_hold(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await robot.until(robot.moves)
            transport = anne.socket.get_extra_info("transport") or anne.socket._conn.transport
            transport.abort()
            await robot.holds("the page was closed")

    run(test)


def test_a_hidden_page_lets_the_arm_hold(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as anne:
            await anne.take()
            await anne.say()
            await robot.until(robot.moves)
            await anne.say(present=False)
            await robot.until(lambda: not robot.moves() and "hidden" in robot.seat.trouble)

    run(test)


MESSAGES: dict[str, str | bytes] = {
    **{name: BAD[name] for name in ("no JSON", "NaN", "out of range", "deep", "a huge integer")},
    "binary": b"\x00\x01\x02",
    "10 MB": "x" * 10_000_000,
    "10 MB binary": bytes(10_000_000),
    "just too long": json.dumps({"type": "take", "x": "y" * 4096}),
}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES.keys())
def test_garbage_shuts_the_page_out_and_the_arm_holds(robot: Robot, message: str | bytes) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await robot.until(robot.moves)
            with suppress(ConnectionError):
                if isinstance(message, bytes):
                    await anne.socket.send_bytes(message)
                else:
                    await anne.socket.send_str(message)
            await robot.holds("the page was shut out")
            await robot.until(lambda: anne.socket.closed)
        # Nothing is broken: the next page steers.
        async with person(robot):
            await robot.until(robot.moves)

    run(test)


def test_a_flood_shuts_the_page_out_and_the_arm_holds(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot, take=False) as anne, person(robot, take=False) as watcher:
            await anne.take()
            with suppress(ConnectionError):
                for tick in range(5000):
                    await anne.say(axes={"lefty": -1.0}, pressed=["x"])
                    if tick % 50 == 0:
                        robot.moves()
                        await asyncio.sleep(0.001)
            await robot.holds("too many messages")
            assert anne.socket.closed or anne.socket._closing
            robot.page.show({}, HudState(connected=False))
            await robot.until(lambda: bool(watcher.packets))
            assert "too many messages" in watcher.packets[-1]["hud"]["headline"]

    run(test)


def test_of_two_controllers_one_steers_and_the_other_watches(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne:
            await robot.until(robot.moves)
            async with person(robot) as bob:
                robot.page.show({}, HudState())
                await robot.until(lambda: bool(bob.packets and anne.packets))
                assert (bob.packets[-1]["mine"], bob.packets[-1]["seat"]) == (False, "taken")
                assert anne.packets[-1]["mine"]
                anne.freeze()
                await robot.holds("the page is silent")
                # Bob sent all the time; he steers when he asks again, and Anne does no more.
                await robot.until(lambda: robot.seat.standing(None)[1] == "abandoned")
                await bob.take()
                await robot.until(robot.moves)
                await anne.take()
                bob.freeze()
                anne.push()
                await robot.holds("the page is silent")

    run(test)


class Onward(Actor):
    """A policy that always goes forward."""

    def act(self, observation: Observation, now: float) -> Decision:
        action = np.array([0.02, 0, 0, 0, 0, 0, 1], np.float32)
        return Decision(action, Source.POLICY, policy_action=action)


def test_under_a_policy_a_page_that_is_gone_lets_the_arm_hold_too(robot: Robot) -> None:
    robot.hand = TeleopActor(
        robot.hand.device, robot.hand.mapping, engagement=make_engagement("hold")
    )
    shared = SharedControl(Onward(), robot.hand, HumanGate(lambda: robot.hand.engaged))
    shared.reset(0)

    def source(now: list[Source]) -> bool:
        decision = shared.act(robot._observation, time.perf_counter())
        moving = bool(np.any(decision.action[:6]))
        assert moving is (decision.source is not Source.PAUSED)
        return decision.source in now

    async def test() -> None:
        await robot.until(lambda: source([Source.PAUSED]))
        async with person(robot) as anne:
            await robot.until(lambda: source([Source.POLICY]))
            anne.freeze()
            await robot.until(lambda: source([Source.PAUSED]))
            await anne.say()
            await robot.until(lambda: source([Source.POLICY]))
            await anne.say(held=["rightshoulder"], pressed=["rightshoulder"])
            await robot.until(lambda: source([Source.HUMAN]))
        await robot.until(lambda: source([Source.PAUSED]))
        assert robot.seat.trouble == "the page was closed"

    run(test)


def test_every_key_has_its_name_in_the_browser() -> None:
    told = hello(END_EFFECTOR)
    browser = {"arrowleft", "arrowright", "arrowup", "arrowdown", " ", "enter", "shift"}
    browser |= {"backspace", "delete"}
    for name in (*told["button_keys"], *told["stick_keys"], told["fine"][0]):
        assert len(name) == 1 or name in browser
    assert told["button_keys"]["enter"] == told["controls"]["success"] == "start"
    assert told["stick_keys"]["w"] == ["lefty", -1.0]


def test_control_can_be_given_away(robot: Robot) -> None:
    async def test() -> None:
        async with person(robot) as anne, person(robot, take=False) as bob:
            await robot.until(robot.moves)
            await anne.socket.send_json({"type": "let_go"})
            await robot.holds("nobody is in control")
            await bob.take()
            bob.push()
            await robot.until(robot.moves)

    run(test)
