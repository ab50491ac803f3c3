"""``ilrobot study``: a claim of the theory as an experiment."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional

from ilrobot.cli.usage import optional
from ilrobot.errors import UserError
from ilrobot.required import require

#: Each is a module of `ilrobot.cli.studies`.
STUDIES = (
    "compounding",
    "multimodal",
    "shift",
    "chunks",
    "interventions",
    "irl",
    "identifiability",
    "efficiency",
)


@dataclass
class Study:
    """Run a study: a figure, and fitted numbers beside the predicted ones.

    compounding: regret against horizon for BC, Forward training, SMILe, DAgger and AggreVaTe.

    multimodal: which heads keep two right answers apart, and which drive into the obstacle.

    shift: where a clone and DAgger go, beside their expert, and how wrong they are there.

    chunks: how many actions a cloned policy should execute before it looks again.

    interventions: every gate of dagger, and cloning, with the same simulated person; some 15
    minutes for each.

    irl: rewards recovered from experts on grids, by MaxEnt and by matching features.

    identifiability: which rewards inverse reinforcement learning can tell from behaviour.

    efficiency: what a return costs, in expert trajectories and in environment steps.

    Example: ilrobot study compounding
    """

    name: Annotated[Positional[str], optional("NAME", "list them")] = ""
    """Which study."""

    output: Annotated[Path | None, optional("FOLDER", "runs/study")] = None
    """Where NAME.html goes, and what 'interventions' and 'efficiency' train, to go on with."""

    seeds: Annotated[int | None, optional("N", "1")] = None
    """Persons in 'interventions', trainings in 'efficiency'; each has its own demonstrations."""

    task: Annotated[str | None, optional("ID", "ilrobot/PointPath-v0")] = None
    """Of 'efficiency': Gymnasium id of a task with a scripted expert."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Run it, write its page and print its table, or say which there are."""
        self._check()
        from ilrobot.cli.output import console, print_json
        from ilrobot.cli.places import claim_file

        if not self.name:
            print("\n".join(STUDIES))
            if self.json:
                print_json({"names": STUDIES})
            return 0

        # A study's processes would find it missing only later.
        require("study", "matplotlib.figure", "gymnasium", "mujoco", "pygame", "torch")
        file = (self.output or Path("runs/study")) / f"{self.name}.html"
        claim_file(file)
        study = importlib.import_module(f"ilrobot.cli.studies.{self.name}")
        given: dict[str, Any] = {"seeds": self.seeds, "task": self.task}
        options = {name: value for name, value in given.items() if value is not None}
        result = study.run(file, **options)
        console.print(f"figure: {file}", markup=False, soft_wrap=True)
        if self.json:
            print_json({"name": self.name, "figure": str(file), **result})
        return 0

    def _check(self) -> None:
        if self.name in ("", *STUDIES):
            for option, (value, users) in {
                "seeds": (self.seeds, ("interventions", "efficiency")),
                "task": (self.task, ("efficiency",)),
            }.items():
                if value is not None and self.name not in users:
                    named = " and ".join(f"'ilrobot study {user}'" for user in users)
                    raise UserError(f"--{option} is for {named}; leave it out")
            if self.seeds is not None and self.seeds < 1:
                raise UserError(f"--seeds must be at least 1, not {self.seeds}")
            return
        near = difflib.get_close_matches(self.name, STUDIES, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(STUDIES)}"
        raise UserError(f"no study '{self.name}'; {hint}")
