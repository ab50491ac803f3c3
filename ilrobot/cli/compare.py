"""``ilrobot compare``: runs side by side, success against what the expert gave."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from tyro.conf import Positional

from ilrobot.cli.usage import TaskOptions, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.comparison import Row, Score
    from ilrobot.contenders import Contender, Learnt


@dataclass
class Compare:
    """Compare runs: a table, and a figure of success against the expert's labels.

    Every policy of each run, the one after each round of dagger too, acts on the same fresh
    seeds. Runs that differ by their seeds alone are one row, with an interval over runs. What was
    measured is kept beside the page, so that a comparison goes on where it was stopped.

    Example: ilrobot compare runs/bc runs/hg-dagger runs/thrifty
    """

    runs: Annotated[
        Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="RUN ...", help_behavior_hint="(required)"),
    ] = ()
    """Folders of runs of train and of dagger, or checkpoints that they kept, all on one task."""

    episodes: int = 50
    """Episodes for each policy, each from a seed of its own."""

    seed: int = 100_000
    """Seed of the first episode; the next ones count up from it."""

    workers: Annotated[int | None, optional("INT", "the cores; 1 for up to 20 episodes")] = None
    """Processes that share the episodes; the result does not depend on it."""

    output: Annotated[Path | None, optional("FOLDER", "runs/compare")] = None
    """Where compare.html goes, or compare-2.html where that shows other runs, seeds or options."""

    options: TaskOptions = ()
    """Options of the environment; they override those of the training."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Measure what is not measured yet, print the table and write the page."""
        from ilrobot.atomic import write_json
        from ilrobot.cli.cores import sharing
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import console, print_json, progress_bar
        from ilrobot.cli.places import claim_file
        from ilrobot.cli.seeds import check_seeds
        from ilrobot.comparison import group, rows
        from ilrobot.contenders import Contender
        from ilrobot.errors import explained
        from ilrobot.report.compare import compare_report, measured_by
        from ilrobot.report.html import write_report

        if not self.runs:
            raise UserError("no run was named; give the folders of one or more runs")
        check_seeds(self.episodes, self.seed)
        contenders = [Contender.read(path) for path in dict.fromkeys(self.runs)]
        policies = sum(len(contender.policies) for contender in contenders)
        workers = sharing(self.workers, policies * self.episodes)
        seeds, options = range(self.seed, self.seed + self.episodes), parse_options(self.options)
        file = page_of(self.output or Path("runs/compare"), contenders, seeds, options)
        claim_file(file)
        with progress_bar() as bars:
            bar = bars.add_task("measuring", total=0, note="")
            score = measure(
                contenders,
                file.with_name("episodes.json"),
                seeds,
                options,
                workers,
                lambda total, run: bars.update(bar, total=total, advance=1, note=str(run)),
            )
        found = [row for name, runs in group(contenders).items() for row in rows(name, runs, score)]
        _print_table(found)
        print(f"measured by {measured_by(seeds, options)}")
        with explained(file, "nothing was written", "compare again"):
            write_report(file, compare_report(found, seeds, options))
            shown = {
                "runs": sorted(map(_known_by, contenders)),
                "seeds": [seeds.start, seeds.stop],
                "options": _as_text(options),
            }
            write_json(_shown_by(file), shown)
        console.print(f"figure: {file}", markup=False, soft_wrap=True)
        if self.json:
            print_json({"figure": str(file), "rows": [asdict(row) for row in found]})
        return 0


def page_of(
    folder: Path, contenders: Sequence[Contender], seeds: range, options: Mapping[str, Any]
) -> Path:
    """The page of a comparison: the first that it shows all of, else a new one.

    That is one of none but these runs and seeds, by the same options.
    """
    runs = set(map(_known_by, contenders))
    for number in count(1):
        page = folder / ("compare.html" if number == 1 else f"compare-{number}.html")
        if not page.exists():
            return page
        try:
            shown = json.loads(_shown_by(page).read_text())
            first, end = shown["seeds"]
            if (
                runs.issuperset(shown["runs"])
                and seeds.start <= first
                and end <= seeds.stop
                and shown["options"] == _as_text(options)
            ):
                return page
        except (OSError, ValueError, KeyError, TypeError):
            continue  # Of another version: nobody knows what it shows.
    raise AssertionError("numbers do not end")


