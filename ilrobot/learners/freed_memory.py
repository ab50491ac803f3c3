"""Freed memory stays with the process while it trains, so that a step need not ask for it anew."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3), from malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20
_NEVER_TRIM = 2**31 - 1


def keep_freed_memory() -> None:
    """Let glibc's malloc reuse what was freed instead of returning it to the kernel.

    A training step allocates and frees tensors of about a megabyte by the hundred. By default each
    is mapped and unmapped, and the kernel clears and faults in every page of it again: a quarter
    of a U-Net's step. The process keeps at most what it once used, and for good: glibc has no way
    back. Nothing happens where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    library.mallopt(_TRIM_THRESHOLD, _NEVER_TRIM)
