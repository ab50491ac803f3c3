"""The report of one recorded episode: its story, its curves, and its film where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ilrobot.data.branches import surviving, takeovers
from ilrobot.data.dataset import Dataset
from ilrobot.data.episode import Episode
from ilrobot.env import make_env
from ilrobot.errors import UserError, WorkFailed
from ilrobot.report import html, plots
from ilrobot.report.episode import episode_chart


def episode_report(
    dataset: Dataset, index: int, films: dict[str, Path], excuse: str
) -> html.Report:
    """What happened in one episode.

    Args:
        dataset: Where it stands.
        index: Which one, counted from 0.
        films: Name of a camera → mp4.
        excuse: Why there is no film, where `films` is empty.
    """
    episode = dataset.episode(index)
    info = episode.info
    seconds = len(episode) / info.rate
    shown = [html.video_html(path, name) for name, path in films.items()] or [html.note(excuse)]
    sections = [html.Section("Film", shown)]
    if "control.source" in episode.columns:
        strip = plots.Strip.of(episode, 1)
        if len(set(strip.sources)) > 1:
            picture = html.figure(plots.intervention_timeline([strip]))
            sections.append(html.Section("Who acted when", [picture]))
    curves = html.figure(
        episode_chart(episode, dataset.spec),
        "Elements of a feature that share a unit share a panel; the background says who acted.",
    )
    sections.append(html.Section("Actions and observations", [curves]))
    facts = {
        "task": info.task,
        "judged by": str(info.judge),
        "seed": "" if info.seed is None else str(info.seed),
        "operator": info.operator,
        "device": info.device,
        "mapping": info.mapping_hash,
        "policy": info.policy_hash,
        "dataset": str(dataset.path),
    }
    return html.Report(
        title=f"Episode {index} of {dataset.path.resolve().name}",
        summary=info.task,
        figures={
            "outcome": str(info.outcome),
            "length": f"{seconds:.1f} s",
            "ticks": f"{len(episode)} at {info.rate:g} Hz",
            **_takeovers(episode),
            **_undone(episode),
        },
        facts={name: value for name, value in facts.items() if value},
        sections=sections,
    )


def simulated_frames(dataset: Dataset, index: int) -> Iterator[NDArray[np.uint8]]:
    """The episode seen again: each recorded state is put back into its simulator and drawn.

    Raises:
        UserError: The recording holds no states, or its task cannot be made or drawn here.
    """
    episode = dataset.episode(index)
    if episode.states is None:
        raise UserError("the recording holds neither pictures nor states of a simulator")
    env = make_env(dataset.spec.task, dataset.spec.task_options, render_mode="rgb_array")
    try:
        if not env.can_restore:
            raise UserError(f"{dataset.spec.task} cannot be put back into a recorded state")
        env.reset(episode.info.seed)
        for state in episode.states:
            try:
                env.set_state(state)
                yield env.render()
            except WorkFailed as error:  # its states are of another version of the task
                raise UserError(str(error)) from error
            except RuntimeError as error:  # what a simulator raises that finds no GL
                raise UserError(f"this machine cannot draw it: {error}") from error
    finally:
        env.close()


def _takeovers(episode: Episode) -> dict[str, str]:
    if "control.intervention_id" not in episode.columns:
        return {}
    return {"interventions": str(takeovers(episode.columns))}


def _undone(episode: Episode) -> dict[str, str]:
    undone = len(episode) - int(surviving(episode.columns).sum())
    return {"undone by rewinding": f"{undone} ticks"} if undone else {}
