"""``ilrobot advise``: from a dataset to the method to reach for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional

from ilrobot.cli.usage import TaskOptions, optional
from ilrobot.errors import UserError
from ilrobot.required import require

if TYPE_CHECKING:
    from ilrobot.advice.evidence import Available, Evidence
    from ilrobot.advice.facts import Facts
    from ilrobot.advice.methods import Advice
    from ilrobot.data.dataset import Dataset

_FOUND = "the task's script, else the person who recorded, else none"


@dataclass
class Advise:
    """Say which method suits a dataset and what there is beside it, and why.

    It measures on the data whether one observation was answered in several ways, how far episodes
    go from each other, and how much they differ in quality, and prints the numbers it looked at.

    Example: ilrobot advise data/lift
    """

    dataset: Positional[Path]
    """Folder of the dataset."""

    task: Annotated[str, optional("ID", "the task of the recording")] = ""
    """Gymnasium id of a simulator of the task."""

    options: TaskOptions = ()
    """Options of the environment; they override those of the recording."""

    expert: Annotated[
        Literal["scripted", "person", "none"] | None, optional("{scripted,person,none}", _FOUND)
    ] = None
    """Who can be asked what they would do where the policy goes."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Measure and print."""
        require("advise", "pyarrow", extra="data")
        from ilrobot.advice.cautions import cautions
        from ilrobot.advice.evidence import Evidence
        from ilrobot.advice.methods import recommend
        from ilrobot.cli.output import console, print_json
        from ilrobot.data.dataset import Dataset
        from ilrobot.data.unheeded import unheeded_successes

        dataset = Dataset.open(self.dataset)
        available = self._available(dataset)
        with console.status("looking at the data"):
            evidence = Evidence.of(dataset, available)
        advice, warnings = recommend(evidence, self.dataset), cautions(evidence)
        warnings += filter(None, [unheeded_successes(dataset)])
        _print(evidence, advice, warnings)
        if self.json:
            print_json(
                {
                    "path": str(self.dataset),
                    "evidence": evidence.to_json(),
                    "advice": [asdict(one) for one in advice],
                    "cautions": warnings,
                }
            )
        return 0

    def _available(self, dataset: Dataset) -> Available:
        """Try what there is; a task that the person names must be there."""
        from ilrobot.advice.evidence import Available, Expert
        from ilrobot.cli.actors import keep_rate
        from ilrobot.cli.options import parse_options
        from ilrobot.compatibility import check_policy_fits
        from ilrobot.data.known_tasks import suggested_tasks
        from ilrobot.env import make_env
        from ilrobot.observed import vector_spec
        from sims.experts import EXPERTS

        spec = dataset.spec
        task = self.task or spec.task or next(iter(suggested_tasks(spec)), "")
        given = parse_options(self.options)
        if not task:
            if given:
                raise UserError("--options are a task's, and the data name none; give its --task")
            expert: Expert = self.expert or "none"
            return Available(expert=expert, remark="the data name no task, and no --task is given")
        recorded = spec.task_options if task == spec.task else {}
        options = {**recorded, **given}
        try:
            env = make_env(task, {k: v for k, v in options.items() if k != "cameras"})
        except UserError as error:
            if self.task:
                raise
            return Available(task, expert=self.expert or "none", remark=str(error))
        try:
            env.reset(0)
            try:
                # Imported data often state no rate.
                seen = vector_spec(spec).with_rate(env.spec.rate)
                check_policy_fits(seen, env.spec, str(self.dataset), "dataset")
            except UserError as error:
                if self.task:
                    raise UserError(f"{self.dataset} is not of {task}: {error}") from error
                return Available(task, expert=self.expert or "none", remark=str(error))
            task = env.spec.task
            scripted = task in EXPERTS
            shown = any(i.operator not in ("", "simulated", i.device) for i in dataset.infos)
            found: Expert = "scripted" if scripted else "person" if shown else "none"
            if self.expert == "scripted" and not scripted:
                raise UserError(f"{task} has no scripted expert; give --expert person or none")
            keep_rate(env, vector_spec(spec))
            remark = ""
            try:
                check_policy_fits(vector_spec(spec), env.spec, str(self.dataset), "dataset")
            except UserError as error:  # nothing but the rate is left to differ
                remark = str(error)
            return Available(task, True, env.judges_success, self.expert or found, remark)
        finally:
            env.close()


