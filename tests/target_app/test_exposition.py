"""The metrics port: one page, many scrapes on one connection, and no patience for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from target_app.exposition import Exposition
from target_app.processes import bind


def play(scene: Callable[[int], Awaitable[None]]) -> None:
    """Play a scene with a port that tells metrics."""

    async def act() -> None:
        exposition = Exposition(lambda: b"up 1.0\n")
        listening = bind("127.0.0.1", 0, "PORT")
        port = listening.getsockname()[1]
        await exposition.start(listening)
        await scene(port)
        await exposition.stop()

    asyncio.run(asyncio.wait_for(act(), 10))


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes
) -> tuple[bytes, bytes]:
    """The status line and the body."""
    writer.write(line + b"\r\nhost: x\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head.partition(b"\r\n")[0], await reader.readexactly(length)


def test_scrapes_share_a_connection() -> None:
    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in (b"/metrics", b"/metrics?x=1"):
            answer = await ask(reader, writer, b"GET " + path + b" HTTP/1.1")
            assert answer == (b"HTTP/1.1 200 OK", b"up 1.0\n")
        status, _ = await ask(reader, writer, b"GET /healthz HTTP/1.1")
        assert status == b"HTTP/1.1 200 OK"
        status, _ = await ask(reader, writer, b"GET /ledger HTTP/1.1")
        assert status == b"HTTP/1.1 404 Not Found"
        writer.close()

    play(scene)


def test_what_is_no_request_is_hung_up_on() -> None:
    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x" * 100_000)
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            assert reader.at_eof() or reader.exception() is not None
        writer.close()

    play(scene)
