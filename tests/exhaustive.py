"""Sweeps of which every run takes a sample, and `make test-all` the whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def thinned(cases: Iterable[Any], kept: Collection[Any]) -> list[Any]:
    """The cases of a parametrised test, of which those that are not kept are exhaustive.

    What is kept shows each behaviour of the test at least once.

    Raises:
        ValueError: What is to be kept is no case.
    """
    cases = list(cases)
    if strangers := [case for case in kept if case not in cases]:
        raise ValueError(f"no case: {strangers}")
    return [case if case in kept else _exhaustive(case) for case in cases]


def _exhaustive(case: Any) -> Any:
    """The case with the mark, and those that it has already."""
    if isinstance(case, type(pytest.param())):
        marks = (*case.marks, pytest.mark.exhaustive)
        return pytest.param(*case.values, marks=marks, id=case.id)
    return pytest.param(
        *(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.exhaustive
    )
