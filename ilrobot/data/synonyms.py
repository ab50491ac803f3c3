"""Names that others give to what we call observation, action, reward and the ends of episodes."""

from __future__ import annotations

from collections.abc import Iterable

_SYNONYMS = {
    "action": {"actions", "act", "acts"},
    "observation": {"observations", "obs", "state", "states"},
    "reward": {"rewards"},
    "episode_ends": {"ends"},
}


def misnamed(available: Iterable[str], wanted: str) -> str | None:
    """Which of the names that there are means the one that is wanted (None: none of them).

    Args:
        available: Names of columns or arrays; groups before a last ``/`` do not count.
        wanted: ``action``, ``observation``, ``observation.state``, ``reward``, ``episode_ends``.
    """
    kind = wanted.partition(".")[0]
    others = {kind, *_SYNONYMS.get(kind, ())} - {wanted}
    return next((name for name in sorted(available) if name.rpartition("/")[2] in others), None)
