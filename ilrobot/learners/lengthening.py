"""A run that is made longer than it was begun: what it was, to be held beside what is wanted."""

from __future__ import annotations

from dataclasses import replace

from ilrobot.learners.config import TrainConfig
from ilrobot.run_description import TrainDescription


def as_begun(
    wanted: TrainDescription, known: TrainDescription, growing: str | None
) -> TrainDescription:
    """With the attempts that the run itself has made since, and no longer than it was to be."""
    if growing in known.settings and known.settings[growing] < wanted.settings[growing]:
        settings = {**wanted.settings, growing: known.settings[growing]}
        wanted = replace(wanted, settings=settings)
    if not wanted.dataset.episodes and wanted.dataset.path == known.dataset.path:
        wanted = replace(wanted, dataset=known.dataset)
    train, before = wanted.config.train, known.config.train
    if _is_longer(train, before):
        train = replace(train, steps=before.steps, time_budget=before.time_budget)
        wanted = replace(wanted, config=replace(wanted.config, train=train))
    return wanted


def _is_longer(wanted: TrainConfig, known: TrainConfig) -> bool:
    if wanted.time_budget is not None and known.time_budget is not None:
        return wanted.time_budget > known.time_budget
    return wanted.time_budget == known.time_budget and wanted.steps > known.steps
