"""The page `drift`: where a clone and DAgger go on PointPath, round by round.

Both get as many episodes with the expert's label at every step. The clone's are driven by the
expert, DAgger's after the first round by its own policy. After each round both drive from the same
starts, which neither has learnt from.
"""

from __future__ import annotations

import importlib
import pickle
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ilrobot.errors import UserError
from ilrobot.typed_json import parse_fields
from teleop.explorer.exploration import Exploration, Step

if TYPE_CHECKING:
    from ilrobot.data.episode import Episode
    from ilrobot.learners.interactive.interaction import Interaction
    from ilrobot.policies.combined import Acting

TASK = "ilrobot/PointPath-v0"
#: Least and greatest of each setting.
RANGES: dict[str, tuple[float, float]] = {
    "rounds": (1, 10),
    "episodes": (1, 5),
    "ridge": (0.0, 4.0),
    "seed": (0, 999),
}
#: Episodes that each policy drives after a round, and where their seeds begin.
JUDGED, _JUDGED_FROM = 5, 1_000_000
#: Between the seeds of one question's episodes and the next one's.
_SEEDS_APART = 100
#: Optimiser steps of a fit: a second or so on an idle core.
_TRAINING = 800


@dataclass(frozen=True)
class DriftSettings:
    """What the person has set.

    Attributes:
        rounds: How many there shall be.
        episodes: Of each round.
        ridge: How steeply the path falls off to both sides, 1/s²; see PointPath's `instability`.
        seed: Of starts and of training.
    """

    rounds: int
    episodes: int
    ridge: float
    seed: int

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UserError: The line names it.
        """
        for name, (least, greatest) in RANGES.items():
            value = getattr(self, name)
            if not least <= value <= greatest:
                raise UserError(f"{name} of {value:g}: choose {least:g} to {greatest:g}")


@dataclass(frozen=True)
class Drift:
    """Where it stands.

    Attributes:
        settings: What the person has set.
        done: Rounds so far.
        learnt: Policy and episodes of each learner, pickled: the server's process, which keeps them
            between two steps, has no use for torch.
    """

    settings: DriftSettings
    done: int = 0
    learnt: bytes = b""


def begin(settings: dict[str, Any]) -> Drift:
    """The state before the first round, from the page's settings."""
    parsed = parse_fields(DriftSettings, settings)
    parsed.check()
    return Drift(parsed)


def load() -> None:
    """Import what `next_round` needs."""
    for module in ("sims.experts", "ilrobot.learners.interactive.dagger_in_memory"):
        importlib.import_module(module)


def next_round(_: None, drift: Drift) -> Step[Drift]:
    """Both learners' next round: what they were taught, and where they drive."""
    from ilrobot.learners.interactive import dagger_in_memory
    from ilrobot.learners.interactive.interaction import NOBODY
    from sims.small.point_path import CORRIDOR, KERB, SPEED, path_height

    began = time.perf_counter()
    settings, number = drift.settings, drift.done + 1
    interaction = _interaction(settings)
    learnt: dict[str, tuple[Acting, list[Episode]]] = {"bc": (NOBODY, []), "dagger": (NOBODY, [])}
    if drift.learnt:
        learnt = pickle.loads(drift.learnt)
    learnt["bc"] = dagger_in_memory.next_round(
        interaction, number, *learnt["bc"], beta=lambda _: 1.0
    )
    if number == 1:
        learnt["dagger"] = learnt["bc"]  # the same demonstrations
    else:
        learnt["dagger"] = dagger_in_memory.next_round(interaction, number, *learnt["dagger"])
    far = int((3.2 + SPEED * 10) * 20)  # the latest start, and an episode on from there
    answer = {
        "round": number,
        "rounds": settings.rounds,
        "path": [[x / 20, round(path_height(x / 20), 4)] for x in range(far)],
        "corridor": CORRIDOR,
        "kerb": KERB,
        "learners": {
            name: _shown(policy, episodes, settings) for name, (policy, episodes) in learnt.items()
        },
        "seconds": time.perf_counter() - began,
    }
    if number == settings.rounds:
        return answer, None
    return answer, Drift(settings, number, pickle.dumps(learnt))


def _interaction(settings: DriftSettings, *, judged: bool = False) -> Interaction:
    """The world with its expert; of the judged episodes, or of a round's."""
    from ilrobot.cli.people import scripted_expert
    from ilrobot.env import make_env
    from ilrobot.learners.config import TrainConfig
    from ilrobot.learners.fitting import in_memory
    from ilrobot.learners.interactive.interaction import Interaction
    from ilrobot.policies.config import PolicyConfig

    env = make_env(TASK, {"instability": settings.ridge})
    env.reset(0)
    training = TrainConfig(
        steps=_TRAINING,
        seed=settings.seed,
        batch_size=128,
        learning_rate=1e-2,
        warmup=50,
        ema=0.99,
        held_out=0.0,
        patience=0,
        device="cpu",
    )
    return Interaction(
        env,
        scripted_expert(env),
        in_memory(PolicyConfig(width=64, blocks=1), training),
        JUDGED if judged else settings.episodes,
        seed=_SEEDS_APART * settings.seed + (_JUDGED_FROM if judged else 0),
    )


def _shown(policy: Acting, episodes: list[Episode], settings: DriftSettings) -> dict[str, Any]:
    """What one learner was taught in this round, and how it drives now."""
    import numpy as np

    from ilrobot.data.episode import Outcome
    from sims.small.point_path import path_height

    driven = _interaction(settings, judged=True).record(policy.actor(), 1)
    return {
        "labels": sum(len(episode) for episode in episodes),
        "taught": [
            {
                "states": _places(episode),
                "labels": episode.columns["control.human_action"][:, 0]
                .astype(float)
                .round(3)
                .tolist(),
            }
            for episode in episodes[-settings.episodes :]
        ],
        "driven": [_places(episode) for episode in driven],
        "kept": sum(episode.info.outcome is Outcome.SUCCESS for episode in driven),
        "distance": float(
            np.mean([abs(y - path_height(x)) for episode in driven for x, y in _places(episode)])
        ),
    }


def _places(episode: Episode) -> list[list[float]]:
    """x and y in metres at each step."""
    places: list[list[float]] = (
        episode.columns["observation.state"][:, :2].astype(float).round(3).tolist()
    )
    return places


EXPLORATION = Exploration(
    page="drift.html",
    hello={"ranges": RANGES, "judged": JUDGED},
    begin=begin,
    load=load,
    step=next_round,
)
