"""What policies came to on seeds, kept in a file, so that nothing is measured twice."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from ilrobot import __version__
from ilrobot.atomic import write_json
from ilrobot.comparison import Score
from ilrobot.data.episode import Outcome
from ilrobot.errors import explained
from ilrobot.rollout import EpisodeResult

#: Per seed: success (None: nobody judged) and sum of rewards, NaN where it is no number.
_Episode = tuple[bool | None, float]


class Scores:
    """Episodes of policies by their seeds.

    A policy is known by its hash, the task, its source and its options: moving a run changes
    nothing. What another version measured is dropped, and so is a file that cannot be read.

    Args:
        file: Where they are kept.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known = _read(file)

    def missing(self, policy: str, seeds: Iterable[int]) -> list[int]:
        """Those of the seeds that are not measured yet."""
        known = self._known.get(policy, {})
        return [seed for seed in seeds if seed not in known]

    def add(self, policy: str, result: EpisodeResult) -> None:
        """Note an episode; its seed is known."""
        assert result.seed is not None
        success = None if result.outcome is Outcome.UNKNOWN else result.success
        reward = result.total_reward if math.isfinite(result.total_reward) else math.nan
        self._known.setdefault(policy, {})[result.seed] = success, reward

    def save(self) -> None:
        """Write all to the file, beside what others have measured into it meanwhile."""
        for policy, episodes in _read(self._file).items():
            self._known[policy] = episodes | self._known.get(policy, {})
        policies = {
            policy: {
                seed: (success, None if math.isnan(reward) else reward)
                for seed, (success, reward) in episodes.items()
            }
            for policy, episodes in self._known.items()
        }
        content = {"version": __version__, "policies": policies}
        with explained(self._file, "nothing else was changed", "compare again"):
            write_json(self._file, content)

    def score(self, policy: str, seeds: Sequence[int]) -> Score:
        """The sum over seeds that are all known."""
        episodes = [self._known[policy][seed] for seed in seeds]
        judged = [success for success, _ in episodes if success is not None]
        return Score(sum(judged) if judged else None, tuple(reward for _, reward in episodes))


def _read(file: Path) -> dict[str, dict[int, _Episode]]:
    """What a file says, by policy and seed; nothing where it says nothing that can be read."""
    try:
        kept = json.loads(file.read_text())
        if kept["version"] != __version__:
            return {}
        return {
            policy: {
                int(seed): (row[0], math.nan if row[1] is None else row[1])
                for seed, row in episodes.items()
            }
            for policy, episodes in kept["policies"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return {}
