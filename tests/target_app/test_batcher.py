"""The write batcher on a real PostgreSQL, with what goes wrong there."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from target_app.batcher import SAMPLE_EVERY, Pending, PoisonRowError, WriteBatcher
from target_app.database import Connection, Schema, UnavailableError
from target_app.tokens import new_name
from target_app.writes import REGISTER, SUBMIT_IDENTITY, VERIFY_EMAIL, Row, Write

BIRTH = dt.date(1999, 7, 15)


class Notes:
    """Remembers what the batcher reports."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.cpu_seconds: list[float] = []
        self.written: list[str] = []

    def flush_started(self, batch: Sequence[Pending], started: float) -> None:
        self.batches.append(len(batch))

    def flush_ended(self, rows: int, seconds: float, cpu_seconds: float) -> None:
        assert 0 <= cpu_seconds <= SAMPLE_EVERY * (seconds + 0.01)  # one flush stands for several
        self.cpu_seconds.append(cpu_seconds)

    def statement_ended(self, wait: float, seconds: float) -> None:
        assert wait >= 0

    def acknowledged(self, write: Write) -> None:
        self.written.append(write.name)


def person(email: str | None = None, request_id: uuid.UUID | None = None) -> Row:
    """A row of REGISTER."""
    email = email or f"{uuid.uuid4().hex}@example.com"
    return (new_name(), request_id or uuid.uuid4(), email, "Siti", "0812345678", "http://link")


def identity(name: str) -> Row:
    """A row of SUBMIT_IDENTITY."""
    return (name, "3273905507990001", "3273901203200001", "Siti", BIRTH, "Street", "0812", "queued")


@asynccontextmanager
async def batching(
    database: str, notes: Notes, lanes: int = 2, batch_rows: int = 256
) -> AsyncIterator[WriteBatcher]:
    async with answering(
        WriteBatcher(Schema(database).connect, lanes, batch_rows, notes)
    ) as batcher:
        notes.batches.clear()
        yield batcher


@asynccontextmanager
async def answering(batcher: WriteBatcher) -> AsyncIterator[WriteBatcher]:
    """Started, and connected; stopped at the end."""
    batcher.start()
    try:
        while True:
            try:
                await batcher.write(VERIFY_EMAIL, (new_name(),))
                break
            except UnavailableError:
                await asyncio.sleep(0.02)
        yield batcher
    finally:
        await batcher.stop()


def run(database: str, scene: Callable[[WriteBatcher], Awaitable[Any]], **settings: int) -> Notes:
    """Play a scene with a batcher; what it reported."""
    notes = Notes()

    async def play() -> None:
        async with batching(database, notes, **settings) as batcher:
            await asyncio.wait_for(scene(batcher), 30)

    asyncio.run(play())
    return notes


async def rows(database: str, query: str, *arguments: Any) -> list[Any]:
    connection: Connection = await asyncpg.connect(database)
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


def test_the_cpu_of_one_flush_in_five_is_measured_and_stands_for_all(
    fresh_database_url: str,
) -> None:
    """Reading that clock costs more than a row."""

    async def scene(batcher: WriteBatcher) -> None:
        for _ in range(3 * SAMPLE_EVERY):
            await batcher.write(REGISTER, person())

    notes = run(fresh_database_url, scene)
    assert len(notes.cpu_seconds) >= 3 * SAMPLE_EVERY
    assert all(cpu > 0 for cpu in notes.cpu_seconds[SAMPLE_EVERY - 1 :: SAMPLE_EVERY])
    assert sum(cpu > 0 for cpu in notes.cpu_seconds) == len(notes.cpu_seconds) // SAMPLE_EVERY


