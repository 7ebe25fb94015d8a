"""A twin as a process: listen, say so, freeze the garbage collector, stop on a signal."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Callable, Coroutine

import uvloop

from target_app.twins.settings import SettingError
from target_app.twins.web import App, Door


async def serve_http(app: App, listener: socket.socket) -> Callable[[], None]:
    """Accept HTTP connections; the function that it returns stops that and closes them all."""
    connections: set[Door] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Door(app, connections), sock=listener)

    def stop() -> None:
        server.close()
        for connection in tuple(connections):
            connection.close()

    return stop


async def until_stopped(name: str, where: str) -> None:
    """Say where the twin listens, then wait for SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    # What lives now lives for ever; and later objects are few, so collections stay short.
    gc.collect()
    gc.freeze()
    sys.stderr.write(f"{name} twin: {where}\n")
    sys.stderr.flush()
    await stopped.wait()


def run(name: str, main: Callable[[], Coroutine[None, None, None]]) -> int:
    """Run a twin to its end; 0, or 2 after one line about a bad setting on stderr."""
    try:
        uvloop.run(main())
    except SettingError as fault:
        sys.stderr.write(f"{name} twin: {fault}\n")
        return 2
    return 0
