"""What every study does with what it found: a page on disk and rows on stdout."""

from __future__ import annotations

from pathlib import Path

from ilrobot.errors import explained
from ilrobot.report.html import Report, write_report


def write_page(file: Path, report: Report) -> None:
    """Write a study's page.

    Raises:
        UserError: The place cannot be written to.
        WorkFailed: The disk is full.
    """
    with explained(file, "nothing was written", "run the study again"):
        write_report(file, report)


def print_row(name: str, *numbers: str) -> None:
    """One row of a study's table on stdout; its numbers align to the right."""
    print(f"{name:24}", *(f"{number:>10}" for number in numbers))
