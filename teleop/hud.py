"""What a person reads while the robot moves: one state, shown by the window and by the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

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
        episodes: How many there will be (0: as many as the person likes).
        source: Who acted last (None: the episode has not begun).
        recording: Whether frames are being kept.
        engaged: Whether the person holds control, or wants it.
        paused: Whether the person has halted the robot.
        rewinding: Whether the episode runs backwards.
        frame: Frame in which the person steers (empty: there is but one).
        speed: Share of full speed that full stick commands.
        leash: How much of the leash between target and robot is used, 0 … 1.
        rate: Measured ticks per second.
        missed: Ticks of this episode that came late.
        doubt: How unsure the policy is (None: it has no measure of it).
        cameras: Names of the cameras (empty: there is but one view).
        camera: The one that is shown large.
        connected: Whether the device is there.
        device: Its name.
        message: Something that the person should know now.
        help: What to press.
        task: Gymnasium id of the task.
        question: Put to the person, who controls nothing now (empty: none is).
    """

    episode: int = 1
    episodes: int = 0
    source: Source | None = None
    recording: bool = False
    engaged: bool = False
    paused: bool = False
    rewinding: bool = False
    frame: str = ""
    speed: float = 1.0
    leash: float = 0.0
    rate: float = 0.0
    missed: int = 0
    doubt: float | None = None
    cameras: tuple[str, ...] = ()
    camera: str = ""
    connected: bool = True
    device: str = ""
    message: str = ""
    help: str = ""
    task: str = ""
    question: str = ""

    @property
    def headline(self) -> str:
        """The one thing to know, in a few words."""
        if not self.connected:
            reason = self.message or f"{self.device} is unplugged"
            return f"{reason}: nothing moves until it is back"
        if self.question:
            return self.question
        if self.source is None:
            return "press start (Enter) to begin"
        if self.rewinding:
            return "rewinding"
        if self.paused:
            return "paused: the robot holds"
        return f"in control: {_WHO[self.source]}"

    @property
    def counter(self) -> str:
        """Which episode of how many."""
        of = f" of {self.episodes}" if self.episodes else ""
        return f"{'pair' if self.question else 'episode'} {self.episode}{of}"

    def as_json(self) -> dict[str, Any]:
        """Every attribute as plain JSON, and the two texts that are made from them."""
        return {**asdict(self), "headline": self.headline, "counter": self.counter}


def hud_lines(state: HudState) -> list[str]:
    """Three short lines: who is in control, where we are, what to press."""
    begun = state.source is not None
    first = [state.headline]
    if begun and state.connected:
        first.insert(0, "recording" if state.recording else "not recording")
        if state.message:
            first.append(state.message)
    second = [state.counter]
    if state.rate:
        late = f", {state.missed} late" if state.missed else ""
        second.append(f"{state.rate:.0f} Hz{late}")
    if state.speed != 1.0:
        second.append(f"speed {state.speed:.0%}")
    if state.frame:
        second.append(f"{state.frame} frame")
    if state.leash > 0.0:
        second.append(f"leash {state.leash:.0%}")
    if state.doubt is not None:
        second.append(f"doubt {state.doubt:.2f}")
    return ["   ".join(first), "   ".join(second), state.help]
