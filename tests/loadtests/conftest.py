"""Real sockets for the load generator's tests: scripted servers in threads, a site as a process."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.loadtests.peers import Script, Server, Site, play

HERE = Path(__file__).parent


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Server]]:
    """Start a server that hands each connection, with its number, to a script of the test."""
    listeners: list[socket.socket] = []

    def start(script: Script) -> Server:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    server.accepted += 1
                    threading.Thread(
                        target=play, args=(script, peer, server.accepted), daemon=True
                    ).start()

        threading.Thread(target=accept, daemon=True).start()
        return server

    yield start
    for listener in listeners:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture
def site() -> Iterator[Site]:
    """A service and a mailbox that speak the reference journey, from memory."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "site.py")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield Site(process.stdout.readline().strip(), process)
    process.kill()
    process.wait()
