"""A page to explore a method, served until it is closed."""

from __future__ import annotations

from typing import Any

from teleop.explorer.conversation import MAX_MESSAGE, Conversation
from teleop.explorer.desk import Desk
from teleop.explorer.exploration import Exploration
from teleop.web.access import Access
from teleop.web.server import WebServer, static_files


class Explorer:
    """Serves the page.

    Args:
        exploration: What it is for.
        host: Address to listen on; anything but this machine's own needs the token in `url`.
        port: 0 for any that is free.

    Raises:
        UserError: It cannot listen there.
    """

    def __init__(self, exploration: Exploration[Any], host: str, port: int) -> None:
        access = Access.for_host(host)
        self._desk = Desk(exploration.load)
        try:
            self._web = WebServer(
                access,
                port,
                static_files("teleop.explorer", exploration.page),
                lambda socket: Conversation(socket, exploration, self._desk),
                MAX_MESSAGE,
            )
        except BaseException:
            self._desk.close()
            raise

    @property
    def url(self) -> str:
        """What to open, with the token where one is needed."""
        return self._web.url

    def close(self) -> None:
        """Tell the pages that the session has ended, and stop."""
        self._desk.close()
        self._web.close()
