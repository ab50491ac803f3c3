"""What ``ilrobot deploy`` prints when it is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exports.runtime.realtime import Setting
    from exports.runtime.report import EpisodeReport

_TIMES = {
    "period": "period_ms",
    "period error": "period_error_ms",
    "read": "read_ms",
    "guard and policy": "latency_ms",
    "write": "write_ms",
}


#: Elements outside their training range that a person is told of, those of most ticks.
_MOST_OUTSIDE = 5


def print_settings(settings: Sequence[Setting]) -> None:
    """What the operating system gave, a line each."""
    from ilrobot.cli.output import console

    for setting in settings:
        had = "yes" if setting.had else "no "
        console.print(f"{setting.name:27}{had}  {setting.note}", soft_wrap=True, highlight=False)


def episode_line(episode: EpisodeReport) -> str:
    """How one episode ended."""
    ends = {True: "success", False: "no success", None: "over"}
    end = ends[episode.success] if episode.ended else "failed" if episode.failure else "stopped"
    return f"episode {episode.seed}: {end} after {episode.ticks} ticks"


def print_summary(summary: dict[str, Any]) -> None:
    """The table at the end of a run."""
    if summary["stopped_by"]:
        print(f"stopped by {summary['stopped_by']}")
    if summary["judged"]:
        print(f"success           {summary['successes']} of {summary['judged']} episodes")
    elif summary["episodes"]:
        print(f"episodes          {summary['episodes']} (nobody judges success)")
    else:
        print("episodes          none ended")
    if summary["measured_rate"] is not None:
        print(
            f"rate              {summary['measured_rate']:.3f} Hz of {summary['rate']:g} Hz, "
            f"{summary['missed_deadlines']} of {summary['ticks']} deadlines missed"
        )
    print("milliseconds             p50       p99     p99.9       max")
    for title, key in _TIMES.items():
        _print_row(title, summary[key])
    inference = summary["inference"]
    if inference is not None:
        _print_row("prediction", inference["inference_ms"])
        delay = inference["delay_ticks"]
        after = ""
        if inference["chunks"]:
            after = (
                f", after {delay['p50']} ticks (p50), {delay['p99']} (p99), {delay['max']} (max)"
            )
        print(
            f"chunks            {inference['chunks']}{after}; {inference['dropped']} dropped, "
            f"{inference['run_out']} ticks without a plan"
        )
    apart = summary["disagreement"]
    if apart is not None and apart["ticks"]:
        print(
            f"disagreement      {apart['p50']:.1%} of the range (p50), {apart['p99']:.1%} (p99), "
            f"{apart['max']:.1%} (max) over {apart['ticks']} ticks"
        )
        means = ", ".join(f"{name} {mean:.1%}" for name, mean in apart["mean"].items())
        print(f"  mean            {means}")
    elif apart is not None:
        print("disagreement      the policy had no answer at any tick")
    if summary["recorded"] is not None:
        counted = Counter(summary["recorded"])
        each = ", ".join(f"{outcome} {count}" for outcome, count in counted.items())
        print(f"recorded          {len(summary['recorded'])} episodes{each and f': {each}'}")
    active = {kind: count for kind, count in summary["guard"].items() if count}
    words = ", ".join(f"{kind.replace('_', ' ')} {count}" for kind, count in active.items())
    print(f"guard             {words or 'nothing to do'}")
    _print_outside(summary["out_of_range"])
    if summary["workspace_unknown"] and summary["ticks"]:  # else it was not asked yet
        print("workspace         NOT kept: this robot does not say where its target is")


def _print_outside(elements: Sequence[dict[str, Any]]) -> None:
    for element in elements[:_MOST_OUTSIDE]:
        sides = [element[key] for key in ("least", "greatest", "low", "high")]
        least, greatest, low, high = _told_apart(sides)
        print(
            f"  out of range    {element['element']} at {element['ticks']} ticks: "
            f"{least} to {greatest}, trained on {low} to {high}"
        )
    if len(elements) > _MOST_OUTSIDE:
        print(f"  out of range    {len(elements) - _MOST_OUTSIDE} more elements; --json names them")


def _told_apart(numbers: Sequence[float]) -> list[str]:
    """In six digits, or in those of float32 where six hide by how little numbers differ."""
    short = [f"{number:.6g}" for number in numbers]
    if len(set(short)) == len(set(numbers)):
        return short
    return [f"{number:.9g}" for number in numbers]


def _print_row(title: str, values: dict[str, float | None]) -> None:
    cells = ("      none" if value is None else f"{value:10.3f}" for value in values.values())
    print(f"{title:18}" + "".join(cells))
