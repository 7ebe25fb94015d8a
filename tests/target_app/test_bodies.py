"""What the service accepts: strictly, and told of every fault at once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from target_app.bodies import IdentityBody, RegistrationBody, decode, demand_consent
from target_app.problems import Problem
from tests.target_app.system import IDENTITY, registration

REGISTRATION = msgspec.json.Decoder(RegistrationBody)
IDENTITY_CHECK = msgspec.json.Decoder(IdentityBody)


def pointers(members: dict[str, Any]) -> list[str]:
    """The faults of a registration, by JSON pointer."""
    with pytest.raises(Problem) as caught:
        decode(msgspec.json.encode(members), REGISTRATION)
    assert caught.value.status == 422
    return [error["pointer"] for error in caught.value.errors]


def test_a_good_registration_is_taken_as_it_is() -> None:
    members = registration("Siti@Example.com")
    body = decode(msgspec.json.encode(members), REGISTRATION)
    assert (body.email, str(body.request_id)) == ("Siti@Example.com", members["request_id"])


def test_a_good_identity_is_taken_as_it_is() -> None:
    body = decode(msgspec.json.encode(IDENTITY), IDENTITY_CHECK)
    assert body.birth_date.isoformat() == IDENTITY["birth_date"]


def test_every_fault_is_told_with_its_pointer() -> None:
    members = {**registration(), "email": "siti", "phone": 5, "consent": 0, "colour": "red"}
    del members["name"]
    assert pointers(members) == ["#/email", "#/name", "#/phone", "#/consent", "#/colour"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("consent", 1),
        ("consent", "true"),
        ("consent", None),
        ("request_id", "not-a-uuid"),
        ("request_id", 5),
        ("email", "a b@example.com"),
        ("email", "a@example.com\r\nBcc: b@example.com"),
        ("email", "<a@example.com>"),
        ("email", "a@example"),
        ("email", f"{'a' * 250}@example.com"),
        ("email", "a@example.com\n"),
        ("name", ""),
        ("name", "Siti\n"),
        ("name", "   "),
        ("name", "Siti\0Rahayu"),
        ("name", "Siti\nRahayu"),
        ("name", "Siti http://example.com"),
        ("name", "a" * 201),
        ("phone", "12"),
        ("phone", "+628120000000\n"),
        ("phone", "+62 812x"),
    ],
)
def test_a_lax_value_is_refused(field: str, value: object) -> None:
    assert pointers({**registration(), field: value}) == [f"#/{field}"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nik", 3273905507990001),
        ("nik", "327390550799000"),
        ("nik", "3273905507990001\n"),
        ("birth_date", "15-07-1999"),
        ("birth_date", "1999-02-30"),
        ("birth_date", 0),
        ("family_card", "٣" * 16),
    ],
)
def test_a_lax_identity_is_refused(field: str, value: object) -> None:
    with pytest.raises(Problem) as caught:
        decode(msgspec.json.encode({**IDENTITY, field: value}), IDENTITY_CHECK)
    assert [error["pointer"] for error in caught.value.errors] == [f"#/{field}"]


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"a":"\\ud800"}']
)
def test_what_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        decode(raw, REGISTRATION)
    assert caught.value.status == 422


def test_without_consent_nobody_is_registered() -> None:
    body = decode(msgspec.json.encode({**registration(), "consent": False}), REGISTRATION)
    with pytest.raises(Problem, match="consent"):
        demand_consent(body)


def test_a_fault_names_value_and_example() -> None:
    with pytest.raises(Problem) as caught:
        decode(msgspec.json.encode({**registration(), "email": "siti"}), REGISTRATION)
    assert caught.value.detail == "email: 'siti': not of this form; for example 'budi@example.com'"
