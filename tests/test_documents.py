"""Links in the documents lead to files, and to headings, that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

_LINK = re.compile(r"\]\((?!https?:)([^)\s#]*)(?:#([^)\s]+))?\)")


def anchors(document: Path) -> set[str]:
    """What GitHub calls the headings of a document in a link."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(document: Path) -> list[str]:
    """The links of a document that lead nowhere."""
    found = []
    for path, anchor in _LINK.findall(document.read_text()):
        there = document.parent / path if path else document
        if not there.exists() or (anchor and anchor not in anchors(there)):
            found.append(f"{path}#{anchor}")
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_lead_somewhere(document: Path):
    assert not broken(document)


def test_a_broken_link_is_seen(tmp_path: Path):
    other = tmp_path / "other.md"
    other.write_text("# One `thing`, 5 ms\n")
    document = tmp_path / "some.md"
    document.write_text("[a](other.md#one-thing-5-ms) [b](none.md) [c](other.md#two) [d](#here)\n")
    assert broken(document) == ["none.md#", "other.md#two", "#here"]
