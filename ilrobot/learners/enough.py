"""How many steps are too few to learn from, whoever learns."""

from __future__ import annotations

from pathlib import Path

from ilrobot.errors import UserError

#: Demonstrated or recorded steps; fewer cannot be told from anything.
LEAST_TO_LEARN_FROM = 16


def check_enough(
    steps: int, dataset: Path | str, kind: str, cure: str = "record more of them"
) -> None:
    """Refuse to learn from too few steps.

    Args:
        steps: How many there are.
        dataset: Where they are from.
        kind: What they are, such as ``demonstrated steps``.
        cure: What to do.

    Raises:
        UserError: They are fewer than `LEAST_TO_LEARN_FROM`.
    """
    if steps < LEAST_TO_LEARN_FROM:
        raise UserError(
            f"{dataset}: {steps} {kind} remain, and at least {LEAST_TO_LEARN_FROM} are needed to "
            f"learn from; {cure}"
        )
