"""What every process here does: start in good order, say why when it can't, stop when told."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from typing import NoReturn

from target_app.settings import Settings, SettingsError, read_settings

_PR_SET_PDEATHSIG = 1
GC_THRESHOLD = (50_000, 50, 100)


class StartError(Exception):
    """The process can't start; the message is the one line that the operator reads."""


def settings_or_exit() -> Settings:
    """Settings from the environment; a bad one ends the process with one line and exit 2."""
    try:
        return read_settings(os.environ)
    except SettingsError as problem:
        stop_with(str(problem))


def stop_with(line: str) -> NoReturn:
    """One line on stderr, exit 2."""
    sys.stderr.write(f"{line}\n")
    raise SystemExit(2)


def bind(host: str, port: int, variable: str, *, shared: bool = False) -> socket.socket:
    """A listening socket; `shared` lets several sockets listen on one port. Raises StartError."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        made.bind((host, port))
        made.listen(4096)
    except OSError as problem:
        made.close()
        raise StartError(
            f"{variable}={port}: can't listen on {host}:{port} ({problem.strerror}); "
            "choose a free port"
        ) from problem
    made.setblocking(False)
    return made


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends, however that ends (Linux)."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)


def allow_many_connections() -> None:
    """As many open files as the machine lets us have: every visitor holds one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def freeze_garbage() -> None:
    """Take what start-up left out of the collector's sight: no pause over it under load."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)


def on_stop(loop_stop: Callable[[], None]) -> None:
    """Call it once on SIGTERM or SIGINT (inside a running loop)."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, loop_stop)


def log_to_stderr() -> None:
    """Warnings and worse, one line each."""
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
