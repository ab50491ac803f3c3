"""``ilrobot explore``: a page on which a method can be tried out."""

from __future__ import annotations

import difflib
import importlib
import threading
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional

from ilrobot.cli.page import HOST, PORT, check_port, tell_address
from ilrobot.cli.usage import Address, optional
from ilrobot.errors import UserError
from ilrobot.required import require

#: Each is a module of `ilrobot.cli.explorers`, and what it needs.
PAGES = {
    "irl": ("numpy", "scipy", "aiohttp"),
    "drift": ("aiohttp", "torch", "gymnasium", "mujoco"),
}


@dataclass
class Explore:
    """Try a method out on a page in the browser, until Ctrl-C.

    irl: click an expert's path on a grid, and see which reward explains it: MaxEnt inverse
    reinforcement learning and apprenticeship learning.

    drift: watch a clone leave the path that it was shown, and DAgger come back, round by round.

    Example: ilrobot explore irl
    """

    name: Annotated[Positional[str], optional("NAME", "list them")] = ""
    """Which page."""

    host: Address = HOST
    """Address to serve the page on; 0.0.0.0 lets a phone in, by a token."""

    port: int = PORT
    """Port of the page, 0 for any that is free."""

    def run(self) -> int:
        """Serve it until Ctrl-C, or say which there are."""
        if not self.name:
            print("\n".join(PAGES))
            return 0
        if self.name not in PAGES:
            raise UserError(_which(self.name))
        check_port(self.port)
        require(f"explore {self.name}", *PAGES[self.name])
        from teleop.explorer.explorer import Explorer

        module = importlib.import_module(f"ilrobot.cli.explorers.{self.name}")
        explorer = Explorer(module.EXPLORATION, self.host, self.port)
        try:
            tell_address(explorer.url, "ask this page")
            threading.Event().wait()
        finally:
            explorer.close()
        return 0


def _which(name: str) -> str:
    near = difflib.get_close_matches(name, PAGES, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(PAGES)}"
    return f"no page '{name}'; {hint}"
