"""What the demo ends with: a table on the terminal and a report as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exports.runtime.tick_reading import read_ticks
from ilrobot.cli.demo_plan import EVALUATION_SEED, SELECTION_SEED, TASK, Method, seed_range
from ilrobot.cli.demo_stations import DemoPath, read
from ilrobot.report import html, plots
from ilrobot.report.rounds import round_strips
from ilrobot.run import Run, read_metrics
from ilrobot.run_description import DaggerDescription


def summary(path: DemoPath) -> dict[str, Any]:
    """The numbers that the demo came to, as plain JSON."""
    return {
        "task": TASK,
        "device": path.device,
        "selection": {"first_seed": SELECTION_SEED, "episodes": path.scale.selections},
        "evaluation": {"first_seed": EVALUATION_SEED, "episodes": path.scale.evaluations},
        "methods": [
            {
                "name": method.name,
                "success_rate": result["success_rate"],
                "success_interval": result["success_interval"],
                "episodes": result["episodes"],
                "length_mean": result["length_mean"],
                "selection_success_rate": chosen_by["success_rate"],
            }
            for method, chosen_by, result in _results(path)
        ],
        "best": path.best.name,
        "policy": str(path.exported),
        "deployment": read(path.deployment),
    }


def print_table(path: DemoPath) -> None:
    """Success by method on the terminal."""
    width = max(len(method.name) for method in path.methods)
    scale, best = path.scale, path.best
    print(
        f"\nsuccess on {scale.evaluations} fresh seeds; the exported policy was chosen on "
        f"{scale.selections} others"
    )
    print(f"{'policy':{width}}  chosen on  success   95 % interval    mean length")
    for method, chosen_by, result in _results(path):
        low, high = result["success_interval"]
        mark = "  <- exported" if method == best else ""
        rates = f"{chosen_by['success_rate']:9.0%}  {result['success_rate']:6.1%}"
        print(
            f"{method.name:{width}}  {rates}   [{low:5.1%}, {high:6.1%}]  "
            f"{result['length_mean']:6.1f} steps{mark}"
        )
    print()


def write_demo_report(path: DemoPath) -> Path:
    """Write ``report.html`` into the demo's folder."""
    best, deployment = read(path.best.evaluation), read(path.deployment)
    report = html.Report(
        title="What the robot was taught",
        summary=(
            f"{path.scale.demonstrations} demonstrations of {TASK} by the {path.device}, "
            f"{path.scale.rounds} rounds of interventions, {len(path.methods)} policies on the "
            f"same {path.scale.evaluations} fresh seeds; {path.best.name}, the best on "
            f"{path.scale.selections} other seeds, left as one ONNX file and ran on another "
            "physics engine."
        ),
        figures={
            "success of the chosen one": f"{best['success_rate']:.0%}",
            "on the other engine": f"{deployment['success_rate']:.0%}",
            "demonstrations": str(path.scale.demonstrations),
        },
        sections=[
            _success(path),
            _interventions(path),
            _learning(path),
            _deployment(path, deployment),
            _film(path),
        ],
    )
    file = path.output / "report.html"
    html.write_report(file, report)
    return file


def _results(path: DemoPath) -> list[tuple[Method, dict[str, Any], dict[str, Any]]]:
    """Each method with its measure on the selection seeds and on the fresh ones."""
    return [(method, read(method.selection), read(method.evaluation)) for method in path.methods]


def _success(path: DemoPath) -> html.Section:
    rows, cells = [], []
    for method, chosen_by, result in _results(path):
        low, high = result["success_interval"]
        rows.append(plots.SuccessRow(method.name, result["success_rate"], low, high))
        cells.append(
            [
                method.name,
                f"{chosen_by['success_rate']:.0%}",
                f"{result['success_rate']:.1%}",
                f"{low:.1%} to {high:.1%}",
                f"{result['length_mean']:.1f}",
            ]
        )
    scale = path.scale
    return html.Section(
        "Success by method",
        [
            html.figure(
                plots.success_chart(rows),
                f"Seeds {seed_range(EVALUATION_SEED, scale.evaluations)}, the same for each; 95 % "
                "Wilson intervals.",
            ),
            html.table(["policy", "chosen on", "success", "95 % interval", "mean steps"], cells),
            html.paragraph(
                f"{path.best.name} was chosen by the column “chosen on”, the success on seeds "
                f"{seed_range(SELECTION_SEED, scale.selections)}. What it is worth is the success "
                "beside it, on seeds that no demonstration, no intervention and no choice has "
                "seen: the best of several always looks better where it was chosen."
            ),
        ],
    )


def _interventions(path: DemoPath) -> html.Section:
    run = Run.read_as(path.dagger, DaggerDescription).description
    strips = round_strips(path.dagger, run)
    cells = [
        [
            f"round {row.round}",
            f"{row.autonomous} of {row.episodes}",
            str(row.interventions),
            f"{row.human_steps / max(1, row.steps):.0%}",
        ]
        for row in run.rounds
    ]
    return html.Section(
        "Who was in control",
        [
            html.figure(
                plots.intervention_timeline(strips),
                "One strip per episode: the policy drives until the person holds the bumper.",
            ),
            html.table(["", "done without help", "interventions", "steps by the person"], cells),
        ],
    )


def _learning(path: DemoPath) -> html.Section:
    curves = {method.name: read_metrics(method.run / "metrics.jsonl") for method in path.methods}
    return html.Section(
        "Learning curves",
        [
            html.figure(
                plots.learning_curves(curves),
                "Losses of different methods do not compare; success above does.",
            )
        ],
    )


def _deployment(path: DemoPath, deployment: dict[str, Any]) -> html.Section:
    times = read_ticks(path.tick_log).rows["act_time"]
    latency = plots.latency_histogram(times, deployment["period"])
    return html.Section(
        "In the control loop",
        [
            html.figure(latency, "From observation to command, one count per tick."),
            html.paragraph(
                f"{path.exported.name} ran in a process that imported no torch, on PyBullet, at "
                f"{deployment['rate']:g} Hz: {deployment['success_rate']:.0%} of "
                f"{deployment['episodes']} episodes succeeded."
            ),
        ],
    )


def _film(path: DemoPath) -> html.Section:
    films = sorted(path.video.glob("*.mp4"))
    return html.Section(
        "A rollout",
        [
            html.video_html(
                films[0] if films else None,
                f"{path.best.name}, from {path.exported.name}, on MuJoCo.",
                missing=f"No video: {path.no_video or 'this machine cannot render'}.",
            )
        ],
    )
