"""How many processors this process may use."""

from __future__ import annotations

import os


def usable() -> int:
    """Return how many processors there are for this process: at least one."""
    if hasattr(os, "sched_getaffinity"):  # not everywhere
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
