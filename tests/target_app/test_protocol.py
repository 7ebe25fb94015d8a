"""Connections: a client that never ends its request does not hold one for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from target_app import protocol

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers after a moment, with the time since the first byte."""
    if scope["path"] == "/late":
        while (await receive()).get("more_body"):
            pass
    await asyncio.sleep(0.05)
    age = time.perf_counter() - scope["surge.received"]
    body = f"{age:.3f}".encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def play(scene: Callable[[Callable[[], Awaitable[Client]]], Awaitable[None]]) -> None:
    """Play a scene with clients of a real server."""

    async def act() -> None:
        config = uvicorn.Config(
            application, port=0, http=protocol.Protocol, ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            await scene(lambda: asyncio.open_connection("127.0.0.1", port))
        finally:
            server.should_exit = True
            await serving

    asyncio.run(asyncio.wait_for(act(), 20))


async def answered(client: Client) -> float:
    """The answer's body: seconds from first byte to answer."""
    reader, _ = client
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    return float(await reader.readexactly(5))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "RECEIVE_DEADLINE_S", 0.2)


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nhost: x\r\nslow: ",
        b"POST /late HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf",
    ],
)
def test_a_request_that_does_not_end_is_hung_up_on(bytes_sent: bytes) -> None:
    async def scene(connect: Callable[[], Awaitable[Client]]) -> None:
        reader, writer = await connect()
        writer.write(bytes_sent)
        began = time.monotonic()
        assert await reader.read() == b""
        assert 0.1 < time.monotonic() - began < 5
        writer.close()

    play(scene)


def test_one_byte_at_a_time_does_not_move_the_deadline() -> None:
    async def scene(connect: Callable[[], Awaitable[Client]]) -> None:
        reader, writer = await connect()
        began = time.monotonic()
        for byte in REQUEST[:-2] * 10:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if reader.at_eof() or writer.transport.is_closing():
                break
        assert time.monotonic() - began < 4  # all those bytes take 5 s
        writer.close()

    play(scene)


def test_a_second_request_gets_the_deadline_too() -> None:
    async def scene(connect: Callable[[], Awaitable[Client]]) -> None:
        reader, writer = await connect()
        writer.write(REQUEST)
        await answered((reader, writer))
        writer.write(REQUEST[:10])
        assert await asyncio.wait_for(reader.read(), 2) == b""
        writer.close()

    play(scene)


def test_a_slow_answer_is_no_late_head() -> None:
    async def scene(connect: Callable[[], Awaitable[Client]]) -> None:
        reader, writer = await connect()
        for _ in range(8):
            writer.write(REQUEST)
            assert 0.05 <= await answered((reader, writer)) < 1
        writer.close()

    play(scene)


def test_the_clock_starts_at_the_first_byte_of_each_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(protocol, "RECEIVE_DEADLINE_S", 10.0)

    async def scene(connect: Callable[[], Awaitable[Client]]) -> None:
        client = await connect()
        await asyncio.sleep(0.5)
        client[1].write(REQUEST)
        assert await answered(client) < 0.5
        client[1].close()

    play(scene)
