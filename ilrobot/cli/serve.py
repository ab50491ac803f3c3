"""``ilrobot serve``: a policy on another machine than the robot's."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from ilrobot.cli.usage import Address, optional
from ilrobot.endings import ending_signals, ignore_more
from ilrobot.errors import UserError, WorkFailed

if TYPE_CHECKING:
    from exports.server.server import PolicyServer

_MOST_THREADS = 256
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass
class Serve:
    """Compute a policy for robots elsewhere, for deploy --policy ws://HOST:PORT or openpi's client.

    A run is exported first, for what is served is an exported file with its contract. There is no
    authentication and no encryption: read docs/serving.md before you give --host.

    Example: ilrobot serve --policy policy.onnx
    """

    policy: Path
    """File that ilrobot export wrote, or folder of a finished run."""

    host: Address = "127.0.0.1"
    """Address to serve on; 0.0.0.0 serves every network that this machine is in."""

    port: Annotated[int, optional("PORT", "8000")] = 8000
    """Port, 0 for any that is free."""

    threads: Annotated[int, optional("N", "1")] = 1
    """Threads that compute a chunk; more help networks of many millions of parameters."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Serve until Ctrl-C, SIGTERM or SIGHUP, then print what was served."""
        from ilrobot.cli.output import print_json
        from ilrobot.required import require

        require("serve", "msgpack", "websockets", extra="server")
        from exports.runtime.session import OnnxPolicy
        from exports.server.server import PolicyServer

        if not 0 <= self.port < 2**16:
            raise UserError(f"--port must be 0 … 65535, not {self.port}")
        if not 1 <= self.threads <= _MOST_THREADS:
            raise UserError(f"--threads must be 1 … {_MOST_THREADS}, not {self.threads}")
        with self._file() as file:
            policy = OnnxPolicy(file, threads=self.threads)
        policy.verify()
        server = PolicyServer(policy)
        received = asyncio.run(self._serve(server))
        summary: dict[str, Any] = {
            "policy": str(self.policy),
            "answered": server.answered,
            "refused": server.refused,
            "inference_ms": server.inference.to_json(),
            "stopped_by": received.name,
        }
        _print_summary(summary)
        if self.json:
            print_json(summary)
        return 128 + received

    @contextmanager
    def _file(self) -> Iterator[Path]:
        """The file to serve; of a run one that is gone afterwards."""
        from ilrobot.cli.export import Export

        if not self.policy.exists():
            raise UserError(f"no policy at {self.policy}; make one with ilrobot export")
        if not self.policy.is_dir():
            yield self.policy
            return
        with TemporaryDirectory() as folder:
            file = Path(folder) / "policy.onnx"
            print(f"exporting {self.policy} to serve it", flush=True)
            try:
                Export(policy=self.policy, output=file).run()
            except (UserError, WorkFailed) as error:
                raise type(error)(
                    f"{self.policy} cannot be exported to be served ({error}); or serve a file "
                    "that ilrobot export wrote"
                ) from error
            yield file

    async def _serve(self, server: PolicyServer) -> signal.Signals:
        """Serve; the signal that ended it. A second one ends the process in the usual way."""
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        received: list[signal.Signals] = []
        asked = ending_signals()

        def remember(number: signal.Signals) -> None:
            received.append(number)
            for each in asked:
                loop.remove_signal_handler(each)
            ignore_more(number)
            stop.set()

        for number in asked:
            loop.add_signal_handler(number, remember, number)
        try:
            await server.run(self.host, self.port, stop, self._tell)
        except OSError as error:
            raise UserError(
                f"cannot serve on {self.host} port {self.port} ({error.strerror or error}); give "
                "another --host or --port"
            ) from error
        return received[0]

    def _tell(self, host: str, port: int) -> None:
        from ilrobot.cli.output import console

        address = f"[{host}]" if ":" in host else host
        console.print(
            f"serving {self.policy} on ws://{address}:{port}; Ctrl-C stops it",
            markup=False,
            soft_wrap=True,
        )
        if self.host not in _LOOPBACK:
            console.print(
                "[dim]whoever reaches this port is served; nothing is encrypted[/]", soft_wrap=True
            )


def _print_summary(summary: dict[str, Any]) -> None:
    print(f"stopped by {summary['stopped_by']}")
    print(f"chunks     {summary['answered']}, requests refused {summary['refused']}")
    if summary["answered"]:
        times = ", ".join(f"{name} {ms:.3f}" for name, ms in summary["inference_ms"].items())
        print(f"inference  {times} ms")
