"""The document that /docs shows is the table that the dispatcher serves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from target_app.app import Service, create_app
from target_app.settings import Settings
from target_app.stations import STATUSES, STEPS
from tests.target_app.system import IDENTITY, registration


@pytest.fixture(scope="module")
def app() -> Service:
    """A service that is built but not started."""
    return create_app(Settings(database_url="postgresql://nowhere/none", secret=b"s"))


@pytest.fixture(scope="module")
def told(app: Service) -> dict[str, Any]:
    """The document."""
    return app.openapi()


def references(node: Any) -> Iterator[str]:
    """Every $ref below a node."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_route_is_told_and_nothing_else(app: Service, told: dict[str, Any]) -> None:
    listed = {(path, method) for path, methods in told["paths"].items() for method in methods}
    assert listed == {(route.path, route.method.lower()) for route in app.table}


def test_every_route_has_its_word_for_metrics(app: Service) -> None:
    assert [route.step for route in app.table] == list(STEPS)


def test_every_answer_has_a_counter(app: Service) -> None:
    told = {str(status) for route in app.table for status in route.answers}
    assert told <= set(STATUSES)


def test_every_reference_leads_somewhere(told: dict[str, Any]) -> None:
    known = {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}
    assert set(references(told)) <= known


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("RegistrationBody", registration(), {**registration(), "consent": 1}),
        ("RegistrationBody", registration(), {**registration(), "more": 1}),
        ("IdentityBody", IDENTITY, {**IDENTITY, "nik": "12"}),
    ],
)
def test_the_schemas_agree_with_what_is_accepted(
    told: dict[str, Any], name: str, good: Any, bad: Any
) -> None:
    schema = {**told["components"]["schemas"][name], "components": told["components"]}
    validator = Draft202012Validator(schema)
    assert validator.is_valid(good)
    assert not validator.is_valid(bad)


def test_errors_are_told_as_problems(told: dict[str, Any]) -> None:
    for methods in told["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert list(answer["content"]) == ["application/problem+json"]


def test_the_documentation_page_is_there(app: Service) -> None:
    async def ask() -> tuple[int, str, dict[str, Any]]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            page = await client.get("/docs")
            document = await client.get("/openapi.json")
            return page.status_code, page.text, document.json()

    status, text, document = asyncio.run(ask())
    assert status == 200
    assert "/openapi.json" in text
    assert document == app.openapi()


def test_two_applications_share_nothing() -> None:
    settings = Settings(database_url="postgresql://nowhere/none", secret=b"s")
    first, second = create_app(settings), create_app(settings)
    first.measured.shed.add()
    assert (first.measured.shed.value, second.measured.shed.value) == (1.0, 0.0)
