"""Which of a world's cameras are observed."""

from collections.abc import Sequence


def chosen_cameras(wanted: str | Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The names in ``wanted``, a sequence or one string with commas between them.

    Raises:
        ValueError: for a name that is not ``known`` or that comes twice.
    """
    names = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    chosen = tuple(str(name).strip() for name in names if str(name).strip())
    for name in chosen:
        if name not in known:
            raise ValueError(f"no camera {name!r}; there is {' and '.join(known)}")
        if chosen.count(name) > 1:
            raise ValueError(f"camera {name!r} is named twice")
    return chosen
