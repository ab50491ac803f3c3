"""``ilrobot train --learner residual``: what is added to a clone's actions, learnt by trying."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from ilrobot.cli.learners.online import OnlineOptions, trained_on
from ilrobot.cli.usage import optional
from ilrobot.required import require

if TYPE_CHECKING:
    from ilrobot.learners.finetuning.residual_config import ResidualTd3Config

_FROM = tyro.conf.arg(name="from", metavar="RUN")


@dataclass(kw_only=True)
class Residual(OnlineOptions):
    """Learn by trying what to add to a clone's actions (Silver et al. 2018, residual policies).

    The clone stays as it is; what is added is bounded, and learnt from success alone by twin
    delayed policy gradients. The result is one policy, which is measured, exported and deployed
    like any other.

    Example: ilrobot train --learner residual --from runs/bc --output runs/better
    """

    from_: Annotated[Path, _FROM]
    """Run of the policy to begin with: one action for one observation, such as bc."""

    steps: Annotated[int | None, optional("INT", "200000")] = None
    """Environment steps, of all copies together."""

    bound: float = 0.7
    """Greatest residual, in standard deviations of what was demonstrated."""

    bound_at_rest: Annotated[float | None, optional("FLOAT", "as --bound")] = None
    """The same where the clone stands still; it grows with how far the clone moves, to --bound."""

    hold: int = 5
    """Ticks for which a residual is held while it is tried."""

    starts: int = 24_000
    """Environment steps with residuals at random, before anything is learnt."""

    updates: float = 0.4
    """Updates for each environment step."""

    leash: float = 0.3
    """What a residual of its greatest size costs beside a success that is as good as certain."""

    learning_rate: float = 3e-4
    """Of Adam, for the residual."""

    discount: float = 0.97
    """What a success is worth that comes a step later."""

    attempts: int = 48
    """Attempts without noise, every 12,000 steps, by which the best is kept; 0: the last one is."""

    device: Literal["cpu"] = "cpu"
    """Where to compute; a GPU is slower for networks of this size."""

    usual_steps = 200_000

    def run(self) -> int:
        """Train and say what to do next."""
        require("--learner residual", "gymnasium", "torch", extra="rl")
        import torch

        from ilrobot.env_spec import stated_frame
        from ilrobot.learners.behavioral_cloning import weights_hash
        from ilrobot.learners.finetuning.residual import ResidualLearner
        from ilrobot.learners.machine import numerics
        from ilrobot.policies.loading import load_vector_policy
        from ilrobot.policies.residual import with_residual
        from ilrobot.policies.residual_config import check_bound

        self.check()
        check_bound(self.bound)
        config = self._config()
        train_config = self.train_config(
            learning_rate=config.learning_rate, batch_size=config.batch_size
        )
        begun = load_vector_policy(self.from_, "residual")
        with numerics(torch.device("cpu"), "mlp"):
            torch.manual_seed(self.seed)
            envs, make = self.make_envs(begun, success_only=True)
            try:
                with closing(make()) as env:
                    frame = stated_frame(env.env)
                policy = with_residual(
                    begun, bound=self.bound, bound_at_rest=self.bound_at_rest, frame=frame
                )
                self.check_learns(config.starts)
                learner = ResidualLearner(policy, envs, config, self.seed, steps=_REPORTED)
                settings: dict[str, Any] = {
                    **asdict(config),
                    "task": envs.task.task,
                    "options": envs.task.task_options,
                }
                return self.train(
                    "residual",
                    learner,
                    settings,
                    make,
                    train_config,
                    dataset=trained_on(self.from_),
                    initial=weights_hash(begun),
                )
            finally:
                envs.close()

    def _config(self) -> ResidualTd3Config:
        """How.

        Raises:
            UserError: A setting is out of range.
        """
        from ilrobot.learners.finetuning.residual_config import ResidualTd3Config

        config = ResidualTd3Config(
            hold=self.hold,
            starts=self.starts,
            updates=self.updates,
            leash=self.leash,
            learning_rate=self.learning_rate,
            discount=self.discount,
            attempts=self.attempts,
        )
        config.check()
        return config


#: Environment steps between two reports, at least.
_REPORTED = 256
