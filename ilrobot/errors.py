"""The two ways in which a verb can fail, each one clear line and an exit code."""


class UserError(Exception):
    """Bad input or usage: the person can mend it. The command line exits with code 2.

    The message is one line that says what is wrong, where, and what to do.
    """


class WorkFailed(Exception):
    """The input was fine but the work failed, for example parity after an export. Exit code 1."""
