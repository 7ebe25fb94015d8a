"""What the steps after the identity check accept and answer."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct

Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)", examples=["ab" * 32])]
Bytes = Annotated[int, Meta(gt=0, le=4 * 1024 * 1024)]
Step = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}$(?!\n)", examples=["upload_photo"])]
Words = Annotated[str, Meta(pattern=r"^[^\x00]*$", max_length=1000)]


class PhotoTicket(Struct):
    """Where to PUT the photo, with its SHA-256 in X-Content-SHA256. `expires`: epoch seconds."""

    photo: str
    url: str
    expires: int
    size_limit: int


class PhotoBody(Struct, forbid_unknown_fields=True):
    """What the photo store answered to the upload."""

    sha256: Sha256
    bytes: Bytes


class PhotoAnswer(Struct):
    """The photo that counts; the first whole one does."""

    photo: str


class ApplicationAnswer(Struct):
    """The wave that was joined."""

    wave: int


class CloseBody(Struct, forbid_unknown_fields=True):
    """`wave` makes the call safe to repeat: a wave that is closed already is not drawn again.

    `seats`: how many are drawn at most, no more than the quota; left out, the quota.
    """

    seed: int = 0
    wave: Annotated[int, Meta(ge=1)] | None = None
    seats: Annotated[int, Meta(ge=0)] | None = None


class WaveAnswer(Struct):
    """A closed wave: who took part, who was drawn."""

    wave: int
    quota: int
    seed: int
    joined: int
    drawn: int


class ResultAnswer(Struct):
    """`pending`, `drawn` or `not_drawn`, in which wave; who is not drawn stays in the pool."""

    result: str
    wave: int


class SupportBody(Struct, forbid_unknown_fields=True):
    """A call for help from a step; the client chose request_id, so a retry is recognised."""

    request_id: UUID
    step: Step
    words: Words = ""


class SupportAnswer(Struct):
    """The call has been taken."""

    call: str
