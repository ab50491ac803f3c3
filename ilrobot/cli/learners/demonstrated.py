"""What learners have on the command line that try their policy beside demonstrations."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ilrobot.cli.learners.online import OnlineOptions, WarmStart
from ilrobot.cli.learners.tried_task import MakeTask
from ilrobot.cli.usage import optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.data.dataset import Dataset
    from ilrobot.learners.reinforcement.vector_env import TaskVectorEnv
    from ilrobot.policies.policy import Policy
    from ilrobot.spec import Spec

_LEAST_STD, _MOST_STD = 0.01, 7.0


@dataclass(kw_only=True)
class DemonstratedOptions(WarmStart, OnlineOptions):
    """Options of every learner of a reward from demonstrations."""

    dataset: Path
    """Folder of the demonstrations."""

    task: Annotated[str, optional("ID", "that of --from, or of the demonstrations")] = ""
    """Gymnasium id of the task, e.g. ilrobot/PandaPush-v0 or Hopper-v5."""

    exploration: Annotated[
        float | None,
        optional("FLOAT", "a Gaussian clone's own, 0.5 of another clone, 0.6 of a new policy"),
    ] = None
    """Spread of the actions at first, in demonstrated deviations or halves of the range."""

    width: Annotated[int | None, optional("INT", "64")] = None
    """Features of a new policy's layers."""

    def check(self) -> None:
        """See `OnlineOptions`."""
        super().check()
        if not _LEAST_STD < self.spread < _MOST_STD:
            raise UserError(
                f"--exploration must be within {_LEAST_STD} and {_MOST_STD}, not {self.exploration}"
            )
        if self.from_ is not None and self.width is not None:
            raise UserError("--width is for a new policy; leave it out with --from")

    def maker(self, begun: Policy | None) -> MakeTask:
        """See `TriedInTask`; it was demonstrated somewhere, which is the default."""
        from ilrobot.cli.actors import TaskForPolicy
        from ilrobot.cli.options import parse_options
        from ilrobot.data.dataset import Dataset
        from ilrobot.observed import vector_spec

        shown = vector_spec(Dataset.open(self.dataset).spec)  # no copy is to draw pictures
        if begun is not None or not shown.task:
            return super().maker(begun)
        where = TaskForPolicy.choose(shown, self.dataset, self.task, parse_options(self.options))
        return MakeTask(where.task, where.options, where.rate)

    def read(self, begun: Policy | None, data: Dataset) -> Spec:
        """Whose observations are learnt from: what the policy sees, else what was demonstrated."""
        from ilrobot.observed import vector_spec

        return vector_spec(data.spec) if begun is None else begun.spec

    @property
    def spread(self) -> float:
        """Of the actions at first."""
        from ilrobot.learners.adversarial.making import CLONE_LOG_STD
        from ilrobot.learners.reinforcement.config import INITIAL_LOG_STD

        if self.exploration is not None:
            return self.exploration
        return math.exp(INITIAL_LOG_STD if self.from_ is None else CLONE_LOG_STD)

    def spread_noted(self, begun: Policy | None) -> float | None:
        """What the run says of it (None: the spread is that of the policy that is begun with)."""
        from ilrobot.policies.density import spreads

        return None if self.exploration is None and spreads(begun) else self.spread

    def policy(self, begun: Policy | None, task: Spec) -> Policy:
        """What is improved: a copy of the one that is begun with, or a new one."""
        from ilrobot.learners.reinforcement.config import SCRATCH
        from ilrobot.policies.density import as_gaussian, new_policy

        log_std = math.log(self.spread)
        if begun is not None:
            policy = as_gaussian(begun, log_std, keep_spread=self.exploration is None)
            policy.spec = replace(policy.spec, task=task.task, task_options=task.task_options)
            return policy
        width = SCRATCH.width if self.width is None else self.width
        return new_policy(task, replace(SCRATCH, width=width), log_std)


def check_task(data: Dataset, envs: TaskVectorEnv) -> None:
    """Refuse a task in which it was not demonstrated, or whose attempts may never end.

    Raises:
        UserError: It is one.
    """
    from ilrobot.compatibility import check_policy_fits
    from ilrobot.observed import limited, vector_spec

    shown, names = vector_spec(data.spec), envs.task.observation_names
    if set(names) <= set(shown.observation_names):
        shown = limited(shown, names)
    check_policy_fits(shown, envs.task, str(data.path), "dataset")
    if envs.time_limit is None:
        raise UserError(
            f"task '{envs.task.task}' has no time limit, so that an attempt may never end; give it "
            "one, e.g. --options max_episode_steps=1000"
        )