def _print(evidence: Evidence, advice: list[Advice], warnings: list[str]) -> None:
    first, *others = advice
    print(f"Reach for {first.method}: {first.why}.")
    for command in first.commands:
        print(f"    {command}")
    for one in others:
        print(f"\nThen {one.method}: {one.why}.")
        for command in one.commands:
            print(f"    {command}")
    print("\nLooked at:")
    for name, value in _numbers(evidence):
        print(f"  {name:22} {value}")
    if warnings:
        print("\nMind:")
        for warning in warnings:
            print(f"  {warning}")


def _numbers(e: Evidence) -> list[tuple[str, str]]:
    """Names and values, in words."""
    facts, coverage, modes, there = e.facts, e.coverage, e.modes, e.available
    outcomes = ", ".join(f"{count} {name}" for name, count in facts.outcomes.items())
    rows = [
        ("episodes", f"{facts.episodes} ({outcomes}), {facts.frames} ticks at {facts.rate:g} Hz"),
        (
            "horizon",
            f"{facts.typical:.0f} ticks, {facts.typical / facts.rate:.1f} s "
            f"(from {facts.shortest:.0f} to {facts.longest:.0f})",
        ),
        ("corrections", f"{facts.corrected} ticks, beside {facts.demonstrated} demonstrated"),
    ]
    if facts.returns:
        rows.append(("returns", "{:.4g}, {:.4g}, {:.4g} (10, 50, 90 %)".format(*facts.returns)))
    else:
        rows.append(("returns", "no reward was recorded, or always the same return"))
    rows.append(("success", _success(facts)))
    if coverage is not None:
        rows.append(
            (
                "coverage",
                f"{coverage.gap:.2f} ticks to the nearest other episode, {coverage.gap_95:.2f} at "
                f"one moment in twenty; {coverage.gap_with_half:.2f} with half the episodes",
            )
        )
        rows.append(("pauses", f"{coverage.pauses:.1%} of the ticks"))
    if modes is not None:
        rows.append(
            (
                "two modes",
                f"at {modes.share:.1%} of the frames, {modes.gain:+.2f} nats on held-out episodes "
                f"(at least {modes.gain_low:+.2f})",
            )
        )
        explained = f"{modes.explained:.0%} of the next actions by the present observation"
        rows.append(("explained", explained))
    if facts.choices is None:
        rows.append(("jitter", f"{facts.jitter:.2f} of white noise"))
    if e.switched:
        rows.append(("switched", f"{', '.join(e.switched)} (two values; not looked at for modes)"))
    if e.frozen:
        rows.append(("frozen", f"{', '.join(e.frozen)} (one value; a clone always gives it)"))
    simulator = there.task if there.simulator else f"none ({there.remark})"
    judges = ", which judges success" if there.simulator and there.judges else ""
    rows += [("simulator", f"{simulator}{judges}"), ("expert to be asked", there.expert)]
    return rows


def _success(facts: Facts) -> str:
    """How many succeeded, and who says so."""
    unknown = facts.outcomes.get("unknown", 0)
    flag = f"; next.success is true in {facts.reached} of {unknown} others" if facts.reached else ""
    if not facts.judged:
        return f"nobody judged{flag.removesuffix(' others')}"
    if facts.judged == facts.episodes:
        return f"{facts.success_rate:.0%} of {facts.judged} judged"
    succeeded = facts.outcomes.get("success", 0)
    return f"{facts.judged} of {facts.episodes} judged, {succeeded} of them succeeded{flag}"
