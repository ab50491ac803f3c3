"""``ilrobot eval``: measure a policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.evaluate import Evaluation


@dataclass
class Eval:
    """Measure a policy: success with its 95 % Wilson interval over fresh seeds.

    Example: ilrobot eval --policy runs/bc --task ilrobot/PandaLift-v0 --episodes 50
    """

    policy: Path
    """A run's folder or an exported .onnx file."""

    task: str
    """Gymnasium id, e.g. ilrobot/PandaLift-v0 or gym_pusht/PushT-v0."""

    episodes: int = 50
    """How many episodes, each from a seed of its own."""

    seed: int = 100_000
    """Seed of the first episode; the next ones count up from it."""

    workers: int = 1
    """Processes that share the episodes; the result does not depend on it."""

    video: Path | None = None
    """Folder for a film of each episode (needs an environment that can render)."""

    options: tuple[str, ...] = ()
    """Options of the environment as key=value, e.g. engine=pybullet."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Evaluate and print."""
        evaluation = self.measure()
        if self.json:
            from ilrobot.cli.output import print_json

            print_json(evaluation.to_json())
        return 0

    def measure(self) -> Evaluation:
        """Evaluate, print the summary and return it."""
        from ilrobot.cli.actors import PolicyOnTask
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import progress_bar
        from ilrobot.evaluate import evaluate

        if self.episodes < 1 or self.workers < 1 or self.seed < 0:
            raise UserError("--episodes and --workers must be at least 1, --seed at least 0")
        setup = PolicyOnTask(
            self.policy,
            self.task,
            parse_options(self.options),
            render_mode=None if self.video is None else "rgb_array",
        )
        env, _ = setup()  # a mismatch is told here, before any worker starts
        env.close()
        if self.video is not None:
            self.video.mkdir(parents=True, exist_ok=True)
        seeds = range(self.seed, self.seed + self.episodes)
        with progress_bar() as progress:
            bar = progress.add_task("evaluating", total=self.episodes, note="")
            evaluation = evaluate(
                setup,
                seeds,
                workers=self.workers,
                video=self.video,
                on_episode=lambda _: progress.advance(bar),
            )
        _print_summary(evaluation)
        return evaluation


def _print_summary(evaluation: Evaluation) -> None:
    summary = evaluation.to_json()
    low, high = evaluation.success_interval
    reward_low, reward_high = summary["max_reward_interval"]
    print(
        f"success      {evaluation.success_rate:.1%}  [{low:.1%}, {high:.1%}]  "
        f"({evaluation.successes} of {summary['episodes']})"
    )
    print(f"max reward   {summary['max_reward_mean']:.3f}  [{reward_low:.3f}, {reward_high:.3f}]")
    print(f"return       {summary['return_mean']:.3f}")
    print(f"length       {summary['length_mean']:.1f} steps")
