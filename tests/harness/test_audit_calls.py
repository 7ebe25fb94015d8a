"""Calls for help: each that was taken is exactly one row, and no row is without a caller."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from harness.audit_calls import calls_of, read_calls, wrong_calls
from workload.errors import RecordError
from workload.population import Population

PEOPLE, SEED = Population({"32": 1.0}), 11


def call(visitor: int, step: str = "register") -> dict[str, Any]:
    """The row of a call after that step failed."""
    request = UUID(PEOPLE.visitor(SEED, visitor).request_id)
    return {"call": str(uuid5(request, step)), "registration": None, "step": step}


def kinds(rows: list[dict[str, Any]], told: set[int], perhaps: set[int]) -> dict[str, Any]:
    """What is wrong, by kind, with a run to which five visitors came."""
    found = calls_of(rows, PEOPLE, SEED, range(5))
    return {kind: who for kind, _, who in wrong_calls(found, told, perhaps)}


def test_calls_that_reconcile_are_no_finding() -> None:
    """Whatever step failed; a call that somebody else made is no matter."""
    rows = [call(1), call(3, "upload_photo"), {**call(1), "call": str(uuid4())}, call(77)]
    assert kinds(rows, {1, 3}, set()) == {}


def test_a_call_that_its_caller_did_not_hear_of_is_no_fault() -> None:
    assert kinds([call(2)], set(), {2}) == {}


def test_each_planted_fault_is_found_by_its_kind() -> None:
    """Taken and gone; twice there; there, and nobody called."""
    assert kinds([], {1}, set()) == {"lost write": ("visitor 1",)}
    assert kinds([call(1), call(1)], {1}, set()) == {"double row": ("visitor 1",)}
    assert kinds([call(1), call(4)], {1}, {2}) == {"stray write": ("visitor 4",)}


def test_a_damaged_list_is_refused_with_its_line_and_none_is_none(tmp_path: Path) -> None:
    path = tmp_path / "calls.ndjson"
    assert read_calls(path) is None
    path.write_text('{"call": "x", "step": "register"}\n')
    with pytest.raises(RecordError, match="line 1"):
        read_calls(path)
