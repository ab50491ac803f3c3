"""Which options of ``ilrobot dagger`` go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ilrobot.cli.cores import check_workers
from ilrobot.cli.dagger_gate import ASK_ALWAYS, BUDGETS
from ilrobot.cli.seeds import check_seeds
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.cli.dagger import Dagger


def check_options(asked: Dagger) -> None:
    """Refuse what does not go together, before anything is looked at or made.

    Raises:
        UserError: An option is out of range, or is not for this gate or device.
    """
    from ilrobot.gates.thrifty import check_budget

    if asked.rounds < 1 or asked.episodes < 1:
        raise UserError(
            f"--rounds and --episodes must be at least 1, not {asked.rounds} and {asked.episodes}"
        )
    check_seeds(asked.rounds * asked.episodes, asked.seed)
    asked.page.check(asked.who)
    if asked.budget is not None:
        check_budget(asked.budget)
    for name, gates in (("budget", tuple(BUDGETS)), ("beta", ("beta",))):
        if getattr(asked, name) is not None and asked.gate not in gates:
            raise UserError(f"--{name} is for --gate {' or '.join(gates)}; leave it out")
    _check_device(asked)
    check_workers(asked.processes)
    if asked.processes > 1 and not asked.simulated:
        raise UserError(
            f"--workers {asked.workers} is for simulated attempts, and a person is shown one at "
            "a time; leave it out"
        )


def _check_device(asked: Dagger) -> None:
    by_expert = asked.who == "expert"
    if asked.gate in ASK_ALWAYS and not by_expert:
        raise UserError(
            f"--gate {asked.gate} asks the expert at every step, which no hand answers while "
            "the robot moves; take --device expert, or another gate"
        )
    if by_expert and asked.bindings is not None:
        raise UserError("--bindings is for a hand, and --device expert takes none; leave it out")
    if asked.gate == "human" and by_expert:
        raise UserError(
            "--gate human needs a hand on the bumper; take --device operator, or one of your "
            "own such as gamepad, or another gate"
        )
    if asked.engage != "hold" and asked.simulated:
        raise UserError(
            f"--engage {asked.engage} is for a hand of your own; --device {asked.who} takes "
            "--engage hold"
        )
    if asked.expert is not None and not by_expert:
        raise UserError(f"--expert is for --device expert, not {asked.who}; leave one out")
