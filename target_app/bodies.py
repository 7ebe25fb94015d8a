"""What the service accepts, field by field, and nothing laxer: no coercion, no unknown fields."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from target_app.nik import nik_fault
from target_app.problems import Problem

Body = TypeVar("Body", bound=Struct)

# Python's $ also matches before a last line feed, which would let it through into a mail's head.
_END = r"$(?!\n)"
_PRINTED = r"[^\x00-\x1f\x7f]"
_TEXT = rf"{_PRINTED}*[^\x00-\x20\x7f]{_PRINTED}*{_END}"  # something else than spaces in it
_MAILBOX = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+"
Email = Annotated[
    str,
    Meta(
        pattern=rf"^{_MAILBOX}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+{_END}",
        max_length=254,
        examples=["budi@example.com"],
    ),
]
# A name is written into mails: no link may hide in it.
Name = Annotated[
    str, Meta(pattern=rf"^(?!.*://){_TEXT}", max_length=200, examples=["Budi Santoso"])
]
Address = Annotated[
    str, Meta(pattern=rf"^{_TEXT}", max_length=400, examples=["Jl. Melati 5, Bandung"])
]
Phone = Annotated[
    str, Meta(pattern=rf"^\+?[0-9][0-9 -]{{5,22}}[0-9]{_END}", examples=["+628120000000"])
]
FamilyCard = Annotated[str, Meta(pattern=rf"^[0-9]{{16}}{_END}", examples=["3273901203200001"])]
Nik = Annotated[
    str,
    Meta(
        pattern=rf"^[0-9]{{16}}{_END}",
        description="PPRRSSDDMMYYNNNN; its structure is checked, not only its length",
        examples=["3273905507990001"],
    ),
]


class RegistrationBody(Struct, forbid_unknown_fields=True):
    """A person asks to be registered; the client chose request_id, so a retry is recognised."""

    request_id: UUID
    email: Email
    name: Name
    phone: Phone
    consent: bool


class EmailVerificationBody(Struct, forbid_unknown_fields=True):
    """The token out of the link in the mail."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]


class IdentityBody(Struct, forbid_unknown_fields=True):
    """What the civil registry is asked about."""

    nik: Nik
    family_card: FamilyCard
    name: Name
    birth_date: dt.date
    address: Address
    phone: Phone


class RegistrationAnswer(Struct):
    """The registration's name and the session that proves it."""

    registration: str
    session: str


class EmailAnswer(Struct):
    """Always `verified`."""

    email: str


class IdentityAnswer(Struct):
    """`queued`, `verified` or `rejected`."""

    status: str


def decode(raw: bytes | bytearray, decoder: msgspec.json.Decoder[Body]) -> Body:
    """The body, or a Problem 422 that lists every fault with its JSON pointer."""
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise _faults(raw, decoder.type, str(problem)) from problem


def _faults(raw: bytes | bytearray, body: Any, first: str) -> Problem:
    """The decoder stops at the first fault; people want all of them at once."""
    try:
        members = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Problem(422, f"body: not JSON ({first}); send one JSON object")
    if not isinstance(members, dict):
        return Problem(422, "body: not a JSON object; send one")
    errors: list[dict[str, str]] = []
    fields = msgspec.structs.fields(body)
    for field in fields:
        if field.name not in members:
            if field.required:
                errors.append(_fault(field.name, "missing; required"))
            continue
        try:
            msgspec.convert(members[field.name], field.type, strict=True)
        except msgspec.ValidationError as problem:
            errors.append(_fault(field.name, _told(members[field.name], field.type, str(problem))))
    known = {field.name for field in fields}
    errors += [_fault(name, "unknown; leave it out") for name in members if name not in known]
    words = "; ".join(f"{error['pointer'][2:]}: {error['detail']}" for error in errors)
    return Problem(422, words or first, errors=errors)


def _told(value: Any, kind: Any, fault: str) -> str:
    """The value, what is wrong with it, and an example of what is right."""
    examples = [meta.examples[0] for meta in getattr(kind, "__metadata__", ()) if meta.examples]
    remedy = f"; for example {examples[0]!r}" if examples else ""
    if examples and isinstance(value, str):
        fault = "not of this form"
    return f"{value!r:.80}: {fault}{remedy}"


def _fault(name: str, detail: str) -> dict[str, str]:
    return {"pointer": f"#/{name}", "detail": detail}


def demand_consent(body: RegistrationBody) -> None:
    """Nobody is registered without having agreed."""
    if body.consent is not True:
        fault = _fault("consent", "false; registration needs true")
        raise Problem(422, "consent: false; registration needs true", errors=[fault])


def demand_nik(nik: str) -> None:
    """A NIK that can't exist is refused here and never bothers the registry."""
    fault = nik_fault(nik)
    if fault:
        detail = f"{fault}; check the number on the card"
        raise Problem(422, f"nik: {detail}", errors=[_fault("nik", detail)])
