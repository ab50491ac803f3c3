"""From a matplotlib drawing to inline SVG that follows the page: its width, its day, its night."""

from __future__ import annotations

import hashlib
import html
import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text

#: Stand-ins that matplotlib draws with and that become variables of the page's style.
INK, MUTED, GRID, SURFACE = "#000001", "#000002", "#000003", "#000004"

#: Okabe and Ito 2008, "Color universal design": told apart by readers of every colour vision, on
#: white and on near-black. Their yellow and black are left out, which are not.
BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, SKY = "#D55E00", "#CC79A7", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)

#: Where there are more things than these.
MORE_COLOURS = (INK, *COLOURS, "#8a929a", "#5a6b2f")

#: Matplotlib's markers, and the letters that stand for them in a key.
_MARKS = {"o": "", "s": "■ ", "^": "▲ ", "D": "◆ ", "v": "▼ ", "P": "✚ ", "X": "✖ "}


@dataclass(frozen=True)
class Style:
    """How one of many lines is drawn.

    Attributes:
        colour: Of the line.
        marker: Matplotlib's, at its points.
        mark: The same for a key, before the name ("": a dot, which needs none).
    """

    colour: str
    marker: str
    mark: str


def styles(count: int) -> list[Style]:
    """As many that differ by colour, and where there are more than colours by marker too."""
    colours = COLOURS if count <= len(COLOURS) else MORE_COLOURS
    pairs = [Style(colour, *mark) for mark in _MARKS.items() for colour in colours]
    return list(islice(cycle(pairs), count))


#: Blue alone is too dark for a night page and gets lighter there.
_VARIABLES = {INK: "ink", MUTED: "muted", GRID: "grid", SURFACE: "raised", BLUE.lower(): "blue"}

#: Width in inches on a screen and on a phone, where letters must stay as large.
WIDE, NARROW = 7.3, 3.9

_STYLE: Any = {
    "svg.hashsalt": "ilrobot",  # the same drawing gives the same bytes
    "svg.fonttype": "none",  # letters stay letters: they can be searched, and take the page's font
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so the layout is the same everywhere
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.minor.visible": False,
    "lines.linewidth": 1.5,
    "legend.frameon": False,
    "legend.labelcolor": MUTED,
    "legend.fontsize": 8,
}


def responsive(draw: Callable[[float], Figure], description: str) -> str:
    """A drawing as inline SVG, once for screens and once for phones; the page shows one.

    Args:
        draw: Makes the figure for a width in inches.
        description: What it shows, for readers who cannot see it.
    """
    return "".join(
        _svg(draw, width, name, description) for width, name in ((WIDE, "wide"), (NARROW, "narrow"))
    )


def colour_key(entries: Iterable[tuple[str, str]]) -> str:
    """A legend as a list: pairs of colour and name."""
    items = "".join(
        f'<li><i style="background:{_with_variables(colour.lower())}"></i>{html.escape(name)}</li>'
        for colour, name in entries
    )
    return f'<ul class="key">{items}</ul>'


def _with_variables(text: str) -> str:
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, f"var(--{variable})")
    return text


def _take_literally(drawn: Figure) -> None:
    """Words are no formulas, though a folder's name may have two dollars; powers of ten are."""
    axes = [axis for part in drawn.axes for axis in (part.xaxis, part.yaxis)]
    powers = {text for axis in axes if axis.get_scale() == "log" for text in axis.findobj(Text)}
    for text in set(drawn.findobj(Text)) - powers:
        text.set_parse_math(False)


def _svg(draw: Callable[[float], Figure], width: float, name: str, description: str) -> str:
    buffer = io.StringIO()
    with rc_context(_STYLE):
        drawn = draw(width)
        _take_literally(drawn)
        drawn.savefig(
            buffer,
            format="svg",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None},
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    opening, body = text.split(">", 1)
    view_box = re.search(r'viewBox="[^"]+"', opening)
    assert view_box is not None, "matplotlib writes a viewBox"
    body = _with_variables(body)
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"\s*\n\s*", "\n", body)
    # Names inside one SVG are visible in the whole page, so each drawing needs its own.
    mark = hashlib.sha256((name + body).encode()).hexdigest()[:8]
    body = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{mark}-", body)
    label = html.escape(description, quote=True)
    return (
        f'<svg class="{name}" xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" {view_box[0]} role="img" '
        f'aria-label="{label}">{body}'
    )
