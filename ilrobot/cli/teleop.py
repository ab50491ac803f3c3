"""``ilrobot teleop``: steer a task without recording."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal

from ilrobot.cli.page import Page, PageAddress, tell_address
from ilrobot.cli.usage import BindingsFile, TaskId, TaskOptions
from ilrobot.errors import UserError


@dataclass
class Teleop:
    """Steer a task by hand; nothing is recorded. To try a device, a task or a camera.

    Episodes follow one another until Ctrl-C. The page of --device browser takes a pad, keys and, on
    a phone, touch; see docs/teleoperation.md.

    Example: ilrobot teleop --task ilrobot/PandaLift-v0 --device browser
    """

    task: TaskId
    """Gymnasium id, e.g. ilrobot/PandaLift-v0."""

    device: Literal["browser", "gamepad", "keyboard", "spacemouse"] = "browser"
    """A page in a browser, or your own pad, keyboard or SpaceMouse in front of a window."""

    page: Page = PageAddress()  # noqa: RUF009 (it is frozen)

    bindings: BindingsFile = None
    """A TOML file that changes what buttons, keys and axes do."""

    seed: int = 0
    """Seed of the first episode; the next ones count up from it."""

    options: TaskOptions = ()
    """Options of the environment, e.g. engine=pybullet."""

    def run(self) -> int:
        """Episode after episode until Ctrl-C."""
        from contextlib import ExitStack

        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import console
        from ilrobot.env import make_env
        from teleop.hands import make_hand
        from teleop.live import LiveStage
        from teleop.stages import take_place

        address = self.page.check(self.device)
        if self.seed < 0:
            raise UserError("--seed must be at least 0")
        with ExitStack() as stack:
            env = make_env(self.task, parse_options(self.options), render_mode="rgb_array")
            stack.callback(env.close)
            hand, display = stack.enter_context(
                take_place(
                    self.device,
                    f"ilrobot teleop {self.task}",
                    lambda device: make_hand(device, env.spec, bindings=self.bindings),
                    address=address,
                    tell=tell_address,
                )
            )
            assert display is not None
            stage = LiveStage(display, env, hand, wanted=0)
            for seed in itertools.count(self.seed):
                result = stage.run_episode(env, hand, seed=seed)
                console.print(f"seed {seed}: {result.outcome}, {result.length} steps")
        return 0
