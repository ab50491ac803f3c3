"""The command line of one verb: its options as they read in --help, its mistakes as one line."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from ilrobot.errors import UserError

Parsed = TypeVar("Parsed")

#: Sections of tyro's box that repeat what --help says.
_HELP_AGAIN = ("For full helptext", "Argument helptext")
#: What tyro and Python say, and what a person does.
_PLAINLY = (
    (r"^Missing from ilrobot [\w -]+:", "missing:"),
    (r"Unrecognized options:", "unknown:"),
    (r"Perhaps you meant:", "did you mean"),
    (r"Missing value for argument '(.*)'\. Expected 1 values", r"\1 needs a value"),
    (r"invalid choice '(.*)' for argument '(.*)'\. Expected", r"\2 cannot be '\1', but"),
    (r"'None', |, 'None'", ""),
    (  # what may be left out: why it is no number stands last
        r"^Error parsing (.*?): no type matching \{None\}\|\S+ could .*<class '(?:int|float)'>: ",
        r"\1: ",
    ),
    (
        r"^Error parsing (.*?): no type matching .* instantiated from \[(.*?)\].*",
        r"\1: \2 cannot be read",
    ),
    (r"^Error parsing ", ""),
    (r"invalid literal for int\(\) with base 10: ('.*')", r"\1 is no whole number"),
    (r"could not convert string to float: ('.*')", r"\1 is no number"),
)


def optional(metavar: str, default: str) -> Any:
    """For ``Annotated``: an option that is None or empty until it is given.

    Args:
        metavar: What stands for its value, e.g. ``PATH``.
        default: What holds without it, in words.
    """
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


#: Fields that several verbs have.
TaskId = Annotated[str, tyro.conf.arg(metavar="ID")]
Milliseconds = Annotated[float, tyro.conf.arg(metavar="MS")]
Address = Annotated[str, tyro.conf.arg(metavar="ADDRESS")]
BindingsFile = Annotated[Path | None, optional("FILE", "the usual ones")]
TaskOptions = Annotated[tuple[str, ...], optional("KEY=VALUE ...", "none")]
CHUNKS = "receding|ensemble|coherent|warm|realtime[:NUMBER]"
Chunks = Annotated[str, optional(CHUNKS, "what the .onnx file says; of a run receding")]


def parse(verb: type[Parsed], name: str, arguments: list[str]) -> Parsed:
    """A verb from its arguments.

    Raises:
        UserError: They are wrong.
        SystemExit: They ask for help, which has been printed.
    """
    box = io.StringIO()
    try:
        with contextlib.redirect_stderr(box):
            parsed = tyro.cli(
                verb,
                prog=f"ilrobot {name}",
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise UserError(f"{_one_line(box.getvalue())}; see ilrobot {name} --help") from None
    sys.stderr.write(box.getvalue())  # a warning
    return parsed


def _one_line(box: str) -> str:
    """What tyro says in a box of sections, of which each has a heading and indented options.

    A terminal without Unicode gets the same box with spaces and hyphens for its lines.
    """
    sections: list[list[str]] = [[]]
    for line in box.translate(str.maketrans("│─", " -")).splitlines():
        row = line[2:].rstrip()
        if row.strip("- ") == "":
            sections.append([])
        elif line.startswith("  "):  # inside the box; its title stands farther to the left
            sections[-1].append(row)
    said = []
    for rows in sections:
        heading = " ".join(row for row in rows if not row.startswith(" "))
        options = ", ".join(row.strip() for row in rows if re.match(r" {4}\S", row))
        if heading and not heading.startswith(_HELP_AGAIN):
            said.append(f"{heading} {options}".strip())
    line = "; ".join(said).rstrip(".") or " ".join(box.split())
    for pattern, plain in _PLAINLY:
        line = re.sub(pattern, plain, line)
    return re.sub(r"one of \(([^)]*)\)", _listed, line)


def _listed(choices: re.Match[str]) -> str:
    """By name, as tyro gives them in the order of a set, and not as a tuple of Python."""
    names = choices[1].replace("'", "").rstrip(",").split(", ")
    return f"one of {', '.join(sorted(names))}"
