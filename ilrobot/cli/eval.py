"""``ilrobot eval``: measure a policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ilrobot.cli.usage import Chunks, optional

if TYPE_CHECKING:
    from ilrobot.cli.actors import PolicyOnTask
    from ilrobot.evaluate import Evaluation


@dataclass
class Eval:
    """Measure a policy: success with its 95 % Wilson interval over fresh seeds.

    Example: ilrobot eval --policy runs/bc --task ilrobot/PandaLift-v0 --episodes 50
    """

    policy: Path
    """A run's folder or an exported .onnx file."""

    task: Annotated[str, optional("ID", "the task that the policy was trained on")] = ""
    """Gymnasium id, e.g. ilrobot/PandaLift-v0 or gym_pusht/PushT-v0."""

    episodes: int = 50
    """How many episodes, each from a seed of its own."""

    seed: int = 100_000
    """Seed of the first episode; the next ones count up from it."""

    workers: Annotated[int | None, optional("INT", "the cores; 1 for up to 20 episodes")] = None
    """Processes that share the episodes; the result does not depend on it."""

    chunks: Chunks = ""
    """How chunks become one action per tick; see docs/executing-chunks.md."""

    video: Annotated[Path | None, optional("FOLDER", "no film")] = None
    """Folder for a film of each episode (needs an environment that can render)."""

    options: Annotated[tuple[str, ...], optional("KEY=VALUE ...", "those of the training")] = ()
    """Options of the environment, e.g. engine=pybullet; they override those of the training."""

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
        from ilrobot.cli.cores import sharing
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import progress_bar
        from ilrobot.cli.seeds import check_seeds
        from ilrobot.evaluate import evaluate

        check_seeds(self.episodes, self.seed)
        workers = sharing(self.workers, self.episodes)
        setup = PolicyOnTask(
            self.policy,
            self.task,
            parse_options(self.options),
            render_mode=None if self.video is None else "rgb_array",
            chunks=self.chunks,
        )
        self._try(setup)
        seeds = range(self.seed, self.seed + self.episodes)
        with progress_bar() as progress:
            bar = progress.add_task("evaluating", total=self.episodes, note="")
            evaluation = evaluate(
                setup,
                seeds,
                workers=workers,
                video=self.video,
                on_episode=lambda _: progress.advance(bar),
            )
        _print_summary(evaluation)
        return evaluation

    def _try(self, setup: PolicyOnTask) -> None:
        """Whatever can be refused is refused before any worker starts."""
        from ilrobot.cli.output import console
        from ilrobot.cli.places import claim_folder

        env, _ = setup()
        try:
            if self.video is not None:
                env.reset(self.seed)
                env.render()
                claim_folder(self.video)
            taken = {k: v for k, v in env.spec.task_options.items() if k not in setup.options}
            if taken:
                words = " ".join(f"{key}={value}" for key, value in taken.items())
                console.print(f"options as in training: {words}")
            if env.stated_rate not in (None, env.spec.rate):
                console.print(
                    f"note: recorded at {env.spec.rate:g} Hz, while {env.spec.task} states "
                    f"{env.stated_rate:g} Hz; its steps are the same"
                )
        finally:
            env.close()


def _print_summary(evaluation: Evaluation) -> None:
    summary = evaluation.to_json()
    low, high = evaluation.success_interval
    if evaluation.judged:
        print(
            f"success      {evaluation.success_rate:.1%}  [{low:.1%}, {high:.1%}]  "
            f"({evaluation.successes} of {summary['episodes']})"
        )
    else:
        print(f"success      nobody judged {summary['episodes']} episodes; look at the reward")
    interval = evaluation.max_reward_interval
    spread = "" if interval is None else "  [{:.3f}, {:.3f}]".format(*interval)
    print(f"max reward   {summary['max_reward_mean']:.3f}{spread}")
    print(f"return       {summary['return_mean']:.3f}")
    print(f"length       {summary['length_mean']:.1f} steps")
