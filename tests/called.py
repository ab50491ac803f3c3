"""A verb as from the command line, without the seconds in which a process would import it."""

from __future__ import annotations

import io
import subprocess
from contextlib import redirect_stderr, redirect_stdout

from ilrobot.cli import _main


def called(*words: str) -> subprocess.CompletedProcess[str]:
    """Exit code, output and errors of ``ilrobot`` with these words, in this process."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as error:
        code = _main([*words])
    return subprocess.CompletedProcess(words, code, out.getvalue(), error.getvalue())
