"""What ``ilrobot dagger`` prints of its rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ilrobot.gates.log import GateLog
    from ilrobot.run_description import RoundSummary


def print_rounds(rounds: Sequence[RoundSummary]) -> None:
    """A row for each round, and a line for what is worth knowing of it."""
    print("round  without help   interventions   steps by the expert    actions asked for")
    for row in rounds:
        share = f"{row.human_steps} of {row.steps} ({row.human_steps / max(row.steps, 1):.0%})"
        asked = "" if row.log is None else str(row.log.queries)
        print(
            f"{row.round:5}  {row.autonomous:5} of {row.episodes:<4}  {row.interventions:13}   "
            f"{share:<20} {asked:>8}".rstrip()
        )
    for row in rounds:
        for remark in _remarks(row):
            print(f"round {row.round}: {remark}")


def _remarks(row: RoundSummary) -> Iterator[str]:
    log = row.log
    if log is None:
        return
    if log.queries == 0 and log.steps:
        yield (
            "nobody took over, so that nothing was added to learn from; its policy was fitted to "
            "the same corrections and demonstrations as the one before"
        )
    if log.budget is not None:
        yield (
            f"called for help at {log.budget_spent:.1%} of the policy's steps "
            f"(budget {log.budget:.3g})"
        )
    if log.doubts:
        yield f"the policy's doubt when the expert took over: {_middle(log):.3g} (median)"


def _middle(log: GateLog) -> float:
    import statistics

    return statistics.median(log.doubts)
