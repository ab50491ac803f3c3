"""``ilrobot train --learner NAME``: each learner is a verb of its own, with its own options.

A learner's module is loaded only when it is called, and loads the heavy parts only in ``run``.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from ilrobot.errors import UserError

#: The learner of `ilrobot.cli.train`, which is meant where none is named.
CLONING = "bc"

#: name: (class in the module ``ilrobot.cli.learners.<module>``, module, one line of help)
LEARNERS: dict[str, tuple[str, str, str]] = {
    "raft": ("Raft", "raft", "rejection sampling: try, keep the best attempts, clone them; again"),
    "ppo": (
        "Ppo",
        "reinforcement",
        "reinforcement by a reward, from scratch or from a clone on a leash",
    ),
    "sac": ("Sac", "off_policy", "the same by soft actor-critic: fewer tries, more computing"),
    "td3": ("Td3", "off_policy", "the same by twin delayed policy gradients, without entropy"),
    "residual": ("Residual", "residual", "what to add to a clone's actions, by trying, on success"),
    "gail": ("Gail", "adversarial", "pass for the expert under a discriminator's eyes, by PPO"),
    "airl": ("Airl", "adversarial", "the same, and recover what the expert is rewarded by"),
    "preferences": ("Preferences", "preferences", "a reward from which of two clips was better"),
    "gcl": ("Gcl", "gcl", "a reward from demonstrations, and a policy by it: guided cost"),
    "td3-bc": ("Td3Bc", "offline", "recorded rewards: twin critics, and near what was done"),
    "iql": ("Iql", "offline", "recorded rewards: clone what turned out better than expected"),
    "cql": ("Cql", "offline", "recorded rewards: critics held down where nothing was done"),
    "filtered-bc": ("FilteredBc", "offline", "recorded rewards: clone the best episodes alone"),
    "weighted-bc": ("WeightedBc", "offline", "recorded rewards: clone the better episodes more"),
}

_OPTION = "--learner"


def split_learner(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """The learner that the arguments of ``train`` name, and the others.

    Raises:
        UserError: There is none of that name, or two are named.
    """
    named: list[str] = []
    others: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == _OPTION:
            named.append(next(rest, ""))
        elif argument.startswith(f"{_OPTION}="):
            named.append(argument.partition("=")[2])
        else:
            others.append(argument)
    if len(named) > 1:
        raise UserError(f"{_OPTION} is given {len(named)} times; a run has one learner")
    name = named[0] if named else CLONING
    known = (CLONING, *LEARNERS)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(known)}"
        found = f"no learner '{name}'" if name else f"{_OPTION} needs a name"
        raise UserError(f"{found}; {hint}")
    return name, others


def overview() -> str:
    """One paragraph for each learner beside cloning, for ``ilrobot train --help``."""
    return "\n\n".join(f"{name}: {line}." for name, (_, _, line) in LEARNERS.items())
