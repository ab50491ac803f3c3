"""Which task a policy is tried in, as the command line says it, and how it is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from ilrobot.cli.usage import TaskOptions, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.policies.policy import Policy
    from ilrobot.task_env import TaskEnv


@dataclass(kw_only=True)
class TriedInTask:
    """Options of every learner that tries its policy."""

    task: Annotated[str, optional("ID", "that of --from")] = ""
    """Gymnasium id of the task, e.g. ilrobot/PandaPush-v0 or Hopper-v5."""

    options: TaskOptions = ()
    """Options of the environment, e.g. engine=pybullet."""

    def maker(self, begun: Policy | None) -> MakeTask:
        """Makes the task.

        Args:
            begun: The policy that is begun with; its task is the default.

        Raises:
            UserError: None is named.
        """
        from ilrobot.cli.actors import TaskForPolicy
        from ilrobot.cli.options import parse_options

        task, options, rate = self.task, parse_options(self.options), None
        if begun is not None:
            chosen = TaskForPolicy.choose(begun.spec, "--from", task, options)
            task, options, rate = chosen.task, chosen.options, chosen.rate
        if not task:
            raise UserError("--task is missing: where shall the policy be tried?")
        return MakeTask(task, options, rate)


@dataclass(frozen=True)
class MakeTask:
    """Makes a task; picklable.

    Attributes:
        task: Gymnasium id.
        options: Keyword arguments for the environment.
        rate: See `ilrobot.env.make_env`.
    """

    task: str
    options: dict[str, Any]
    rate: float | None

    def __call__(self) -> TaskEnv:
        """A copy of it.

        Raises:
            UserError: There is no such task, or it cannot be made here.
        """
        from ilrobot.env import make_env

        return make_env(self.task, self.options, rate=self.rate)
