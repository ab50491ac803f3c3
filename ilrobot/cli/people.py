"""Who holds the controls: the scripted expert of a task, and what a recording says of a hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.data.episode import EpisodeInfo
    from ilrobot.scripted_actor import ScriptedActor
    from ilrobot.spec import Spec
    from ilrobot.task_env import TaskEnv
    from teleop.actor import TeleopActor


BY_HAND = "do it by hand: --device gamepad"
#: Where no hand can do it.
ANOTHER_TASK = "take one of these"


def scripted_expert(env: TaskEnv, otherwise: str = BY_HAND) -> ScriptedActor:
    """The task's own expert; it is also what a simulated person knows.

    Args:
        env: Of the task.
        otherwise: What to do where there is none.

    Raises:
        UserError: The task has none.
    """
    from ilrobot.scripted_actor import ScriptedActor
    from sims.experts import make_expert

    try:
        return ScriptedActor(make_expert(env.env), env)
    except ValueError as error:
        raise UserError(f"{error}; {otherwise}") from error


class HasSpec(Protocol):
    """A world or a robot."""

    @property
    def spec(self) -> Spec:
        """What it measures and takes."""


def hand_info(
    world: HasSpec, hand: TeleopActor, *, simulated: bool, person: str = ""
) -> EpisodeInfo:
    """What each episode by this hand shall know about itself."""
    from ilrobot.data.episode import EpisodeInfo
    from teleop.devices import virtual_gamepad

    return EpisodeInfo(
        task=world.spec.task,
        rate=world.spec.rate,
        operator=person or ("simulated" if simulated else "person"),
        # A pad of software is numbered as it happens to be made; the same run shall say the same.
        device=virtual_gamepad.NAME if simulated else hand.device.name,
        mapping_hash=hand.mapping.hash,
    )
