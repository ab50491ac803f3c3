"""What ``ilrobot dagger`` prints of its rounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ilrobot.gates.log import GateLog
    from ilrobot.run_description import RoundSummary


#: Of a classifier, below which it hardly tells more than a coin.
_TELLING_AUC = 0.6
#: Share of the policy's steps from which a gate calls at nearly all of them.
_NEARLY_ALL = 0.95


def print_rounds(rounds: Sequence[RoundSummary], run: Path) -> None:
    """A row for each round, and a line for what is worth knowing of it.

    Args:
        rounds: Of one run.
        run: Its folder.
    """
    print("round  without help   interventions   steps by the expert    actions asked for")
    for row in rounds:
        share = f"{row.human_steps} of {row.steps} ({row.human_steps / max(row.steps, 1):.0%})"
        asked = "" if row.log is None else str(row.log.queries)
        print(
            f"{row.round:5}  {row.autonomous:5} of {row.episodes:<4}  {row.interventions:13}   "
            f"{share:<20} {asked:>8}".rstrip()
        )
    for row in rounds:
        of_gate = (*_of_classifier(run, row.round), *_of_rehearsal(run, row.round))
        for remark in (*_remarks(row), *of_gate):
            print(f"round {row.round}: {remark}")


def _remarks(row: RoundSummary) -> Iterator[str]:
    log = row.log
    if log is None:
        return
    if log.queries == 0 and log.steps:
        yield "nobody took over, so that no correction was added to learn from"
    if log.budget is not None:
        yield (
            f"called for help at {log.budget_spent:.1%} of the policy's steps "
            f"(budget {log.budget:.3g})"
        )
        if log.budget_spent >= _NEARLY_ALL > log.budget:
            yield (
                "that is nearly all of them: this policy meets other situations than those that "
                "the budget's thresholds were fitted to"
            )
    if log.doubts:
        yield f"the policy's doubt when the expert took over: {_middle(log):.3g} (median)"


def _of_classifier(run: Path, number: int) -> Iterator[str]:
    """What SafeDAgger's or LazyDAgger's classifier cannot be trusted with."""
    from ilrobot.learners.interactive.gate_values import CLASSIFIER, read_values
    from ilrobot.learners.interactive.round_gates import gate_folder

    folder = gate_folder(run, number)
    if not (folder / CLASSIFIER).exists():
        return
    validation = read_values(folder)["validation"]
    cure = "where it calls may be chance; hold out more demonstrations (train --held-out)"
    if not validation["frames"]:
        yield f"its classifier saw one episode and was validated on none: {cure}"
    elif validation["auc"] is not None and validation["auc"] < _TELLING_AUC:
        yield (
            "its classifier hardly foretells where the policy strays in episodes that it was not "
            f"fitted to (AUC {validation['auc']:.2f}, of a coin 0.5): {cure}"
        )


def _of_rehearsal(run: Path, number: int) -> Iterator[str]:
    """What the policy of a round came to alone, and whether its gate learnt anything from that."""
    from ilrobot.learners.interactive.gate_values import read_values
    from ilrobot.learners.interactive.rehearsal import rehearsal_folder
    from ilrobot.learners.interactive.round_gates import gate_folder

    if not (rehearsal_folder(run, number).exists() and gate_folder(run, number).exists()):
        return
    validation = read_values(gate_folder(run, number))["validation"]
    yield (
        f"its policy succeeded in {validation['successes']} of {validation['rehearsals']} attempts "
        "that it made alone before"
    )
    if 0 < validation["constant"] <= validation["brier"]:
        yield "its critic cannot tell which of these fail: where it calls may be chance"


def _middle(log: GateLog) -> float:
    import statistics

    return statistics.median(log.doubts)
