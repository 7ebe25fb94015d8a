"""What the load generator's tests talk to: scripted servers, and the small site of site.py."""

import contextlib
import socket
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field

Script = Callable[[socket.socket, int], None]


@dataclass
class Server:
    """A listening socket; ``accepted`` counts connections, ``requests`` holds what was received."""

    url: str
    accepted: int = 0
    requests: list[bytes] = field(default_factory=list)


def read_request(peer: socket.socket) -> bytes:
    """One whole request: head, and as much body as it announces; b'' at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    wanted = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            wanted = int(line.partition(b":")[2])
    while len(body) < wanted:
        body += peer.recv(65536)
    return head + b"\r\n\r\n" + body


def play(script: Script, peer: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError), peer:
        script(peer, number)


@dataclass(frozen=True)
class Site:
    """The small site of site.py, running as a process of its own."""

    url: str
    process: subprocess.Popen[str]