def test_rows_that_come_together_share_a_flush(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        answers = await asyncio.gather(*(batcher.write(REGISTER, person()) for _ in range(100)))
        assert {outcome for outcome, _ in answers} == {"created"}
        (stored,) = await rows(fresh_database_url, "SELECT count(*) FROM registrations")
        assert stored[0] == 100

    notes = run(fresh_database_url, scene)
    assert notes.batches == [100]
    assert notes.written == ["register"] * 100


def test_a_flush_takes_no_more_rows_than_it_may(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        await asyncio.gather(*(batcher.write(REGISTER, person()) for _ in range(100)))

    notes = run(fresh_database_url, scene, batch_rows=16)
    assert max(notes.batches) == 16
    assert sum(notes.batches) == 100


def test_a_registration_and_its_letter_are_written_together(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        row = person()
        await batcher.write(REGISTER, row)
        (letter,) = await rows(fresh_database_url, "SELECT * FROM outbox")
        assert (letter["kind"], letter["recipient"], letter["link"]) == ("verify", row[2], row[5])
        assert str(letter["registration"]) == row[0]

    run(fresh_database_url, scene)


def test_the_same_request_twice_in_one_batch_is_one_row(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        request_id = uuid.uuid4()
        same = [person("siti@example.com", request_id) for _ in range(6)]
        answers = await asyncio.gather(*(batcher.write(REGISTER, row) for row in same))
        (created,) = [name for outcome, name in answers if outcome == "created"]
        assert answers.count(("repeated", created)) == 5
        assert len(await rows(fresh_database_url, "SELECT FROM registrations")) == 1
        assert len(await rows(fresh_database_url, "SELECT FROM outbox")) == 1

    assert run(fresh_database_url, scene).written == ["register"]


def test_one_address_in_two_requests_is_taken_for_the_second(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        pair = [person("siti@example.com"), person("siti@example.com")]
        answers = await asyncio.gather(*(batcher.write(REGISTER, row) for row in pair))
        assert sorted(outcome for outcome, _ in answers) == ["created", "taken"]

    run(fresh_database_url, scene)


def test_a_request_id_does_not_serve_a_second_address(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        request_id = uuid.uuid4()
        await batcher.write(REGISTER, person("siti@example.com", request_id))
        outcome, _ = await batcher.write(REGISTER, person("budi@example.com", request_id))
        assert outcome == "reused"

    run(fresh_database_url, scene)


def test_a_poison_row_fails_alone(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        batch = [person() for _ in range(100)]
        batch[37] = person("nul\0@example.com")
        answers = await asyncio.gather(
            *(batcher.write(REGISTER, row) for row in batch), return_exceptions=True
        )
        assert isinstance(answers[37], PoisonRowError)
        good = answers[:37] + answers[38:]
        assert all(isinstance(answer, tuple) and answer[0] == "created" for answer in good)

    run(fresh_database_url, scene)


def test_a_value_that_no_column_can_hold_fails_alone(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        answers = await asyncio.gather(
            batcher.write(VERIFY_EMAIL, ("no uuid",)),
            batcher.write(VERIFY_EMAIL, (new_name(),)),
            return_exceptions=True,
        )
        assert isinstance(answers[0], PoisonRowError)
        assert answers[1] == ("unknown", None)

    run(fresh_database_url, scene)


def test_kinds_of_writes_share_a_flush(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        ready, fresh, new = person(), person(), person()
        await asyncio.gather(batcher.write(REGISTER, ready), batcher.write(REGISTER, fresh))
        await batcher.write(VERIFY_EMAIL, (ready[0],))
        answers = await asyncio.gather(
            batcher.write(SUBMIT_IDENTITY, identity(ready[0])),
            batcher.write(VERIFY_EMAIL, (fresh[0],)),
            batcher.write(REGISTER, new),
            batcher.write(SUBMIT_IDENTITY, identity(new[0])),
        )
        outcomes = [outcome for outcome, _ in answers]
        assert outcomes == ["created", "verified", "created", "unverified"]

    assert run(fresh_database_url, scene).batches[-1] == 4


def test_an_identity_is_submitted_once(fresh_database_url: str) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        row = person()
        await batcher.write(REGISTER, row)
        await batcher.write(VERIFY_EMAIL, (row[0],))
        same = [batcher.write(SUBMIT_IDENTITY, identity(row[0])) for _ in range(3)]
        answers = sorted(await asyncio.gather(*same))
        assert answers == [("created", "queued"), *[("repeated", "queued")] * 2]
        assert await batcher.write(VERIFY_EMAIL, (row[0],)) == ("verified", None)

    run(fresh_database_url, scene)


def test_lanes_that_meet_on_the_same_keys_neither_deadlock_nor_lose(
    fresh_database_url: str,
) -> None:
    async def scene(batcher: WriteBatcher) -> None:
        requests = [(f"{n}@example.com", uuid.uuid4()) for n in range(40)]
        crossing = [*requests, *reversed(requests)] * 5
        answers = await asyncio.gather(
            *(batcher.write(REGISTER, person(*request)) for request in crossing)
        )
        outcomes = [outcome for outcome, _ in answers]
        assert outcomes.count("created") == 40
        assert outcomes.count("repeated") == len(crossing) - 40

    notes = run(fresh_database_url, scene, lanes=4, batch_rows=16)
    assert len(notes.batches) > 4


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_lost_database_fails_what_is_under_way_and_comes_back(
    fresh_database_url: str, lanes: int
) -> None:
    end_others = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()"""

    async def scene(batcher: WriteBatcher) -> None:
        row = person()
        await batcher.write(REGISTER, row)
        await rows(fresh_database_url, end_others)
        failed = 0
        while True:
            try:
                outcome, known = await batcher.write(REGISTER, row)
                break
            except UnavailableError:
                failed += 1
                await asyncio.sleep(0.02)
        assert (outcome, known) == ("repeated", row[0])
        assert failed < 200

    run(fresh_database_url, scene, lanes=lanes)


def test_without_a_database_a_write_is_refused_at_once() -> None:
    async def scene() -> None:
        nowhere = Schema("postgresql://surge@127.0.0.1:9/surge")
        batcher = WriteBatcher(nowhere.connect, 1, 256, Notes())
        batcher.start()
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(batcher.write(REGISTER, person()), 1)
        await batcher.stop()

    asyncio.run(scene())


def test_stopping_answers_everybody_who_waits(fresh_database_url: str) -> None:
    async def play() -> None:
        async with batching(fresh_database_url, Notes(), lanes=1, batch_rows=1) as batcher:
            waiting = [batcher.write(REGISTER, person()) for _ in range(50)]
            await batcher.stop()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            assert any(isinstance(answer, UnavailableError) for answer in answers)

    asyncio.run(asyncio.wait_for(play(), 10))


def test_several_processes_may_create_the_tables_at_once(fresh_database_url: str) -> None:
    async def scene() -> list[Connection]:
        schemas = [Schema(fresh_database_url) for _ in range(8)]
        made = await asyncio.gather(*(schema.connect() for schema in schemas))
        for connection in made:
            await connection.close()
        return made

    assert len(asyncio.run(scene())) == 8


def test_a_lane_outlives_a_fault_that_nobody_foresaw(
    fresh_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its connect raises once, and not what it should: that is logged, and the lane tries again."""
    tries: list[int] = []

    async def connect() -> Connection:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("no such thing")
        return await Schema(fresh_database_url).connect()

    async def scene() -> None:
        async with asyncio.timeout(10), answering(WriteBatcher(connect, 1, 256, Notes())):
            assert len(tries) == 2

    asyncio.run(scene())
    assert "no such thing" in caplog.text
