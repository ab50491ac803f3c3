"""What to mind about the evidence itself, before any advice that follows from it."""

from __future__ import annotations

from ilrobot.advice.evidence import Evidence
from ilrobot.advice.methods import FEW


def cautions(evidence: Evidence) -> list[str]:
    """What the data are too few to tell, or what is wrong with them, a line each."""
    facts, coverage, modes = evidence.facts, evidence.coverage, evidence.modes
    found = []
    if evidence.available.simulator and evidence.available.remark:
        found.append(evidence.available.remark)
    if facts.choices is None and modes is None:
        taught = _counted(facts.episodes)
        if 0 < facts.teaching < facts.episodes:
            taught = f"{facts.teaching} of {taught} teach a clone: they"
        are = "is" if facts.episodes == 1 else "are"
        found.append(
            f"{taught} {are} too few to tell whether one observation was answered "
            "in several ways; record at least 10"
        )
    if facts.episodes < FEW:
        few = _counted(facts.episodes)
        found.append(f"{few}: every number here may change with the next ones")
    if coverage is not None and coverage.pauses > 0.1:
        found.append(
            f"next to nothing moves at {coverage.pauses:.0%} of the ticks: a clone of single ticks "
            "may learn to stand still; cut the pauses (ilrobot edit trim)"
        )
    if facts.cameras and facts.vectors:
        found.append(
            f"{len(facts.cameras)} cameras are left aside here; train --cameras shows a policy more"
        )
    if modes is not None and not modes.several and modes.explained < 0.5:
        found.append(
            f"the present observation explains {max(modes.explained, 0.0):.0%} of the next actions "
            "and they have no two modes: something that was acted on is not in it, the examples "
            "are too few, or the hand is noisy; try --history 2 or record more"
        )
    if facts.success_rate is None and not facts.returns:
        found.append(
            "nobody judged the episodes and no reward tells them apart: all are taken as good"
        )
    return found


def _counted(episodes: int) -> str:
    return "1 episode" if episodes == 1 else f"{episodes} episodes"
