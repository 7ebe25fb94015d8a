"""Whatever is sent, the service says what it thinks of it, and never that it broke."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.database import fresh_database
from tests.target_app.system import IDENTITY, registration, service

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PATHS = (
    "/registrations",
    "/email-verifications",
    "/identity-checks",
    "/photos",
    "/photos/x/complete",
    "/waves/current/applications",
    "/waves/current/close",
    "/support-calls",
)


@pytest.fixture(scope="module")
def client(database_url: str) -> Iterator[httpx.Client]:
    with (
        fresh_database(database_url) as url,
        service(url, SURGE_PHOTO_SECRET="a secret shared with the store") as process,
        httpx.Client(base_url=process.url, timeout=30) as made,
    ):
        yield made


def check_told(answer: httpx.Response) -> None:
    """An answer that is no success is a problem of the sender's."""
    if answer.is_success:
        return
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]


@QUICK
@given(path=st.sampled_from(PATHS), body=ANYTHING)
def test_any_json_is_answered(client: httpx.Client, path: str, body: Any) -> None:
    check_told(
        client.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    )


@QUICK
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=300))
def test_any_bytes_are_answered(client: httpx.Client, path: str, body: bytes) -> None:
    check_told(client.post(path, content=body))


@QUICK
@given(name=st.text(max_size=60), phone=st.text(max_size=20), consent=ANYTHING)
def test_any_person_is_registered_or_told_why_not(
    client: httpx.Client, name: str, phone: str, consent: Any
) -> None:
    for change in ({"name": name}, {"phone": phone}, {"consent": consent}):
        body = json.dumps({**registration(), **change})
        check_told(client.post("/registrations", content=body))


@QUICK
@given(field=st.sampled_from(sorted(IDENTITY)), value=ANYTHING)
def test_any_identity_is_queued_or_told_why_not(
    client: httpx.Client, field: str, value: Any
) -> None:
    session = client.post("/registrations", json=registration()).json()["session"]
    headers = {"authorization": f"Bearer {session}"}
    body = json.dumps({**IDENTITY, field: value})
    check_told(client.post("/identity-checks", content=body, headers=headers))


@QUICK
@given(words=st.text(max_size=200))
def test_any_words_reach_support_or_are_told_why_not(client: httpx.Client, words: str) -> None:
    body = json.dumps({"request_id": str(uuid.uuid4()), "step": "register", "words": words})
    check_told(client.post("/support-calls", content=body))


@QUICK
@given(path=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30))
def test_any_path_is_answered(client: httpx.Client, path: str) -> None:
    check_told(client.get("/" + path.replace("?", "").replace("#", "").replace("\\", "")))
