"""Links in the documents lead to what is there, and programs in them use what they define."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
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


def programs(document: Path) -> list[str]:
    """The Python programs of a document."""
    fenced = re.findall(
        r"^ *```python\n(.*?)^ *```", document.read_text(), re.MULTILINE | re.DOTALL
    )
    return [textwrap.dedent(program) for program in fenced]


def faults(program: str, folder: Path) -> str:
    """What is wrong with a program by itself: its syntax, a name that it does not define."""
    file = folder / "program.py"
    file.write_text(program)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E9,F82", file]
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("document", [d for d in DOCUMENTS if programs(d)], ids=lambda d: d.name)
def test_programs_define_what_they_use(document: Path, tmp_path: Path):
    assert [faults(program, tmp_path) for program in programs(document)] == [""] * len(
        programs(document)
    )


def test_a_name_that_is_not_defined_is_seen(tmp_path: Path):
    assert "robot" in faults("robot.connect()\n", tmp_path)
    assert faults("robot = open('x')\nrobot.close()\n", tmp_path) == ""
