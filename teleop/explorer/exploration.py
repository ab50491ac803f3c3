"""What a page is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

State = TypeVar("State")

#: What is drawn next, as JSON, and from where to go on (None: that was all).
Step = tuple[dict[str, Any], State | None]


@dataclass(frozen=True)
class Exploration(Generic[State]):
    """A page and what is worked out for it, step by step.

    `begin` is called in the server's process and must be quick; `load` and `step` in another one,
    and must be functions of a module. A step gets what the one before left and nothing else, so
    that any number of pages can share the process.

    Attributes:
        page: The page's file in `teleop/explorer/static`.
        hello: What the page is told first: the ranges of its settings.
        begin: From a page's settings to the first step's state. It raises `UserError` for what a
            person can set and should not, `ValueError` for what no page of ours sends.
        load: Imports what the steps need, while the person reads the page.
        step: Works out the next thing to draw.
    """

    page: str
    hello: Mapping[str, Any]
    begin: Callable[[dict[str, Any]], State]
    load: Callable[[], None]
    step: Callable[[None, State], Step[State]]
