"""One question and its answer, as plain values: what protocols speak in and clients carry."""

from __future__ import annotations

from typing import Final, NamedTuple

from workload.visit import Outcome


class Request(NamedTuple):
    """One request: ``headers`` as (name, value) pairs; the length of the body is added."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Answer(NamedTuple):
    """What came back: an HTTP status with its body, or status 0 and the failure."""

    status: int
    body: bytes = b""
    failure: Outcome | None = None


CONNECT_TIMEOUT: Final = Answer(0, b"", Outcome.CONNECT_TIMEOUT)
READ_TIMEOUT: Final = Answer(0, b"", Outcome.READ_TIMEOUT)
RESET: Final = Answer(0, b"", Outcome.RESET)
NONSENSE: Final = Answer(0, b"", Outcome.FAULT)
