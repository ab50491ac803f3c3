"""One self-contained HTML file: no script, nothing fetched, readable on a phone and at night."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ilrobot.atomic import write_text

#: A piece of HTML, already escaped. Everything below takes plain text and returns this.
Html = str


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it.

    Attributes:
        title: The heading, plain text.
        blocks: Pieces of HTML, from the functions below and from `ilrobot.report.plots`.
    """

    title: str
    blocks: Sequence[Html]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: Its heading, plain text.
        summary: What came out, in one or two sentences of plain text.
        figures: The few numbers that matter, large: what it is → the number with its unit.
        facts: Where it comes from: machine, versions, commands.
        sections: The body.
    """

    title: str
    summary: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    sections: Sequence[Section] = ()


def write_report(path: Path, report: Report) -> None:
    """Write the report as one file; it appears only when it is whole.

    Args:
        path: Where to; its folder is made.
        report: What it shall hold.
    """
    write_text(path, render(report))


def render(report: Report) -> Html:
    """The report as a whole HTML document."""
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    links = "".join(
        f'<li><a href="#{_anchor(s.title)}">{html.escape(s.title)}</a></li>'
        for s in report.sections
    )
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{html.escape(report.title)}</title>",
        f"<style>\n{style}</style></head><body>",
        f"<header><h1>{html.escape(report.title)}</h1>",
        f'<p class="summary">{html.escape(report.summary)}</p>' if report.summary else "",
        _figures(report.figures) if report.figures else "",
        f"<nav><ul>{links}</ul></nav>" if len(report.sections) > 2 else "",
        "</header><main>",
        *(_section(section) for section in report.sections),
        "</main>",
        f"<footer>{definitions(report.facts)}</footer>" if report.facts else "",
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def paragraph(text: str) -> Html:
    """Running text."""
    return f"<p>{html.escape(text)}</p>"


def note(text: str) -> Html:
    """A remark that must not be overlooked: what is missing, what a number does not say."""
    return f'<p class="note">{html.escape(text)}</p>'


def code(text: str) -> Html:
    """A command or other text to be copied."""
    return f"<pre><code>{html.escape(text)}</code></pre>"


def figure(picture: Html, caption: str = "") -> Html:
    """A plot or a video with the sentence that explains it."""
    words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{picture}{words}</figure>"


def definitions(facts: Mapping[str, str]) -> Html:
    """Names with their values, as a list."""
    rows = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f"<dl>{rows}</dl>"


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """A table; its first column names the row, the others are numbers and align to the right."""
    head = "".join(f'<th scope="col">{html.escape(text)}</th>' for text in headers)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{html.escape(text)}</th>'
            if column == 0
            else f"<td>{html.escape(text)}</td>"
            for column, text in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        '<div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def video_html(path: Path | None, caption: str = "", missing: str = "") -> Html:
    """A video inside the report, or a note in its place.

    Args:
        path: An mp4 (None: there is none).
        caption: The sentence under it.
        missing: Why there is none, e.g. that the machine has no GL.
    """
    if path is None or not path.is_file():
        return note(missing or f"No video: {path} does not exist.")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return figure(
        '<video controls loop muted playsinline preload="metadata" '
        f'src="data:video/mp4;base64,{data}"></video>',
        caption,
    )


def _figures(figures: Mapping[str, str]) -> Html:
    tiles = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in figures.items()
    )
    return f'<dl class="figures">{tiles}</dl>'


def _section(section: Section) -> Html:
    return (
        f'<section id="{_anchor(section.title)}"><h2>{html.escape(section.title)}</h2>\n'
        + "\n".join(section.blocks)
        + "\n</section>"
    )


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
