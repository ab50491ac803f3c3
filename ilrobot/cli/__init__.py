"""The command line: the one place where sims, teleop, ilrobot and exports meet.

Each verb is a typed dataclass in a module of its own, with a ``run`` method that returns the exit
code; a verb's module is loaded only when it is called, and loads the heavy parts only in ``run``.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from typing import NoReturn, Protocol

from ilrobot import __version__
from ilrobot.cli.learners import CLONING, LEARNERS, split_learner
from ilrobot.endings import ending_signals, ignore_more
from ilrobot.errors import FULL, Terminated, UserError, WorkFailed

#: verb: (class in the module ``ilrobot.cli.<module>``, module, one line of help)
VERBS = {
    "record": ("Record", "record", "record demonstrations with a gamepad, keyboard or operator"),
    "teleop": ("Teleop", "teleop", "steer a task from a page, with a pad or keys; record nothing"),
    "import": ("Import", "import_", "turn PushT, D4RL, Minari, robomimic, LeRobot, npz into ours"),
    "info": ("Info", "info", "what a dataset, a run or an .onnx file holds"),
    "advise": ("Advise", "advise", "which method suits a dataset, and the numbers that say so"),
    "edit": ("Edit", "edit", "delete, cut, rename and judge episodes; merge datasets"),
    "replay": ("ReplayVerb", "replay", "play an episode again in the simulator: does it stray?"),
    "train": ("Train", "train", "learn a policy from a dataset"),
    "dagger": ("Dagger", "dagger", "let the policy try, take over when it goes wrong, learn on"),
    "prefer": ("Prefer", "prefer", "say which of two clips is better; a reward is learnt from it"),
    "eval": ("Eval", "eval", "measure a policy's success with its confidence interval"),
    "compare": ("Compare", "compare", "runs side by side: success against the expert's labels"),
    "export": ("Export", "export", "write a trained policy as one .onnx file"),
    "verify": ("Verify", "verify", "does an .onnx file keep its promises on this machine?"),
    "deploy": ("Deploy", "deploy", "run an .onnx file in a real-time control loop on a robot"),
    "serve": ("Serve", "serve", "compute a policy here for robots elsewhere"),
    "robot": ("RobotVerb", "robot", "simulate a robot behind a socket, on a bad network if wished"),
    "view": ("View", "view", "look at an episode or at the report of a run"),
    "reward": ("Reward", "reward", "look at a reward that a run has learnt, or export it"),
    "doctor": ("Doctor", "doctor", "what works on this machine, and what to install"),
    "bench": ("Bench", "bench", "measure speed against goals and against other libraries"),
    "study": ("Study", "study", "run a claim of the theory as an experiment"),
    "explore": ("Explore", "explore", "try inverse RL, or DAgger, on a page in the browser"),
    "demo": ("Demo", "demo", "the whole path once, from recording to a robot"),
}


class Verb(Protocol):
    """A parsed command."""

    def run(self) -> int:
        """Do it; the exit code."""


def main(arguments: list[str] | None = None) -> None:
    """Run one verb and exit: 0 done, 1 the work failed, 2 bad input, 128 + signal."""
    for number in ending_signals():
        if number != signal.SIGINT:
            signal.signal(number, _terminate)
    if arguments is not None:
        sys.exit(_main(arguments))
    _Ending.of_process = True
    code = _main(sys.argv[1:])
    _Ending.begin(code)
    sys.exit(code)


class _Ending:
    """From a process's last word on a signal ends it at once, with the code that it has come to.

    What torch and threads leave to the interpreter's end would answer with a traceback, and the
    code would be another one.
    """

    of_process = False

    @classmethod
    def begin(cls, code: int) -> None:
        """Nothing is left to be done or said; of no effect where `main` is called by a program."""
        if cls.of_process:
            for number in ending_signals():
                signal.signal(number, lambda *_: os._exit(code))


def _main(arguments: list[str]) -> int:
    try:
        try:
            return _call(arguments)
        finally:
            print(end="", flush=True)
    except BrokenPipeError:
        return _without_reader()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # rich's answer to one
            return _without_reader()
        raise
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            raise
        _drop_stdout()
        return _fail(f"the output: {error.strerror}; free some space, or send it elsewhere", 1)


def _call(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        print(f"ilrobot {__version__}")
        return 0
    name = arguments[0]
    if name not in VERBS:
        near = difflib.get_close_matches(name, VERBS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "ilrobot --help lists the verbs"
        return _fail(f"unknown verb '{name}'; {hint}", 2)
    try:
        return _parse(name, arguments[1:]).run()
    except UserError as error:
        return _fail(str(error), 2)
    except WorkFailed as error:
        return _fail(str(error), 1)
    except ModuleNotFoundError as error:
        if error.name is None or "." in error.name:  # of a package that is there
            raise
        return _fail(
            f"{name} needs the package '{error.name}': pip install 'ilrobot[all]', or the part of "
            "it that ilrobot doctor names",
            2,
        )
    except Terminated as end:
        return _fail(f"stopped by {end.signal.name}", 128 + end.signal)
    except KeyboardInterrupt:
        return _fail("stopped by Ctrl-C", 130)


def _parse(name: str, arguments: list[str]) -> Verb:
    from ilrobot.cli.usage import parse

    class_name, module, _ = VERBS[name]
    if name == "train":
        learner, arguments = split_learner(arguments)
        if learner != CLONING:
            class_name, module, _ = LEARNERS[learner]
            name, module = f"train --learner {learner}", f"learners.{module}"
    verb: type[Verb] = getattr(importlib.import_module(f"ilrobot.cli.{module}"), class_name)
    return parse(verb, name, arguments)


def _overview() -> str:
    width = max(len(name) for name in VERBS)
    lines = [f"  {name:{width}}  {summary}" for name, (_, _, summary) in VERBS.items()]
    return "\n".join(
        [
            "ilrobot: teach a robot by showing.",
            "",
            "usage: ilrobot VERB [options]      (ilrobot VERB --help explains one verb)",
            "",
            *lines,
            "",
            "  --version   print the version",
            "",
            "Start with: ilrobot demo --fast",
        ]
    )


def _without_reader() -> int:
    """The reader of a pipe (`| head`) has gone: nothing is wrong, and nothing can be printed."""
    _drop_stdout()
    return 0


def _drop_stdout() -> None:
    """So that the interpreter does not fail again when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(number: int, frame: object) -> NoReturn:
    ignore_more(number)
    raise Terminated(number)


def _fail(message: str, code: int) -> int:
    _Ending.begin(code)
    print(f"ilrobot: {message}", file=sys.stderr)
    return code
