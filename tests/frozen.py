"""Imported last by what forks processes: see `tests.forked`."""

import gc

gc.collect()
gc.freeze()
