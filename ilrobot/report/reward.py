"""The page of a learnt reward: where it is high, along which episodes, beside the task's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ilrobot.data.transitions import Transitions
from ilrobot.report import html
from ilrobot.report.figures import BLUE, GREEN, INK, colour_key, responsive
from ilrobot.rewards.model import RewardModel

#: Episodes of each kind that are drawn.
_DRAWN = 4
_GRID = 60
_BINS = 40
#: Points of a scatter.
_POINTS = 1_000
_WORDS = {
    "state": "the state",
    "state-action": "state and action",
    "state-action-next": "state, action and next state",
}
_BIASES = {
    "survive": "always positive: it pays to survive",
    "finish": "always negative: it pays to finish",
    "none": "of either sign",
}


@dataclass(frozen=True)
class Rewarded:
    """Episodes with what was learnt of them.

    Attributes:
        name: Whose they are.
        colour: Of the curves.
        steps: The transitions; their own rewards are the task's, where they are known.
        rewards: The learnt ones, (N,).
    """

    name: str
    colour: str
    steps: Transitions
    rewards: NDArray[np.float32]

    @property
    def correlation(self) -> float | None:
        """Pearson's, of learnt reward and the task's own over all steps (None: not defined)."""
        own = self.steps.rewards
        if own is None or len(own) < 2 or np.ptp(own) == 0 or np.ptp(self.rewards) == 0:
            return None
        return float(np.corrcoef(own, self.rewards)[0, 1])

    @property
    def episodes(self) -> list[NDArray[np.float32]]:
        """The learnt rewards of each episode, in order."""
        _, first = np.unique(self.steps.episode, return_index=True)
        return np.split(self.rewards, np.sort(first)[1:])


def demonstrated(model: RewardModel, steps: Transitions) -> Rewarded:
    """What the expert did."""
    return Rewarded("demonstrations", GREEN, steps, model.of(steps))


def attempted(model: RewardModel, steps: Transitions) -> Rewarded:
    """What the policy does."""
    return Rewarded("the policy's attempts", BLUE, steps, model.of(steps))


def reward_report(
    title: str,
    model: RewardModel,
    known: Sequence[Rewarded],
    act: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None,
    remark: str = "",
) -> html.Report:
    """A reward as a page.

    Args:
        title: What it is called.
        model: The reward.
        known: Episodes, the demonstrations first.
        act: The policy, (N, O) to (N, A) (None: there is none).
        remark: What is missing, for a person.
    """
    sections = []
    size = sum(feature.size for feature in model.spec.observations)
    if size <= 2:
        sections.append(html.Section("Where it is high", [_map(model, known, act, size)]))
    sections.append(html.Section("Along episodes", [_episodes(known)]))
    sections.append(html.Section("How it is distributed", [_distribution(known)]))
    measured = [part for part in known if part.correlation is not None]
    if measured:
        sections.append(html.Section("Beside the task's own reward", [_scatter(measured)]))
    if remark:
        sections[0] = html.Section(sections[0].title, [html.note(remark), *sections[0].blocks])
    figures = {f"mean, {part.name}": f"{part.rewards.mean():.3g}" for part in known}
    if model.absorbing_reward is not None:
        figures["each step after an end"] = f"{model.absorbing_reward:.3g}"
    for part in measured:
        figures[f"correlation with the task's, {part.name}"] = f"{part.correlation:.2f}"
    return html.Report(
        title=title,
        summary=f"A learnt reward of {_WORDS[model.config.inputs]}, "
        f"{_BIASES[model.config.termination_bias]}.",
        figures=figures,
        sections=sections,
    )


def _key(known: Sequence[Rewarded]) -> html.Html:
    return colour_key((part.colour, part.name) for part in known)


def _episodes(known: Sequence[Rewarded]) -> html.Html:
    def draw(width: float) -> Figure:
        drawn = Figure(figsize=(width, 3.0), layout="constrained")
        axes = drawn.subplots()
        for part in known:
            for rewards in part.episodes[:_DRAWN]:
                axes.plot(rewards, color=part.colour, linewidth=0.9, alpha=0.8)
        axes.set_xlabel("step")
        axes.set_ylabel("learnt reward")
        return drawn

    words = ", ".join(f"{min(_DRAWN, len(part.episodes))} of {part.name}" for part in known)
    picture = responsive(draw, f"learnt reward by step: {words}")
    return html.figure(picture + _key(known), f"The learnt reward at each step: {words}.")


def _distribution(known: Sequence[Rewarded]) -> html.Html:
    everything = np.concatenate([part.rewards for part in known])
    low, high = np.quantile(everything, (0.005, 0.995))
    edges = np.linspace(low, max(high, low + 1e-6), _BINS + 1).tolist()

    def draw(width: float) -> Figure:
        drawn = Figure(figsize=(width, 2.6), layout="constrained")
        axes = drawn.subplots()
        for part in known:
            axes.hist(
                np.clip(part.rewards, edges[0], edges[-1]),
                edges,
                weights=np.full(len(part.rewards), 1 / len(part.rewards)),
                histtype="step",
                color=part.colour,
                linewidth=1.5,
            )
        axes.set_xlabel("learnt reward")
        axes.set_ylabel("share of the steps")
        return drawn

    words = "; ".join(
        f"{part.name}: median {np.median(part.rewards):.3g}, middle half from "
        f"{np.quantile(part.rewards, 0.25):.3g} to {np.quantile(part.rewards, 0.75):.3g}"
        for part in known
    )
    return html.figure(responsive(draw, words) + _key(known), f"{words}.")


def _scatter(measured: Sequence[Rewarded]) -> html.Html:
    def draw(width: float) -> Figure:
        drawn = Figure(figsize=(width, 3.4), layout="constrained")
        axes = drawn.subplots()
        for part in measured:
            own = part.steps.rewards
            assert own is not None
            some = np.unique(np.linspace(0, len(own) - 1, _POINTS).astype(int))
            axes.plot(own[some], part.rewards[some], ".", color=part.colour, markersize=3)
        axes.set_xlabel("the task's own reward")
        axes.set_ylabel("learnt reward")
        return drawn

    words = "; ".join(f"{part.name} {part.correlation:.2f}" for part in measured)
    return html.figure(
        responsive(draw, f"correlation of both rewards: {words}") + _key(measured),
        f"Each point is a step. Correlation (Pearson): {words}. The task's reward was not known "
        "to the learner; a reward that leads to the same behaviour need not be the same.",
    )


def _map(
    model: RewardModel,
    known: Sequence[Rewarded],
    act: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None,
    size: int,
) -> html.Html:
    seen = np.concatenate([part.steps.observations for part in known])
    sides = [np.linspace(seen[:, i].min(), seen[:, i].max(), _GRID) for i in range(size)]
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1).reshape(-1, size)
    grid = grid.astype(np.float32)
    demonstrated, usual = known[0].steps.actions, "mean"
    action = demonstrated.mean(axis=0)
    if model.spec.choices is not None:  # between two choices lies none
        values, counts = np.unique(demonstrated, return_counts=True)
        action, usual = values[counts.argmax(), None], "most frequent"
    actions = np.tile(action, (len(grid), 1))
    at = ""
    if model.config.reads_action:
        at = f", for the {usual} demonstrated action"
        if act is not None:
            actions, at = act(grid), ", for the policy's action there"
    nowhere = np.zeros(len(grid), dtype=bool)
    rewards = model.of(
        Transitions(grid, actions, None, grid, nowhere, nowhere, np.zeros(len(grid), np.int64))
    )
    names = [n for f in model.spec.observations for n in f.element_names]
    best = ", ".join(f"{n} {x:.3g}" for n, x in zip(names, grid[rewards.argmax()], strict=True))

    def draw(width: float) -> Figure:
        drawn = Figure(figsize=(width, 3.6), layout="constrained")
        axes = drawn.subplots()
        if size == 1:
            axes.plot(sides[0], rewards, color=INK)
            axes.set_ylabel("learnt reward")
        else:
            picture = axes.pcolormesh(
                *sides, rewards.reshape(_GRID, _GRID).T, shading="gouraud", rasterized=True
            )
            drawn.colorbar(picture, ax=axes, label="learnt reward")
            for part in known:
                paths = np.split(part.steps.observations, np.cumsum(list(map(len, part.episodes))))
                for path in paths[: min(_DRAWN, len(part.episodes))]:
                    axes.plot(*path.T, color=part.colour, linewidth=0.9)
            axes.set_ylabel(names[1])
        axes.set_xlabel(names[0])
        return drawn

    return html.figure(
        responsive(draw, f"map of the learnt reward, highest at {best}") + _key(known),
        f"The learnt reward over the states that were seen{at}; it is highest at {best}.",
    )
