"""The stations of the demo; each is skipped if what it makes is already there."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ilrobot.atomic import write_json
from ilrobot.cli import Verb
from ilrobot.cli.command import command
from ilrobot.cli.cores import worth_starting
from ilrobot.cli.demo_plan import (
    DAGGER_SEED,
    DEPLOYMENT_SEED,
    EVALUATION_SEED,
    SELECTION_SEED,
    TASK,
    Method,
    Scale,
    choose,
    methods,
)
from ilrobot.cli.output import console
from ilrobot.cli.places import claim_folder
from ilrobot.errors import UserError, WorkFailed

if TYPE_CHECKING:
    from ilrobot.learners.config import Preset

Pad = Literal["gamepad", "operator"]


class DemoPath:
    """Record, learn, intervene, evaluate, export, run; every product lies in one folder."""

    def __init__(self, output: Path, scale: Scale, seed: int, workers: int) -> None:
        self.output, self.scale, self.seed, self.workers = output, scale, seed, workers
        self.device: Pad = "operator"
        self.demonstrations = output / "demonstrations"
        self.dagger = output / "dagger"
        self.exported = output / "policy.onnx"
        self.deployment = output / "deployment.json"
        self.tick_log = output / "run.ticks"
        self.video = output / "video"
        self.methods = methods(output, scale.rounds)
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
    def best(self) -> Method:
        """The method that did best on the selection seeds; the others' results play no part."""
        return self.methods[choose([read(method.selection) for method in self.methods])]

    def _claim(self) -> None:
        """Remember what the folder was begun with, so that two demos are never mixed in it."""
        file = self.output / "demo.json"
        plan = {**asdict(self.scale), "seed": self.seed}
        if file.exists():
            begun = read(file)
            self.device = begun.pop("device", self.device)
            if begun != plan:
                raise UserError(
                    f"{self.output} holds a demo with other settings; give another --output"
                )
            return
        if self.output.is_dir() and any(self.output.iterdir()):
            raise UserError(f"{self.output} is not empty and holds no demo; give another --output")
        claim_folder(self.output)
        self.device = _choose_device()
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
        self._train("bc-chunk", self.demonstrations, self.output / "bc")
        self._train("diffusion", self.demonstrations, self.output / "diffusion")

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
                workers=self.workers if self.device == "operator" else 1,
                resume=self.dagger.exists(),
            )
        )
        corrected = self.dagger / "dataset"
        self._train("diffusion", corrected, self.output / "diffusion-retrained")

    def _evaluate(self) -> None:
        scale = self.scale
        _station(
            f"4/6  choose on {scale.selections} seeds, measure all on {scale.evaluations} others"
        )
        for method in self.methods:
            console.print(f"[bold]{method.name}[/]")
            self._measure(method, method.selection, SELECTION_SEED, scale.selections)
            self._measure(method, method.evaluation, EVALUATION_SEED, scale.evaluations)

    def _measure(self, method: Method, file: Path, seed: int, episodes: int) -> None:
        from ilrobot.cli.eval import Eval

        if file.exists():
            console.print(f"[dim]{file} is already there[/]")
            return
        workers = min(self.workers, worth_starting(episodes))
        verb = Eval(method.run, episodes=episodes, seed=seed, workers=workers)
        _say(verb)
        write_json(file, verb.measure().to_json())

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
        console.print(f"[dim]$ ilrobot {shlex.join(arguments)}[/]", soft_wrap=True)
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
        except UserError as error:  # this machine cannot draw
            self.no_video = str(error)
            console.print(f"no video: {self.no_video}")

    def _seed_to_film(self) -> int:
        result = read(self.best.evaluation)
        pairs = zip(result["seeds"], result["successes"], strict=True)
        return next((seed for seed, success in pairs if success), result["seeds"][0])

    def _train(self, policy: Preset, dataset: Path, output: Path) -> None:
        from ilrobot.cli.train import Train

        _do(
            Train(
                dataset=dataset,
                policy=policy,
                output=output,
                seed=self.seed,
                resume=output.exists(),
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


def read(file: Path) -> dict[str, Any]:
    """A JSON object that the demo wrote.

    Raises:
        UserError: It is damaged.
    """
    try:
        return dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{file} is damaged ({error}); delete it and call the demo again"
        ) from error


def _station(title: str) -> None:
    console.rule(f"[bold]{title}", align="left")


def _do(verb: Verb) -> None:
    _say(verb)
    code = verb.run()
    if code != 0:
        raise WorkFailed(f"{type(verb).__name__.lower()} ended with exit code {code}")


def _say(verb: Verb) -> None:
    """Print the command that would do the same."""
    console.print(f"[dim]$ {command(verb)}[/]", soft_wrap=True)
