"""``ilrobot train --learner preferences``: a reward from which of two clips was better."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ilrobot.required import require

if TYPE_CHECKING:
    from ilrobot.learners.finetuning.preferences import PreferenceConfig


@dataclass(kw_only=True)
class Preferences:
    """Fit a reward to what `ilrobot prefer` took down (Christiano et al. 2017).

    What is left is a run with a reward and no policy: `ilrobot reward` shows it, and a policy is
    improved by it with --learner ppo --reward RUN.

    Example: ilrobot train --learner preferences --comparisons runs/bc/preferences --output
    runs/reward
    """

    comparisons: Path
    """Folder with preferences.jsonl."""

    output: Path
    """Folder of the run; it must not exist yet, except with --resume."""

    inputs: Literal["state", "state-action"] = "state-action"
    """What the reward is a function of."""

    error_rate: float = 0.1
    """Share of the answers that are taken to be random."""

    steps: int = 1_000
    """Optimiser steps; the result is the best of them by the attempts held out."""

    batch_size: int = 32
    """Comparisons in a batch."""

    learning_rate: float = 1e-3
    """Of AdamW."""

    weight_decay: float = 1e-3
    """Of AdamW."""

    width: int = 64
    """Features of the network's two layers."""

    held_out: float = 0.2
    """Share of the attempts held out at a time, by which the best step is chosen; 0: none."""

    seed: int = 0
    """Seed of everything drawn at random; the same seed gives the same weights."""

    resume: bool = False
    """Begin a run anew that was cut off; leave one alone that is done."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Fit and say how often the reward agrees with the judge."""
        require("--learner preferences", "torch", extra="train")
        from ilrobot.cli.output import print_json, progress_bar
        from ilrobot.data.comparisons import Comparisons
        from ilrobot.intervals import wilson_interval
        from ilrobot.learners.finetuning.preference_run import train_preferences

        comparisons = Comparisons.read(self.comparisons)
        config = self._config()
        with progress_bar() as bars:
            bar = bars.add_task("fitting", total=config.steps, note="")

            def on_report(step: int, loss: float, held_out: float | None) -> None:
                note = f"loss {loss:.3f}"
                note = note if held_out is None else f"{note}, held out {held_out:.3f}"
                bars.update(bar, completed=step, note=note)

            said = train_preferences(
                comparisons, config, self.output, resume=self.resume, on_report=on_report
            )
        print(f"reward     {self.output / 'reward.pt'}")
        if said["accuracy"] is not None:
            print(f"agrees     with {said['accuracy']:.0%} of the answers learnt from")
        count = said.get("held_out_answers")  # absent: fitted before attempts were held out
        if count:
            share = f"{said['held_out_accuracy']:.0%} of {count} answers"
            print(f"           with {share} between attempts that were held out")
            agreed = round(said["held_out_accuracy"] * count)
            if wilson_interval(agreed, count)[0] <= 0.5:
                print("           which may be chance: answer more before you improve by it")
        elif count == 0 and config.held_out:
            print("           held out: none, too few attempts were compared with each other")
        print(f"next       ilrobot reward {self.output}")
        print(
            f"           ilrobot train --learner ppo --from RUN --reward {self.output} --output DIR"
        )
        if self.json:
            print_json({"learner": "preferences", **said, "output": str(self.output)})
        return 0

    def _config(self) -> PreferenceConfig:
        from ilrobot.learners.finetuning.preferences import PreferenceConfig

        config = PreferenceConfig(
            inputs=self.inputs,
            width=self.width,
            error_rate=self.error_rate,
            steps=self.steps,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            batch_size=self.batch_size,
            held_out=self.held_out,
            seed=self.seed,
        )
        config.check()
        return config
