"""``--host`` and ``--port`` of a page, and the line that says what to open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from ilrobot.cli.usage import Address
from ilrobot.errors import UserError

HOST, PORT = "127.0.0.1", 8765


@dataclass(frozen=True)
class PageAddress:
    """Where the page of --device browser is served."""

    host: Address = HOST
    """With --device browser: address to serve the page on; 0.0.0.0 lets a phone in, by a token."""

    port: int = PORT
    """With --device browser: port of the page, 0 for any that is free."""

    def check(self, device: str) -> tuple[str, int]:
        """Host and port.

        Raises:
            UserError: They are wrong, or there will be no page.
        """
        if device != "browser" and (self.host, self.port) != (HOST, PORT):
            raise UserError("--host and --port are for --device browser")
        check_port(self.port)
        return self.host, self.port


#: A field of a verb: ``page: Page = PageAddress()``.
Page = Annotated[PageAddress, tyro.conf.arg(name="")]


def check_port(port: int) -> None:
    """Refuse what is no port.

    Raises:
        UserError: It is none.
    """
    if not 0 <= port < 2**16:
        raise UserError(f"--port must be 0 … 65535, not {port}")


def tell_address(url: str, grants: str = "steer") -> None:
    """On the terminal, once: it may hold the token.

    Args:
        url: What to open.
        grants: What whoever opens it can do.
    """
    from ilrobot.cli.output import console

    words = f"[bold]open[/] {url}"
    if "token=" in url:
        words += f"\n[dim]whoever has this address can {grants}; it travels unencrypted[/]"
    console.print(words, soft_wrap=True)
