"""``ilrobot record``: demonstrations by hand."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from ilrobot.cli.page import Page, PageAddress, tell_address
from ilrobot.cli.usage import BindingsFile, TaskId, TaskOptions, optional
from ilrobot.errors import UserError

if TYPE_CHECKING:
    from ilrobot.data.dataset import DatasetRecorder
    from ilrobot.rollout import EpisodeResult
    from ilrobot.task_env import TaskEnv
    from teleop.actor import TeleopActor
    from teleop.display import Display
    from teleop.session import Stage


#: NumPy's older generators, which some environments use, take 32 bits.
_SEEDS = 2**32


@dataclass
class Record:
    """Record demonstrations of a task, with your own hand or a simulated person's.

    On a gamepad: left stick moves forward, back and sideways, right stick up, down and turns, A
    toggles the gripper; Start declares success, Back failure, X discards the episode and records
    it again. On the keyboard: WASD and IJKL are the sticks, Space the gripper, Enter
    success, Backspace failure, Delete discard. The page and the simulated person need no display.
    Ctrl-C keeps all that was recorded.

    Example: ilrobot record --task ilrobot/PandaLift-v0 --device gamepad --episodes 30 --output
    data/lift
    """

    task: TaskId
    """Gymnasium id, e.g. ilrobot/PandaLift-v0 or gym_pusht/PushT-v0."""

    output: Path
    """Folder of the dataset."""

    device: Literal["gamepad", "keyboard", "spacemouse", "browser", "operator"] = "gamepad"
    """Your own hand at a window or a page (browser), or a simulated person's."""

    page: Page = PageAddress()  # noqa: RUF009 (it is frozen)

    bindings: BindingsFile = None
    """A TOML file that changes what buttons, keys and axes do."""

    episodes: int = 30
    """How many episodes the dataset shall have; discarded ones do not count."""

    seed: int = 0
    """Seed of the first episode and of the simulated person; the next episodes count up from it."""

    rate: Annotated[float | None, optional("HZ", "what the environment states, else 10")] = None
    """Control rate in Hz, for an environment that states none or a wrong one."""

    person: Annotated[str, optional("NAME", "no name")] = ""
    """Name to keep with the episodes."""

    options: TaskOptions = ()
    """Options of the environment, e.g. engine=pybullet."""

    resume: bool = False
    """Add to a dataset that exists until it has so many episodes."""

    json: bool = False
    """Print one JSON object as the last line."""

    def run(self) -> int:
        """Record and print what there is then."""
        from ilrobot.cli.command import resuming
        from ilrobot.cli.output import console
        from ilrobot.cli.people import hand_info
        from ilrobot.data.dataset import DatasetRecorder
        from teleop.session import record

        if self.episodes < 1 or self.seed < 0:
            raise UserError("--episodes must be at least 1, --seed at least 0")
        _seeds(self.seed, self.episodes)
        begun = time.perf_counter()
        with ExitStack() as stack:
            env, hand, display = self._prepare(stack)
            recorder = stack.enter_context(
                DatasetRecorder(
                    self.output, env.spec, state_size=env.state_size, resume=self.resume
                )
            )
            before = _Tally.of(recorder, env.spec.task)
            stage = self._stage(env, hand, display, before, stack)
            try:
                record(
                    env,
                    hand,
                    recorder,
                    _seeds(max(self.seed, before.next_seed), self.episodes),
                    wanted=self.episodes,
                    done=before.episodes,
                    info=hand_info(
                        env,
                        hand,
                        simulated=self.device == "operator",
                        person=self.person,
                    ),
                    stage=stage,
                )
            except KeyboardInterrupt:
                recorder.close()
                self._print(_Tally.of(recorder, env.spec.task), begun)
                console.print(f"Go on with: {resuming(self)}", soft_wrap=True)
                raise
            after = _Tally.of(recorder, env.spec.task)
        self._print(after, begun)
        return 0

    def _prepare(self, stack: ExitStack) -> tuple[TaskEnv, TeleopActor, Display | None]:
        """The world, the hand and what the person watches; all are closed with the stack."""
        from ilrobot.cli.options import parse_options
        from ilrobot.cli.people import scripted_expert
        from ilrobot.env import make_env
        from teleop.hands import make_hand
        from teleop.stages import take_place

        address = self.page.check(self.device)
        live = self.device != "operator"
        env = make_env(
            self.task,
            parse_options(self.options),
            render_mode="rgb_array" if live else None,
            rate=self.rate,
        )
        stack.callback(env.close)
        self._check_rate(env)
        expert = None if live else scripted_expert(env)
        hand, display = stack.enter_context(
            take_place(
                self.device,
                f"ilrobot record {self.task}",
                lambda device: make_hand(
                    device, env.spec, expert=expert, seed=self.seed, bindings=self.bindings
                ),
                address=address,
                tell=tell_address,
            )
        )
        return env, hand, display

    def _check_rate(self, env: TaskEnv) -> None:
        if self.task.startswith("ilrobot/") and self.rate not in (None, env.stated_rate):
            raise UserError(
                f"{self.task} moves by 1/{env.stated_rate:g} s at each step, whatever --rate says; "
                "leave it out (it is for environments that state no rate, or a wrong one)"
            )

    def _stage(
        self,
        env: TaskEnv,
        hand: TeleopActor,
        display: Display | None,
        before: _Tally,
        stack: ExitStack,
    ) -> Stage:
        if display is not None:
            from teleop.live import LiveStage

            return LiveStage(display, env, hand, self.episodes).stage()
        from ilrobot.cli.output import progress_bar
        from teleop.session import UNCOUNTED, Stage

        bars = stack.enter_context(progress_bar())
        bar = bars.add_task("recording", total=self.episodes, completed=before.episodes, note="")
        counted, successes = before.episodes, before.successes

        def after(result: EpisodeResult) -> None:
            nonlocal counted, successes
            counted += result.outcome not in UNCOUNTED
            successes += result.success
            bars.update(bar, completed=counted, note=f"{successes} of {counted} succeeded")

        return Stage(after=after)

    def _print(self, tally: _Tally, begun: float) -> None:
        from ilrobot.cli.output import counted, print_json

        extra = f", {tally.discarded} discarded" if tally.discarded else ""
        extra += f", {tally.unfinished} unfinished" if tally.unfinished else ""
        print(
            f"{self.output}: {counted(tally.episodes, 'episode')}, {tally.successes} "
            f"succeeded{extra}; {counted(tally.frames, 'frame')}"
        )
        if tally.repeated:
            print(
                f"{tally.repeated} frames show the pictures of the one before: the video encoder "
                "could not keep up; record fewer or smaller cameras, or close other programs"
            )
        if self.json:
            print_json(
                {
                    "output": str(self.output),
                    "episodes": tally.episodes,
                    "successes": tally.successes,
                    "discarded": tally.discarded,
                    "unfinished": tally.unfinished,
                    "frames": tally.frames,
                    "repeated_pictures": tally.repeated,
                    "seconds": time.perf_counter() - begun,
                }
            )


