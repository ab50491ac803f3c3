"""Reports: one file, self-contained, safe, and drawn from what was given."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest
from matplotlib.figure import Figure

from ilrobot.actors import Source
from ilrobot.data.episode import Episode, EpisodeInfo, Outcome
from ilrobot.report import html, plots
from ilrobot.report.episode import episode_chart
from ilrobot.report.figures import responsive
from ilrobot.report.video import write_video
from ilrobot.spec import Feature, Spec

ROWS = [plots.SuccessRow("BC", 0.5, 0.37, 0.63), plots.SuccessRow("diffusion", 1.0, 0.93, 1.0)]
STRIPS = [
    plots.Strip(1, ["policy"] * 10 + ["human"] * 30, 20.0, Outcome.SUCCESS),
    plots.Strip(2, ["policy"] * 40, 20.0, Outcome.TIMEOUT),
]


class Balance(HTMLParser):
    """Raises where a tag is closed that was not opened last."""

    VOID = frozenset({"meta", "br", "img", "link"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def parse(text: str) -> Balance:
    parser = Balance()
    parser.feed(text)
    assert not parser.open
    return parser


def frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    return [np.full((height, width, 3), 10 * i % 256, dtype=np.uint8) for i in range(count)]


@pytest.fixture(scope="module")
def report() -> str:
    losses = [{"step": i, "loss": 1 / i, "validation_loss": None} for i in range(1, 2000)]
    return html.render(
        html.Report(
            "A <b>title</b>",
            sections=[
                html.Section("Success", [html.figure(plots.success_chart(ROWS))]),
                html.Section("Curves", [plots.learning_curves({"one & two": losses})]),
                html.Section("Who", [plots.intervention_timeline(STRIPS)]),
                html.Section("Loop", [plots.latency_histogram([0.001, 0.002, 0.07], 0.05)]),
            ],
            facts={"command": "ilrobot demo <x>"},
        )
    )


def test_a_report_is_well_formed_and_fetches_nothing(report: str):
    parser = parse(report)
    assert "<script" not in report
    for name, value in parser.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value is not None
            assert value.startswith(("#", "data:"))
    assert not re.search(r"@import|url\((?!#)", report)


def test_text_is_escaped(report: str):
    assert "A &lt;b&gt;title&lt;/b&gt;" in report
    assert "ilrobot demo &lt;x&gt;" in report
    assert "one &amp; two" in report


def test_names_inside_the_drawings_are_unique(report: str):
    names = re.findall(r'\bid="([^"]+)"', report)
    assert len(names) == len(set(names))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', report))
    assert used <= set(names)


def test_colours_that_follow_day_and_night_are_defined(report: str):
    used = set(re.findall(r"var\(--([a-z-]+)\)", report))
    assert {"ink", "muted", "grid", "blue"} <= used
    for name in used:
        assert len(re.findall(rf"--{name}:", report)) == 2, f"{name}: once for day, once for night"


def test_the_same_report_has_the_same_bytes():
    assert plots.success_chart(ROWS) == plots.success_chart(ROWS)


def test_success_says_rate_and_interval():
    chart = plots.success_chart(ROWS)
    assert "50%" in chart
    assert "[37%, 63%]" in chart
    assert 'class="wide"' in chart
    assert 'class="narrow"' in chart


def test_the_timeline_names_who_acted_and_how_much():
    timeline = plots.intervention_timeline(STRIPS)
    assert "expert 75% of the time" in timeline
    assert "expert 0% of the time" in timeline
    assert "expert acts" in timeline
    assert "demonstration" not in timeline


def test_every_source_has_a_colour_of_its_own():
    assert set(plots.SOURCE_COLOURS) == set(Source)
    assert len(set(plots.SOURCE_COLOURS.values())) == len(Source)


def test_the_latency_counts_what_came_late():
    histogram = plots.latency_histogram([0.001] * 97 + [0.06, 0.07, 0.08], 0.05)
    assert "3 later than the deadline of 50 ms" in histogram
    assert "the slowest 80.00 ms" in histogram


def test_a_strip_comes_from_a_recorded_episode():
    sources = np.array(["policy", "human"], dtype=object)
    info = EpisodeInfo("task", 20.0, outcome=Outcome.FAILURE)
    strip = plots.Strip.of(Episode(info, {"control.source": sources}), 3)
    assert strip == plots.Strip(3, ["policy", "human"], 20.0, Outcome.FAILURE)


def test_an_episode_is_drawn_by_unit_without_images():
    spec = Spec(
        observations=(
            Feature("observation.state", (3,), names=("x", "y", "yaw"), units=("m", "m", "rad")),
            Feature("observation.images.front", (4, 4, 3), "uint8"),
        ),
        action=Feature("action", (), "int64"),
        rate=10.0,
        choices=3,
    )
    columns = {
        "observation.state": np.zeros((5, 3), np.float32),
        "observation.images.front": np.zeros((5, 4, 4, 3), np.uint8),
        "action": np.arange(5),
        "control.source": np.array(["demo"] * 5, dtype=object),
    }
    chart = episode_chart(Episode(EpisodeInfo("task", 10.0), columns), spec)
    assert "observation.state, m" in chart
    assert "observation.state, rad" in chart
    assert "images" not in chart


def test_drawings_of_other_content_share_no_names():
    from matplotlib.figure import Figure

    def draw(width: float) -> Figure:
        return Figure((width, 1))

    names = re.findall(r'\bid="([^"]+)"', responsive(draw, "one"))
    assert len(names) == len(set(names))


def test_write_report_leaves_only_the_file(tmp_path: Path):
    path = tmp_path / "deep" / "report.html"
    html.write_report(path, html.Report("t"))
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
    assert path.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("fps", [10, 20.0, 29.97, 50])
def test_a_video_is_h264_at_a_constant_rate(tmp_path: Path, fps: float):
    path = tmp_path / "videos" / "a.mp4"
    assert write_video(path, iter(frames(12, 49, 65)), fps) == 12
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        times = [float(frame.time) for frame in film.decode(video=0)]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert (stream.height, stream.width) == (48, 64)
    np.testing.assert_allclose(times, np.arange(12) / fps, atol=1e-3)


@pytest.mark.parametrize(
    ("bad", "fps", "said"),
    [
        ([], 10, "at least one frame"),
        ([np.zeros((4, 4))], 10, "float64"),
        ([*frames(1), *frames(1, 50, 64)], 10, "frame 1"),
        (frames(1), 0, "positive"),
    ],
)
def test_a_bad_video_leaves_nothing(tmp_path: Path, bad: list[np.ndarray], fps: int, said: str):
    with pytest.raises(ValueError, match=said):
        write_video(tmp_path / "a.mp4", bad, fps)
    assert not list(tmp_path.iterdir())


def test_a_video_travels_inside_the_report_or_is_excused(tmp_path: Path):
    path = tmp_path / "a.mp4"
    write_video(path, frames(3), 10)
    assert "data:video/mp4;base64," in html.video_html(path)
    assert "no GL here" in html.video_html(None, missing="no GL here")
    assert "does not exist" in html.video_html(tmp_path / "b.mp4")


def test_names_are_no_formulas_and_powers_of_ten_are():
    def draw(width: float) -> Figure:
        figure = Figure(figsize=(width, 3))
        axes = figure.subplots()
        axes.plot([1, 2], [1.0, 1e4], label=r"a$\frac$")
        axes.set(yscale="log", title=r"a$\frac$")
        axes.set_xticks([1, 2], [r"b$\frac$", "c"])
        axes.legend()
        return figure

    drawn = responsive(draw, "names")
    assert r"a$\frac$" in drawn
    assert r"b$\frac$" in drawn
    assert "mathdefault" not in drawn
