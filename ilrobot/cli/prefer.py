"""``ilrobot prefer``: which of two clips is better?"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from tyro.conf import Positional

from ilrobot.atomic import PART
from ilrobot.cli.page import Page, PageAddress, tell_address
from ilrobot.cli.usage import TaskOptions, optional
from ilrobot.errors import UserError, explained
from ilrobot.required import require

if TYPE_CHECKING:
    from ilrobot.data.comparisons import Comparisons
    from ilrobot.data.dataset import Dataset
    from ilrobot.learners.finetuning.judges import ScriptedJudge
    from ilrobot.task_env import TaskEnv

#: Of a policy's attempts, inside of the folder of comparisons.
_ATTEMPTS = "attempts"
#: In it, what says that it was made here, and may be made anew while nothing was answered: the hash
#: of the policy that made them.
_MADE_HERE = ".prefer"
_ATTEMPTS_SEED = 300_000
#: How many answers a program gives where nobody says.
_SCRIPTED = 100


@dataclass
class Prefer:
    """Show two clips side by side and take down which one is better.

    Of a dataset its episodes are compared; of a run the attempts that its policy makes first. Every
    answer is kept at once; the same command goes on where it was stopped. Left and right are the
    pad's, the arrow keys, or the page's; up: as good, down: skip, start or Enter: finish.

    Example: ilrobot prefer runs/bc --device keyboard
    """

    path: Positional[Path]
    """Folder of a run, or of a dataset."""

    output: Annotated[Path | None, optional("FOLDER", "preferences in a run")] = None
    """Where preferences.jsonl goes; it must be given for a dataset."""

    answers: Annotated[int | None, optional("N", "as many as you like; 100 by --judge")] = None
    """How many answers there shall be in all."""

    seconds: Annotated[float | None, optional("S", "whole episodes")] = None
    """Length of a clip."""

    attempts: Annotated[int | None, optional("N", "20")] = None
    """How many attempts of a run's policy are compared."""

    task: Annotated[str, optional("ID", "the task that the policy was trained on")] = ""
    """Gymnasium id of the attempts."""

    options: TaskOptions = ()
    """Options of the environment of the attempts."""

    device: Literal["browser", "gamepad", "keyboard"] = "browser"
    """What you answer with: a page in a browser, or a pad or keyboard in front of a window."""

    page: Page = PageAddress()  # noqa: RUF009 (it is frozen)

    judge: Literal["person", "return", "success"] = "person"
    """A person, or a program that prefers the greater return, or the attempt that succeeded."""

    error_rate: float = 0.0
    """Share of a program's answers that are given at random."""

    seed: int = 0
    """Seed of the draw of the pairs, and of a program's random answers."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Ask and count."""
        require("prefer", "pyarrow", extra="data")
        from ilrobot.cli.output import print_json
        from ilrobot.data.comparisons import Compared, Comparisons

        address = self._check()
        folder = self.output or self.path / "preferences"
        dataset = self._dataset(folder)
        if dataset.num_episodes < 2:
            raise UserError(f"{dataset.path} has one episode; there is nothing to compare it with")
        ticks = None if self.seconds is None else max(1, round(self.seconds * dataset.fps))
        if ticks and ticks > max(dataset.lengths) and not Comparisons.begun(folder):
            longest = max(dataset.lengths) / dataset.fps
            raise UserError(
                f"--seconds {self.seconds:g} is longer than any episode ({longest:.3g} s at most); "
                "leave it out to compare whole ones"
            )
        # Episodes that were added since are not compared: the pairs stay what they were.
        episodes = None
        if Comparisons.begun(folder):
            episodes = Comparisons.read(folder).compared.episodes
        compared = Compared.of(dataset, ticks, self.seed, episodes)
        compared.pair(dataset, 0)  # what cannot be compared is told before anything is written
        judge = None if self.judge == "person" else self._judge(dataset)
        try:
            with Comparisons.writing(folder, compared) as comparisons:
                if judge is None:
                    self._ask(comparisons, dataset, address)
                else:
                    from ilrobot.learners.finetuning.judges import answer_all

                    answer_all(comparisons, dataset, judge, self.answers or _SCRIPTED)
        except KeyboardInterrupt:
            _summarise(folder)
            raise
        _summarise(folder)
        if self.json:
            known = Comparisons.read(folder)
            counts = Counter(str(one.answer) for one in known.answers)
            print_json({"output": str(folder), "dataset": str(dataset.path), "answers": counts})
        return 0

    def _check(self) -> tuple[str, int]:
        if self.answers is not None and self.answers < 1:
            raise UserError(f"--answers must be at least 1, not {self.answers}")
        if self.seconds is not None and not 0 < self.seconds < 3600:
            raise UserError(f"--seconds must be above 0 and below 3600, not {self.seconds:g}")
        if self.judge == "person" and self.error_rate:
            raise UserError("--error-rate is for a program: give --judge return or success")
        if self.judge == "success" and self.seconds is not None:
            raise UserError("--judge success compares whole episodes; leave --seconds out")
        if self.judge != "person" and (self.device, self.page) != (Prefer.device, Prefer.page):
            raise UserError(
                f"--device, --host and --port are what a person answers by, and --judge is "
                f"{self.judge}; leave them out"
            )
        if not 0 <= self.seed < 2**63:
            raise UserError(f"--seed must be at least 0, not {self.seed}")
        if self.attempts is not None and self.attempts < 2:
            raise UserError(f"--attempts must be at least 2, not {self.attempts}")
        if self.judge == "person" and self.device != "browser":
            require("prefer", "pygame", extra="teleop")
            from teleop.devices import sdl

            if not sdl.start_display():
                raise UserError(
                    f"--device {self.device} needs a display, and there is none here; answer on a "
                    "page: --device browser"
                )
        return self.page.check(self.device)

    def _dataset(self, folder: Path) -> Dataset:
        """The episodes to compare; a run's policy makes them first."""
        from ilrobot.data.comparisons import FILE, Comparisons
        from ilrobot.data.dataset import Dataset
        from ilrobot.run import RUN_FILE

        if not (self.path / RUN_FILE).exists():
            only = {"attempts": self.attempts, "task": self.task, "options": self.options}
            for name, given in only.items():
                if given:
                    raise UserError(f"--{name} is for the attempts of a run, not for a dataset")
            if self.output is None:
                Dataset.open(self.path)  # what is neither says so first
                raise UserError("--output is missing: where shall the comparisons of a dataset go?")
            return Dataset.open(self.path)
        if Comparisons.begun(folder):
            dataset = Comparisons.read(folder).open_dataset()
            self._check_maker(dataset, folder)
            self._check_attempts(dataset, folder / FILE)
            return dataset
        return self._attempt(folder / _ATTEMPTS)

    def _check_maker(self, made: Dataset, folder: Path) -> None:
        """Refuse to go on with what another policy made, or nobody's attempts."""
        from ilrobot.run import POLICY_FILE, policy_hash

        whose, mark = None, folder / _ATTEMPTS / _MADE_HERE
        if made.path.resolve() != (folder / _ATTEMPTS).resolve():
            whose = f"the episodes of {made.path}"
        elif mark.exists() and (self.path / POLICY_FILE).exists():
            maker = mark.read_text()  # empty: made before it was said
            if maker and maker != policy_hash(self.path):
                whose = "the attempts of another policy"
        if whose is not None:
            raise UserError(
                f"{folder} compares {whose}, not attempts of {self.path}; give another --output"
            )

    def _check_attempts(self, made: Dataset, file: Path) -> None:
        """Refuse to ask for other attempts than those that were compared so far."""
        from ilrobot.cli.options import parse_options

        asked: dict[str, Any] = {"--attempts": self.attempts, "--task": self.task or None}
        known: dict[str, Any] = {"--attempts": made.num_episodes, "--task": made.spec.task}
        for name, value in parse_options(self.options).items():
            asked[f"--options {name}"] = value
            known[f"--options {name}"] = made.spec.task_options.get(name)
        for name, value in asked.items():
            if value is not None and value != known[name]:
                begun = f"without {name}" if known[name] is None else f"with {name} {known[name]}"
                raise UserError(
                    f"{file} was begun {begun}, not with {value}; go on with the same options or "
                    "give another --output"
                )

    def _attempt(self, folder: Path) -> Dataset:
        from ilrobot.cli.actors import TaskForPolicy, load_run
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.output import console
        from ilrobot.cli.places import claim_folder
        from ilrobot.compatibility import check_policy_fits
        from ilrobot.data.dataset import Dataset
        from ilrobot.env import make_env
        from ilrobot.learners.reinforcement.attempts import record_attempts
        from ilrobot.run import policy_hash

        if folder.exists() and not (folder / _MADE_HERE).exists():
            raise UserError(
                f"{folder} exists, and {folder.parent} holds no comparisons of it; give another "
                "--output"
            )
        policy = load_run(self.path)
        options = parse_options(self.options)
        chosen = TaskForPolicy.choose(policy.spec, self.path, self.task, options)

        def make() -> TaskEnv:
            env = make_env(chosen.task, chosen.options, rate=chosen.rate)
            check_policy_fits(policy.spec, env.spec, str(self.path))
            return env

        make().close()
        claim_folder(folder.parent)
        count = 20 if self.attempts is None else self.attempts
        part = folder.with_name(f"{folder.name}{PART}")
        with console.status(f"{count} attempts"):
            record_attempts(policy, part, make, seed=_ATTEMPTS_SEED, episodes=count)
        with explained(folder, "nothing was compared yet", "try again"):
            (part / _MADE_HERE).write_text(policy_hash(self.path))
            if folder.exists():
                shutil.rmtree(folder)
            part.rename(folder)
        return Dataset.open(folder)

    def _judge(self, dataset: Dataset) -> ScriptedJudge:
        from ilrobot.learners.finetuning.judges import ScriptedJudge

        assert self.judge != "person"
        return ScriptedJudge(self.judge, dataset, self.error_rate, self.seed)

    def _ask(self, comparisons: Comparisons, dataset: Dataset, address: tuple[str, int]) -> None:
        from ilrobot.cli.clips import Films
        from ilrobot.data.comparisons import Comparison
        from teleop.judging import judging

        require("prefer", "pygame", extra="teleop")
        films = Films(dataset)
        left, right = comparisons.compared.pair(dataset, len(comparisons.answers))
        films.of(left)  # what cannot be drawn is told before anything opens
        tell: Callable[[str], None] = lambda url: tell_address(url, "answer")  # noqa: E731
        title = f"ilrobot prefer {self.path}"
        with judging(
            self.device, title, address=address, tell=tell, task=dataset.spec.task
        ) as asked:
            while self.answers is None or len(comparisons.answers) < self.answers:
                number = len(comparisons.answers)
                left, right = comparisons.compared.pair(dataset, number)
                answer = asked.ask(
                    films.of(left),
                    films.of(right),
                    films.rate,
                    number + 1,
                    self.answers or 0,
                )
                if answer is None:
                    return
                comparisons.append(Comparison(left, right, answer, "person"))


def _summarise(folder: Path) -> None:
    from ilrobot.data.comparisons import FILE, Answer, Comparisons

    counts = Counter(one.answer for one in Comparisons.read(folder).answers)
    words = ", ".join(f"{counts[answer]} {answer}" for answer in Answer if counts[answer])
    print(f"answers    {counts.total()} ({words or 'none yet'}) in {folder / FILE}")
    if counts[Answer.LEFT] or counts[Answer.RIGHT]:
        print(f"next       ilrobot train --learner preferences --comparisons {folder} --output DIR")
    elif counts.total():
        print("next       go on: no answer is for one side, and nothing is learnt of the others")
