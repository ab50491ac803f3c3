"""How a simulated person moves: reaction, hand, care."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """The traits that persons are drawn from; a pair is the range of one person's own value.

    Attributes:
        reaction: Seconds between seeing and moving; visual tracking takes 0.15 … 0.25 s.
        gain: Share of an intended speed that the hand commands. Persons lower their gain until
            the delayed loop is stable: McRuer and Jex 1967, "A review of quasi-linear pilot
            models", the crossover model, whose crossover lies at some 2 … 4 rad/s.
        stick_speed: Full deflections per second that the thumb moves a stick at most.
        tremor: Root mean square of the 8 … 12 Hz tremor of a hand that pushes a stick, in
            deflections.
        wander: Root mean square of the slow error of the path, as a share of the commanded speed:
            motor noise grows with the command (Harris and Wolpert 1998).
        wander_time: Correlation time of that error in seconds.
        press_delay: Seconds more that pressing a button takes than steering.
        press_time: Seconds that a button stays down.
        fatigue: How much a hand that steers for long gets slower and shakier, 0 (not at all) … 1;
            see `teleop.fatigue`. A tired hand carries that into its next episode.
        fatigue_time: Seconds of steering after which it is tired by 1 - 1/e.
        recovery_time: Seconds of rest after which 1/e of that is left.
        pause: Seconds of rest between two episodes.
    """

    reaction: tuple[float, float] = (0.15, 0.20)
    gain: tuple[float, float] = (0.45, 0.6)
    stick_speed: float = 8.0
    tremor: float = 0.015
    wander: float = 0.12
    wander_time: float = 0.6
    press_delay: tuple[float, float] = (0.05, 0.15)
    press_time: float = 0.1
    fatigue: float = 0.0
    fatigue_time: float = 600.0
    recovery_time: float = 300.0
    pause: float = 5.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.fatigue <= 1.0:
            raise ValueError(f"fatigue must be in [0, 1], not {self.fatigue}")
        if not (self.fatigue_time > 0.0 and self.recovery_time > 0.0 and self.pause >= 0.0):
            raise ValueError("fatigue_time and recovery_time must be positive, pause not negative")
