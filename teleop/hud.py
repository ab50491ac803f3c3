"""What a person reads while the robot moves: a few words, from numbers that are passed in."""

from __future__ import annotations

from dataclasses import dataclass

from ilrobot.actors import Source

_WHO = {
    Source.DEMO: "you",
    Source.HUMAN: "you",
    Source.POLICY: "the policy",
    Source.BLEND: "you and the policy",
    Source.PAUSED: "nobody",
}


@dataclass(frozen=True)
class HudState:
    """What there is to tell.

    Attributes:
        episode: Which episode this is, counted from 1.
        episodes: How many there will be.
        source: Who acted last (None: it has not begun).
        recording: Whether frames are being kept.
        rate: Measured ticks per second.
        connected: Whether the device is there.
        device: Its name.
    """

    episode: int
    episodes: int
    source: Source | None = None
    recording: bool = False
    rate: float = 0.0
    connected: bool = True
    device: str = ""


def hud_lines(state: HudState, help_line: str = "") -> list[str]:
    """At most three short lines."""
    if not state.connected:
        first = f"{state.device} is unplugged: nothing moves until it is back"
    elif state.source is None:
        first = "press start (Enter) to begin"
    else:
        recording = "● recording" if state.recording else "not recording"
        first = f"{recording}   in control: {_WHO[state.source]}"
    second = f"episode {state.episode} of {state.episodes}"
    if state.rate:
        second += f"   {state.rate:.0f} Hz"
    third = help_line or "start/Y success · back/B failure · X discard and record again"
    return [first, second, third]
