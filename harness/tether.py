"""Starts a program that cannot outlive us: `tether.py PARENT SIGNAL CORES UID GID PROGRAM…`.

The kernel signals the program when the *thread* that started it ends, also by kill -9
(PR_SET_PDEATHSIG), so start programs from a thread that lives as long as they should. A change of
user clears that wish, hence the order here: user first, wish second, and then the program.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Account:
    """The user that a program runs as, when we are root and it must not be."""

    uid: int
    gid: int


def tethered(
    program: Sequence[str],
    *,
    die_by: signal.Signals = signal.SIGTERM,
    cores: Iterable[int] | None = None,
    account: Account | None = None,
) -> list[str]:
    """The command that starts `program`, pinned to `cores` (None: as we are)."""
    pins = ",".join(str(core) for core in cores or ()) or "-"
    user = (str(account.uid), str(account.gid)) if account else ("-", "-")
    here = [sys.executable, "-I", str(Path(__file__)), str(os.getpid()), str(int(die_by))]
    return [*here, pins, *user, *program]


def bind_to(parent: int, die_by: int) -> None:
    """Ask the kernel for `die_by` at our parent's end; raises OSError when it will not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, die_by, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it ended before the kernel knew of the wish
        sys.exit(1)


def main(arguments: Sequence[str]) -> None:
    parent, die_by, pins, uid, gid, *program = arguments
    if pins != "-":
        os.sched_setaffinity(0, {int(core) for core in pins.split(",")})
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    bind_to(int(parent), int(die_by))
    try:
        os.execvp(program[0], program)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
