"""Imported last by what forks processes: see `tests.forked`."""

import gc
import signal

gc.collect()
gc.freeze()
# It may have been begun for a process that shall be deaf to them, and all its forks would be, too.
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
