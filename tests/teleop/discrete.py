"""Tasks whose actions are choices."""

from ilrobot.spec import Feature, Spec


def discrete(choices: int, names: tuple[str, ...] = ()) -> Spec:
    return Spec((), Feature("action", (), "int64", names=names), 10.0, choices)
