"""A process of the generator lives no longer than the campaign that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Mapping
from typing import Final

PARENT: Final = "SURGE_PARENT"
CORES: Final = "SURGE_GENERATOR_CORES"
PR_SET_PDEATHSIG: Final = 1


def tether(environment: Mapping[str, str]) -> None:
    """Do what the campaign left in the environment; nothing when there is no campaign.

    The kernel sends SIGTERM when the parent ends, also by kill -9: Locust then ends the run in
    order, and the record is whole.
    """
    if cores := environment.get(CORES):
        os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    if not (parent := environment.get(PARENT)):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != int(parent):  # it ended before the kernel knew of the wish
        sys.exit(1)
