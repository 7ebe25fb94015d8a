"""The OpenAPI document, told by the same route table that the dispatcher serves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from target_app.calls import Route

_REF = "#/components/schemas/{name}"
PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


def document(title: str, version: str, description: str, routes: Sequence[Route]) -> dict[str, Any]:
    """An OpenAPI 3.1 document of these routes."""
    types: list[type] = []
    for route in routes:
        types += [route.body] if route.body else []
        types += [told for told in route.answers.values() if isinstance(told, type)]
    unique = list(dict.fromkeys(types))
    _, components = msgspec.json.schema_components(unique, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": paths,
        "components": {
            "schemas": {**components, "Problem": PROBLEM},
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer"} for name in ("session", "admin")
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": route.step,
        "summary": route.summary,
        "description": (route.handler.__doc__ or "").strip(),
        "responses": {
            str(status): _answer(route, status, what) for status, what in route.answers.items()
        },
    }
    if route.body:
        told["requestBody"] = {
            "required": True,
            "content": _content("application/json", route.body),
        }
    if route.bearer:
        told["security"] = [{route.bearer: []}]
    names = re.findall(r"{(\w+)}", route.path)
    if names:
        told["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    return told


def _answer(route: Route, status: int, what: Any) -> dict[str, Any]:
    if isinstance(what, type):
        return {
            "description": HTTPStatus(status).phrase,
            "content": _content("application/json", what),
        }
    if status >= 400:
        problem = {"schema": {"$ref": _REF.format(name="Problem")}}
        return {"description": what, "content": {"application/problem+json": problem}}
    return {"description": what, "content": {route.media: {}}}


def _content(media: str, kind: type) -> dict[str, Any]:
    return {media: {"schema": {"$ref": _REF.format(name=kind.__name__)}}}
