"""Who may open the page: checks of Host, Origin and token."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ilrobot.errors import UserError

LOOPBACK = "127.0.0.1"


class Refused(Exception):
    """The request is turned away; the words say why."""


@dataclass(frozen=True)
class Access:
    """What a request must show.

    Without a check of Host, any web page could reach the robot through a name of its own that it
    lets point at this machine (DNS rebinding); without one of Origin, any web page could open the
    WebSocket from the browser of somebody who may.

    Attributes:
        host: The address that the server listens on.
        token: What the URL must carry (empty: nothing, for this machine only).
    """

    host: str
    token: str = field(default="", repr=False)

    @classmethod
    def for_host(cls, host: str) -> Access:
        """A token of 128 random bits for anything but this machine's own address.

        Raises:
            UserError: It is no address or name that can be listened on.
        """
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        try:
            socket.getaddrinfo(host, None)
        except (OSError, UnicodeError) as error:
            raise UserError(
                f"--host {host!r} is no address of this machine; 0.0.0.0 listens on all of them"
            ) from error
        return cls(host, "" if _is_loopback(host) else secrets.token_urlsafe(16))

    def url(self, port: int) -> str:
        """What to open, with the token."""
        host = _reachable(self.host)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{port}/" + (f"?token={self.token}" if self.token else "")

    def check_host(self, host: str) -> None:
        """The request names us by an address or by a name of ours.

        Raises:
            Refused: It does not.
        """
        name = _hostname(f"//{host}")
        local = name == "localhost" or _is_loopback(name)
        if _is_loopback(self.host):
            if local:
                return
        elif local or _is_address(name) or name in _names_of(self.host):
            # A name that was made to point at us is a name; an address is never one.
            return
        raise Refused("the page was opened under a name that is not this machine's")

    def check_origin(self, origin: str | None, host: str) -> None:
        """The page that asks came from us.

        Raises:
            Refused: Another site's page asks, or something that is no browser.
        """
        if origin is None or _place(origin) != host.lower():
            raise Refused("the request comes from another site's page")

    def check_token(self, token: str | None) -> None:
        """The token is ours.

        Raises:
            Refused: It is not.
        """
        if self.token and not hmac.compare_digest((token or "").encode(), self.token.encode()):
            raise Refused("the token is missing or wrong: open the whole address that was printed")


def _hostname(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _place(url: str) -> str:
    """Host and port of an address; of one that is none, nothing that a request is for."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return "?"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _names_of(host: str) -> set[str]:
    own = socket.gethostname().lower()
    return {host.lower(), own, f"{own}.local", socket.getfqdn().lower()}


def _reachable(host: str) -> str:
    """An address that others can type, where `host` means all of them."""
    if not (_is_address(host) and ipaddress.ip_address(host).is_unspecified):
        return host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: it only asks which of our addresses faces the others.
            probe.connect(("192.0.2.1" if family == socket.AF_INET else "2001:db8::1", 9))
        except OSError:
            return socket.gethostname()
        address: str = probe.getsockname()[0]
        return address