def _shown_by(page: Path) -> Path:
    """Which runs a page shows, on which seeds and by which options."""
    return page.with_suffix(".json")


def _as_text(options: Mapping[str, Any]) -> str:
    return str(sorted(options.items()))


def _known_by(contender: Contender) -> str:
    return str(contender.path.resolve())


def measure(
    contenders: Sequence[Contender],
    file: Path,
    seeds: range,
    options: Mapping[str, Any],
    workers: int = 1,
    on_episode: Callable[[int, Path], None] = lambda *_: None,
) -> Callable[[Learnt], Score]:
    """Let every policy act on the seeds that it has not seen yet.

    Args:
        contenders: Runs on one task.
        file: Where what was measured is kept, policy by policy.
        seeds: Of the episodes.
        options: Of the environment, before those of the training.
        workers: Processes that share the episodes; the result does not depend on it.
        on_episode: Called after each episode with how many there are to be, and the policy's run.

    Returns:
        What each of the policies came to.

    Raises:
        UserError: The runs are on several tasks.
        WorkFailed: A worker process died, or the disk is full.
    """
    from ilrobot.cli.actors import PolicyOnTask
    from ilrobot.evaluate import episodes_of
    from ilrobot.run import policy_hash
    from ilrobot.scores import Scores
    from ilrobot.task_ids import source_hash

    policies = [policy for run in contenders for policy in run.policies]
    task = _same_task(policies)
    acting = f"{task} {source_hash(task.split()[0])} {_as_text(options)}"
    keys = {p.folder: f"{acting} {policy_hash(p.folder)}" for p in policies}
    scores = Scores(file)
    folders = {key: folder for folder, key in keys.items()}
    missing = {key: wanted for key in folders if (wanted := scores.missing(key, seeds))}
    setups = [PolicyOnTask(folders[key], "", dict(options)) for key in missing]
    work = [(number, seed) for number, wanted in enumerate(missing.values()) for seed in wanted]
    with closing(episodes_of(setups, work, workers=workers)) as episodes:
        for key, wanted in missing.items():
            try:
                for result in islice(episodes, len(wanted)):
                    scores.add(key, result)
                    on_episode(len(work), folders[key])
            finally:
                scores.save()
    return lambda policy: scores.score(keys[policy.folder], seeds)


def _same_task(policies: list[Learnt]) -> str:
    """The task of all of them; what cameras each of them sees does not change it.

    Raises:
        UserError: They are for different ones, or for none.
    """
    from ilrobot.run import Run, run_of

    first = ""
    for policy in policies:
        spec = Run.read(run_of(policy.folder)).description.spec
        options = sorted((k, v) for k, v in spec.task_options.items() if k != "cameras")
        task = " ".join([spec.task, *(f"{key}={value}" for key, value in options)])
        if not spec.task:
            raise UserError(
                f"{policy.folder} was trained on data that names no task; it cannot be compared"
            )
        if first and task != first:
            raise UserError(
                f"{policy.folder} is for {task}, and the others are for {first}; compare runs on "
                "one task"
            )
        first = task
    return first


def _print_table(rows: list[Row]) -> None:
    from ilrobot.report.compare import score_text

    judged = all(row.success is not None for row in rows)
    width = max(6, *(len(row.method) for row in rows))
    score = "success without help" if judged else "return"
    print(
        f"{'method':{width}}  round  runs    labels  {score:>22}  with help  takeovers  "
        "expert steps"
    )
    for row in rows:
        labels = "?" if row.labels is None else f"{row.labels:,.0f}"
        helped = "" if row.helped is None else f"{row.helped:.0%}"
        print(
            f"{row.method:{width}}  {row.round:5}  {row.runs:4}  {labels:>8}  "
            f"{score_text(row, judged):>22}  {helped:>9}  {row.takeovers:9.1f}  "
            f"{row.expert_steps:12,.0f}"
        )
