"""``ilrobot view``: look at an episode or at the report of a run."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional

from ilrobot.cli.usage import optional
from ilrobot.errors import UserError
from ilrobot.required import require

if TYPE_CHECKING:
    from ilrobot.data.dataset import Dataset
    from ilrobot.report.html import Report

#: Where a page is written if nobody says so.
_PAGES = Path("runs") / "view"


@dataclass
class View:
    """Look at a recording, at a run or at a deployment, as one HTML file with plots and film.

    Prints the file's path, and opens it in a browser where there is a display.

    Examples: ilrobot view data/lift --episode 3; ilrobot view runs/bc; ilrobot view run.ticks
    """

    path: Positional[Path]
    """A dataset's folder, a run's, or a log that ilrobot deploy or ilrobot robot wrote."""

    episode: Annotated[int | None, optional("N", "the first")] = None
    """Which episode of a dataset, counted from 0."""

    output: Annotated[
        Path | None,
        optional("PATH", "below runs/view for an episode or a log, report.html in a run"),
    ] = None
    """The file to write, FILE.html; with --rerun FILE.rrd."""

    rerun: bool = False
    """Write an episode or a log as a .rrd file for the rerun viewer instead (needs rerun-sdk)."""

    def run(self) -> int:
        """Write the file, print its path, show it."""
        from ilrobot.data.editing.swap import settle

        settle(self.path)
        if not self.path.exists():
            raise UserError(
                f"nothing at {self.path}; give the folder of a dataset or of a run, or a log"
            )
        if (self.path / "meta" / "info.json").exists():
            file = self._view_episode()
        elif (self.path / "run.json").exists():
            file = self._view_run()
        elif (self.path / "report.html").exists():
            self._refuse_options("holds a report that is written already", ("output",))
            file = self.path / "report.html"
        elif self.path.suffix == ".ticks":
            file = self._view_ticks()
        elif self.path.suffix == ".onnx":
            raise UserError(f"{self.path} is a policy; 'ilrobot info {self.path}' describes it")
        elif self.path.is_file():
            file = self._view_executed()
        else:
            raise UserError(
                f"{self.path} is neither a dataset (no meta/info.json) nor a run (no run.json)"
            )
        print(file)
        if file.suffix == ".html":
            _show(file)
        return 0

    def _refuse_options(self, reason: str, more: tuple[str, ...] = ()) -> None:
        given = {"episode": self.episode is not None, "rerun": self.rerun, "output": self.output}
        for name in ("episode", "rerun", *more):
            if given[name]:
                raise UserError(f"{self.path} {reason}; --{name} is for datasets")

    def _view_run(self) -> Path:
        self._refuse_options("is a run")
        file = self._claim(self.path / "report")
        from ilrobot.report.run import run_report

        _write_page(file, run_report(self.path))
        return file

    def _view_episode(self) -> Path:
        from ilrobot.data.dataset import Dataset

        dataset, index = Dataset.open(self.path), self.episode or 0
        if not 0 <= index < dataset.num_episodes:
            raise UserError(
                f"{self.path} has no episode {index}; --episode goes from 0 to "
                f"{dataset.num_episodes - 1}"
            )
        file = self._claim(_PAGES / f"{self.path.resolve().name}-episode-{index}")
        if self.rerun:
            from ilrobot.cli.rerun import write_recording

            write_recording(file, dataset, index)
        else:
            _write_episode(file, dataset, index)
        return file

    def _view_ticks(self) -> Path:
        from exports.runtime.tick_reading import read_ticks

        if self.episode is not None:
            raise UserError(f"{self.path} is a log; --episode is for datasets")
        ticks = read_ticks(self.path)
        if not len(ticks.rows):
            raise UserError(f"{self.path} holds no tick; its run ended before the first")
        file = self._claim(_PAGES / f"{self.path.stem}-ticks")
        if self.rerun:
            from ilrobot.cli.rerun import write_ticks

            write_ticks(file, ticks)
        else:
            from exports.tick_page import tick_report

            _write_page(file, tick_report(self.path, ticks))
        return file

    def _view_executed(self) -> Path:
        from exports.robots.execution_log import is_execution_log, read_executed

        if not is_execution_log(self.path):
            raise UserError(
                f"{self.path} is no log: neither of ilrobot deploy (.ticks) nor of ilrobot robot"
            )
        self._refuse_options("is a log of ilrobot robot")
        episodes = read_executed(self.path)
        if not any(len(episode.time) for episode in episodes):
            raise UserError(f"{self.path} holds no tick; nobody commanded that robot")
        file = self._claim(_PAGES / f"{self.path.stem}-robot")
        from exports.execution_page import execution_report

        _write_page(file, execution_report(self.path, episodes))
        return file

    def _claim(self, usual: Path) -> Path:
        """Where to write, once it is sure that it can be.

        Args:
            usual: Where to if nobody said so, without the suffix.
        """
        from ilrobot.cli.places import claim_file

        suffix = ".rrd" if self.rerun else ".html"
        file = self.output or usual.with_name(usual.name + suffix)
        if file.suffix != suffix and not file.is_dir():
            raise UserError(f"--output must end in {suffix}, not '{file.name}'")
        if not self.rerun:
            _require_plots()
        claim_file(file)
        return file


def _require_plots() -> None:
    require("view", "matplotlib.figure", extra="train")


def _write_episode(file: Path, dataset: Dataset, index: int) -> None:
    import tempfile

    import sims  # noqa: F401 (registers our tasks)
    from ilrobot.cli.output import console
    from ilrobot.report.recording import episode_report, simulated_frames
    from ilrobot.report.video import write_video

    films, excuse = {}, ""
    with tempfile.TemporaryDirectory() as folder:
        for camera in dataset.camera_keys:
            films[camera] = Path(folder) / f"{camera}.mp4"
            write_video(films[camera], dataset.video(index, camera), dataset.fps)
        if not films:
            film = Path(folder) / "simulator.mp4"
            try:
                with console.status("drawing the recorded states"):
                    write_video(film, simulated_frames(dataset, index), dataset.fps)
                films["From the recorded states of the simulator"] = film
            except UserError as error:
                excuse = f"No film: {error}."
        _write_page(file, episode_report(dataset, index, films, excuse))


def _write_page(file: Path, report: Report) -> None:
    from ilrobot.errors import explained
    from ilrobot.report.html import write_report

    with explained(file, "the page was not written", "view again"):
        write_report(file, report)


def _show(file: Path) -> None:
    display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if display or sys.platform == "darwin":
        import webbrowser

        webbrowser.open(file.resolve().as_uri())
