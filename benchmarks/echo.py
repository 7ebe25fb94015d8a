"""A server that costs next to nothing: it answers each request with 201 and the same 120 bytes.

`python -m benchmarks.echo` prints its URL and serves until it is ended. It is what a generator is
measured against: the less the server does, the more the generator is what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from time import sleep
from typing import cast

import uvloop

from harness.tether import tethered

BODY = b"x" * 120
ANSWER = (
    b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
    % (len(BODY), BODY)
)
#: Who connects while it is frozen shall wait for an answer, not for a place in a queue.
BACKLOG = 4096
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Echo(asyncio.Protocol):
    """One request after the other; some clients send head and body in two pieces."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._held = b""

    def data_received(self, data: bytes) -> None:
        data = self._held + data
        head, end, body = data.partition(b"\r\n\r\n")
        announced = LENGTH.search(head)
        if end and len(body) >= (int(announced[1]) if announced else 0):
            self._held = b""
            self._transport.write(ANSWER)
        else:
            self._held = data


async def serve() -> None:
    """Until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=BACKLOG)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@dataclass(frozen=True)
class Server:
    """Where it listens, and which process it is."""

    url: str
    process: subprocess.Popen[str]

    def freeze(self, seconds: float) -> None:
        """Let it do nothing at all for so long, as a long collection of garbage would."""
        self.process.send_signal(signal.SIGSTOP)
        sleep(seconds)
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def echo() -> Iterator[Server]:
    """The server, which runs within the block."""
    command = [sys.executable, "-P", "-m", "benchmarks.echo"]
    process = subprocess.Popen(
        tethered(command, die_by=signal.SIGKILL), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield Server(process.stdout.readline().strip(), process)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    uvloop.run(serve())
