"""``ilrobot doctor``: what works on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ilrobot.cli.usage import BindingsFile, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.cli.diagnosis.finding import Finding


@dataclass
class Doctor:
    """What works on this machine, and what to install for the rest.

    Looks at Python and its packages (versions that are known to be broken), GL, gamepads, display,
    GPU, real-time scheduling, memory and disk. Exits with 1 only if something is broken; what is
    merely missing is optional.

    With --device it shows live what arrives from a device and what each button does, until Ctrl-C.

    Example: ilrobot doctor --device gamepad
    """

    device: Annotated[
        Literal["gamepad", "keyboard", "spacemouse", "browser"] | None,
        optional("gamepad|keyboard|spacemouse", "look at the machine"),
    ] = None
    """Show what arrives from this device instead."""

    bindings: BindingsFile = None
    """With --device: a TOML file that changes what buttons, keys and axes do."""

    seconds: Annotated[float | None, optional("SECONDS", "at Ctrl-C")] = None
    """With --device: stop after so long."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Look and print."""
        if self.device == "browser":
            raise UserError(
                "what arrives from a browser is shown by its own page: ilrobot teleop --task "
                "ilrobot/PandaLift-v0 --device browser"
            )
        if self.device is not None:
            return self._listen(self.device)
        if self.bindings is not None or self.seconds is not None:
            raise UserError("--bindings and --seconds are for: ilrobot doctor --device gamepad")
        from ilrobot.cli.diagnosis.finding import State
        from ilrobot.cli.output import console, print_json

        with console.status("looking (some ten seconds)"):
            findings = examine()
        _print(findings)
        broken = [finding for finding in findings if finding.state is State.BROKEN]
        if self.json:
            rows = [vars(finding) for finding in findings]
            print_json({"ok": not broken, "findings": rows})
        return 1 if broken else 0

    def _listen(self, device: Literal["gamepad", "keyboard", "spacemouse"]) -> int:
        from ilrobot.cli.diagnosis import arriving
        from ilrobot.cli.output import print_json
        from ilrobot.control.clock import RealTimeClock

        if self.seconds is not None and not self.seconds > 0:
            raise UserError(f"--seconds must be more than 0, not {self.seconds:g}")
        bindings = arriving.bindings_for_an_arm(self.bindings)
        with arriving.opened(device, bindings) as found:
            heard = arriving.watch(found, bindings, RealTimeClock(arriving.RATE), self.seconds)
        if self.json:
            print_json(arriving.as_json(heard, found))
        return 0


def examine() -> list[Finding]:
    """All findings, in the order in which they are printed."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    from ilrobot.cli.diagnosis import devices, machine, packages

    installed = packages.installed_packages()
    with ThreadPoolExecutor(2) as pool:  # the slow ones wait for other processes
        drawing = pool.submit(devices.check_gl, installed, os.environ)
        gpu = pool.submit(devices.check_gpu, installed)
        pads = pool.submit(devices.check_pads, installed)
        return [
            *packages.check_python(),
            *packages.check_packages(installed, packages.declared_requirements()),
            *packages.check_known_faults(installed),
            *drawing.result(),
            *pads.result(),
            *devices.check_display(os.environ),
            *gpu.result(),
            *machine.check_machine(Path.cwd()),
            *machine.check_real_time(),
        ]


def _print(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from ilrobot.cli.diagnosis.finding import State

    styles = {
        State.OK: "green",
        State.WARN: "yellow",
        State.MISSING: "cyan",
        State.BROKEN: "bold red",
    }
    area = ""
    table = Table.grid(padding=(0, 2))
    for column in ("area", "state", "name", "detail"):
        table.add_column(column, no_wrap=column != "detail")
    for finding in findings:
        style = styles[finding.state]
        words = finding.detail + (f"\n→ {finding.advice}" if finding.advice else "")
        shown = finding.area if finding.area != area else ""
        table.add_row(shown, f"[{style}]{finding.state}[/]", finding.name, escape(words))
        area = finding.area
    Console(highlight=False).print(table)
