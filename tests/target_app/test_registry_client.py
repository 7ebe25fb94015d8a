"""Asking the registry's twin, within slots and quota, and what its failures become."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from target_app.registry_client import (
    RegistryBusyError,
    RegistryClient,
    RegistryFailedError,
    RegistryRefusedError,
)
from tests.target_app.system import IDENTITY, NOBODY, address, free_ports
from tests.target_app.twins.running import running

Scene = Callable[[RegistryClient], Awaitable[None]]


def play(
    url: str, scene: Scene, slots: int = 4, quota: float = 0.0, timeout_s: float = 5.0
) -> list[tuple[float, float]]:
    """Play a scene; (waiting, service) of each call in seconds."""
    calls: list[tuple[float, float]] = []

    async def act() -> None:
        client = RegistryClient(url, slots, quota, timeout_s, lambda *call: calls.append(call))
        await scene(client)
        client.close()

    asyncio.run(asyncio.wait_for(act(), 30))
    return calls


async def ask(client: RegistryClient, identity: dict[str, str] = IDENTITY) -> bool:
    return await client.check(identity["nik"], identity["name"], identity["birth_date"])


def test_the_registry_knows_some_and_not_others() -> None:
    async def scene(client: RegistryClient) -> None:
        assert await ask(client) is True
        assert await ask(client, NOBODY) is False

    with running("registry", SURGE_REGISTRY_TWIN_LATENCY="0.001") as twin:
        calls = play(address(twin), scene)
    assert len(calls) == 2


def test_never_more_calls_at_once_than_slots() -> None:
    async def scene(client: RegistryClient) -> None:
        await asyncio.gather(*(ask(client) for _ in range(12)))

    with running(
        "registry", SURGE_REGISTRY_TWIN_LATENCY="0.05", SURGE_REGISTRY_TWIN_SLOTS="3"
    ) as twin:
        calls = play(address(twin), scene, slots=3)
    assert len(calls) == 12, "not one of them was refused by the twin's own three slots"
    assert max(wait for wait, _ in calls) >= 0.14, "the last of four rounds waited for three"
    assert all(service >= 0.045 for _, service in calls)


def test_calls_start_no_faster_than_the_quota() -> None:
    starts: list[float] = []

    async def scene(client: RegistryClient) -> None:
        async def one() -> None:
            await ask(client)
            starts.append(time.monotonic())

        await asyncio.gather(*(one() for _ in range(10)))

    with running(
        "registry",
        SURGE_REGISTRY_TWIN_LATENCY="0.001",
        SURGE_REGISTRY_TWIN_QUOTA_PER_S="40",
    ) as twin:
        play(address(twin), scene, slots=16, quota=40.0)
    assert starts[-1] - starts[0] >= 9 / 40 - 0.01
    assert max(later - earlier for earlier, later in pairwise(starts)) < 0.2


def test_over_its_slots_the_registry_is_busy() -> None:
    async def scene(client: RegistryClient) -> None:
        answers = await asyncio.gather(*(ask(client) for _ in range(2)), return_exceptions=True)
        (busy,) = [answer for answer in answers if isinstance(answer, RegistryBusyError)]
        assert busy.retry_after_s == 1.0

    with running(
        "registry", SURGE_REGISTRY_TWIN_LATENCY="0.2", SURGE_REGISTRY_TWIN_SLOTS="1"
    ) as twin:
        play(address(twin), scene)


def test_a_5xx_is_a_failure_and_the_next_call_works() -> None:
    with running("registry", SURGE_REGISTRY_TWIN_LATENCY="0.001") as twin:

        async def scene(client: RegistryClient) -> None:
            assert await ask(client)
            twin.call("PUT", "/v1/settings", {"error": 1})
            with pytest.raises(RegistryFailedError, match="500"):
                await ask(client)
            twin.call("PUT", "/v1/settings", {"error": 0})
            assert await ask(client)

        play(address(twin), scene)


def test_no_answer_in_time_is_a_failure_and_gives_the_slot_back() -> None:
    async def scene(client: RegistryClient) -> None:
        for _ in range(3):
            with pytest.raises(RegistryFailedError, match="no answer in time"):
                await ask(client)

    with running("registry", SURGE_REGISTRY_TWIN_LATENCY="5") as twin:
        calls = play(address(twin), scene, slots=1, timeout_s=0.1)
    assert [round(service, 1) for _, service in calls] == [0.1] * 3


def test_an_unreachable_registry_is_a_failure() -> None:
    async def scene(client: RegistryClient) -> None:
        with pytest.raises(RegistryFailedError):
            await ask(client)

    (port,) = free_ports(1)
    play(f"http://127.0.0.1:{port}", scene)


def test_a_wrong_address_is_a_failure_and_no_verdict_about_people() -> None:
    async def scene(client: RegistryClient) -> None:
        with pytest.raises(RegistryFailedError, match="404"):
            await ask(client)

    with running("registry", SURGE_REGISTRY_TWIN_LATENCY="0.001") as twin:
        play(f"{address(twin)}/elsewhere", scene)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\n", RegistryRefusedError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", RegistryFailedError),
        (b'HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{"match":1}', RegistryFailedError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{", RegistryFailedError),
        (b"what?\r\n\r\n", RegistryFailedError),
        (b"", RegistryFailedError),
    ],
)
def test_what_is_no_verdict_is_taken_for_none(answer: bytes, error: type[Exception]) -> None:
    async def act() -> None:
        async def registry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"}")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(registry, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = RegistryClient(f"http://127.0.0.1:{port}", 1, 0.0, 1.0, lambda *_: None)
        with pytest.raises(error):
            await ask(client)
        client.close()
        server.close()

    asyncio.run(asyncio.wait_for(act(), 10))
