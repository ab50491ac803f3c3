"""The stations of the demo; each is skipped if what it makes is already there."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ilrobot.atomic import write_json
from ilrobot.cli import Verb
from ilrobot.cli.output import console
from ilrobot.errors import UserError, WorkFailed

if TYPE_CHECKING:
    from ilrobot.learners.config import Preset

TASK = "ilrobot/PandaLift-v0"

Pad = Literal["gamepad", "operator"]

#: Seeds that no demonstration, no intervention and no choice has seen.
EVALUATION_SEED = 100_000
DAGGER_SEED = 10_000
DEPLOYMENT_SEED = 200_000


@dataclass(frozen=True)
class Scale:
    """How much of everything."""

    demonstrations: int
    bc_steps: int
    diffusion_steps: int
    rounds: int
    episodes_per_round: int
    evaluations: int
    deployments: int


FULL = Scale(30, 4_000, 6_000, 3, 10, 50, 5)
FAST = Scale(10, 800, 1_500, 3, 3, 10, 1)


@dataclass(frozen=True)
class Method:
    """One policy of the comparison: its name, its run, and where its evaluation is kept."""

    name: str
    run: Path
    evaluation: Path


class DemoPath:
    """Record, learn, intervene, evaluate, export, run; every product lies in one folder."""

    def __init__(self, output: Path, scale: Scale, seed: int, workers: int) -> None:
        self.output, self.scale, self.seed, self.workers = output, scale, seed, workers
        self.device: Pad = "operator"
        self.demonstrations = output / "demonstrations"
        self.dagger = output / "dagger"
        self.exported = output / "policy.onnx"
        self.deployment = output / "deployment.json"
        self.tick_log = output / "ticks.npz"
        self.video = output / "video"
        self.no_video = ""

    def walk(self) -> None:
        """Do whatever is not done yet."""
        self._claim()
        self._record()
        self._learn()
        self._intervene()
        self._evaluate()
        self._export()
        self._deploy()
        self._film()

    @property
    def methods(self) -> list[Method]:
        """Every policy that the demo trains, in the order of training."""
        runs = {
            "BC": self.output / "bc",
            "diffusion": self.output / "diffusion",
            **{
                f"BC, HG-DAgger round {n}": self.dagger / f"round-{n}"
                for n in range(1, self.scale.rounds + 1)
            },
            "diffusion, retrained": self.output / "diffusion-retrained",
        }
        evaluations = self.output / "evaluation"
        return [Method(name, run, evaluations / f"{run.name}.json") for name, run in runs.items()]

    def evaluation(self, method: Method) -> dict[str, Any]:
        """What `ilrobot eval --json` said of a method."""
        result: dict[str, Any] = json.loads(method.evaluation.read_text())
        return result

    @property
    def best(self) -> Method:
        """The method with the most successes; among equals the one with the shortest episodes."""

        def merit(method: Method) -> tuple[float, float]:
            result = self.evaluation(method)
            return result["success_rate"], -result["length_mean"]

        return max(self.methods, key=merit)

    def _claim(self) -> None:
        """Remember what the folder was begun with, so that two demos are never mixed in it."""
        file = self.output / "demo.json"
        plan = {**asdict(self.scale), "seed": self.seed}
        if file.exists():
            begun = json.loads(file.read_text())
            self.device = begun.pop("device")
            if begun != plan:
                raise UserError(
                    f"{self.output} holds a demo with other settings; give another --output"
                )
            return
        if self.output.exists() and any(self.output.iterdir()):
            raise UserError(f"{self.output} is not empty and holds no demo; give another --output")
        self.device = _choose_device()
        self.output.mkdir(parents=True, exist_ok=True)
        write_json(file, {**plan, "device": self.device})

    def _record(self) -> None:
        from ilrobot.cli.record import Record

        _station("1/6  record demonstrations")
        _do(
            Record(
                task=TASK,
                device=self.device,
                episodes=self.scale.demonstrations,
                output=self.demonstrations,
                seed=self.seed,
                resume=self.demonstrations.exists(),
            )
        )

    def _learn(self) -> None:
        _station("2/6  learn from them")
        self._train("bc", self.demonstrations, self.output / "bc", self.scale.bc_steps)
        self._train(
            "diffusion",
            self.demonstrations,
            self.output / "diffusion",
            self.scale.diffusion_steps,
        )

    def _intervene(self) -> None:
        from ilrobot.cli.dagger import Dagger

        _station("3/6  let it try, take over when it goes wrong, learn on")
        _do(
            Dagger(
                task=TASK,
                dataset=self.demonstrations,
                policy=self.output / "bc",
                gate="human",
                device=self.device,
                rounds=self.scale.rounds,
                episodes=self.scale.episodes_per_round,
                output=self.dagger,
                seed=DAGGER_SEED,
                resume=self.dagger.exists(),
            )
        )
        self._train(
            "diffusion",
            self.dagger / "dataset",
            self.output / "diffusion-retrained",
            self.scale.diffusion_steps,
        )

    def _evaluate(self) -> None:
        from ilrobot.cli.eval import Eval

        _station(f"4/6  evaluate all on the same {self.scale.evaluations} fresh seeds")
        for method in self.methods:
            if method.evaluation.exists():
                console.print(f"[dim]{method.name}: already evaluated[/]")
                continue
            console.print(f"[bold]{method.name}[/]")
            verb = Eval(
                policy=method.run,
                task=TASK,
                episodes=self.scale.evaluations,
                seed=EVALUATION_SEED,
                workers=self.workers,
            )
            _say(verb)
            write_json(method.evaluation, verb.measure().to_json())

    def _export(self) -> None:
        from ilrobot.cli.export import Export

        best = self.best
        _station(f"5/6  export the best ({best.name}) as one file")
        if self.exported.exists():
            console.print(f"[dim]{self.exported} is already there[/]")
            return
        _do(Export(policy=best.run, output=self.exported))

    def _deploy(self) -> None:
        _station("6/6  run that file on the other physics engine, in real time, without torch")
        if self.deployment.exists():
            console.print(f"[dim]{self.deployment} is already there[/]")
            return
        arguments = [
            *("deploy", "--policy", str(self.exported), "--robot", "pybullet", "--task", TASK),
            *("--episodes", str(self.scale.deployments), "--seed", str(DEPLOYMENT_SEED)),
            *("--log", str(self.tick_log), "--json"),
        ]
        console.print(f"[dim]$ ilrobot {shlex.join(arguments)}[/]")
        # A process of its own: the controller must not share memory or threads with torch.
        done = subprocess.run(
            [sys.executable, "-m", "ilrobot", *arguments], stdout=subprocess.PIPE, text=True
        )
        if done.returncode != 0:
            raise WorkFailed(f"the deployment failed (exit code {done.returncode})")
        *table, last = done.stdout.strip().splitlines()
        print("\n".join(table))
        write_json(self.deployment, json.loads(last))

    def _film(self) -> None:
        """A film of the exported policy, where there is a GL to draw it with."""
        from ilrobot.cli.actors import PolicyOnTask
        from ilrobot.evaluate import evaluate

        if any(self.video.glob("*.mp4")):
            return
        try:
            setup = PolicyOnTask(self.exported, TASK, render_mode="rgb_array")
            self.video.mkdir(exist_ok=True)
            evaluate(setup, [self._seed_to_film()], video=self.video)
        except (RuntimeError, OSError, ImportError) as error:
            # MuJoCo reports a missing or broken GL by any of these.
            self.no_video = " ".join(str(error).split())
            console.print(f"no video: {self.no_video}; ilrobot doctor tells what to install")

    def _seed_to_film(self) -> int:
        result = self.evaluation(self.best)
        pairs = zip(result["seeds"], result["successes"], strict=True)
        return next((seed for seed, success in pairs if success), result["seeds"][0])

    def _train(self, policy: Preset, dataset: Path, output: Path, steps: int) -> None:
        from ilrobot.cli.train import Train

        # Some 2,000 frames of demonstrations are few for a denoiser: noise and dropout keep it
        # from learning them by heart.
        few = policy == "diffusion"
        _do(
            Train(
                dataset=dataset,
                policy=policy,
                output=output,
                steps=steps,
                seed=self.seed,
                resume=output.exists(),
                observation_noise=0.05 if few else None,
                dropout=0.1 if few else None,
            )
        )


def _choose_device() -> Pad:
    """The person's own pad if there are a pad, a display and a person; else the operator."""
    from teleop.devices.gamepad import connected_gamepads

    names = connected_gamepads() if sys.stdin.isatty() and _has_display() else []
    if not names:
        return "operator"
    answer = input(f"{names[0]} is connected. Record the demonstrations with it? [y/N] ")
    return "gamepad" if answer.strip().lower() in ("y", "yes") else "operator"


def _has_display() -> bool:
    import os

    return sys.platform in ("win32", "darwin") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def _station(title: str) -> None:
    console.rule(f"[bold]{title}", align="left")


def _do(verb: Verb) -> None:
    _say(verb)
    code = verb.run()
    if code != 0:
        raise WorkFailed(f"{type(verb).__name__.lower()} ended with exit code {code}")


def _say(verb: Verb) -> None:
    """Print the command that would do the same."""
    console.print(f"[dim]$ ilrobot {type(verb).__name__.lower()} {shlex.join(_arguments(verb))}[/]")


def _arguments(verb: Any) -> Iterator[str]:
    defaults = {name: field.default for name, field in type(verb).__dataclass_fields__.items()}
    for name, value in vars(verb).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            if value:
                yield flag
        elif value != defaults[name]:
            yield from (flag, str(value))