def _seeds(first: int, episodes: int) -> Iterator[int]:
    """From the first on, one for each attempt."""
    if first + episodes > _SEEDS:
        raise UserError(
            f"{episodes} episodes from seed {first} on need seeds above {_SEEDS - 1}, which not "
            "every environment takes; choose a smaller --seed, or another folder"
        )
    return itertools.count(first)


@dataclass(frozen=True)
class _Tally:
    """What a dataset holds."""

    episodes: int = 0
    successes: int = 0
    discarded: int = 0
    unfinished: int = 0
    frames: int = 0
    repeated: int = 0
    next_seed: int = 0

    @classmethod
    def of(cls, recorder: DatasetRecorder, task: str) -> _Tally:
        """Count what is sealed.

        Raises:
            UserError: It was recorded with another task.
        """
        from ilrobot.data.dataset import Dataset
        from ilrobot.data.episode import Outcome
        from ilrobot.data.summary import repeated_pictures
        from teleop.session import UNCOUNTED

        if recorder.num_episodes == 0:
            return cls()
        data = Dataset.open(recorder.path)
        if data.spec.task != task:
            raise UserError(
                f"{data.path}: holds demonstrations of {data.spec.task or 'no named task'}, not "
                f"{task}; record each task into a folder of its own"
            )
        outcomes = [info.outcome for info in data.infos]
        return cls(
            episodes=sum(outcome not in UNCOUNTED for outcome in outcomes),
            successes=outcomes.count(Outcome.SUCCESS),
            discarded=outcomes.count(Outcome.DISCARDED),
            unfinished=outcomes.count(Outcome.UNFINISHED),
            frames=data.num_frames,
            repeated=repeated_pictures(data),
            next_seed=1
            + max((info.seed for info in data.infos if info.seed is not None), default=-1),
        )
