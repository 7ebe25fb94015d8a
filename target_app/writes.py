"""The writes of the journey, each one SQL fragment over a column of values for each field.

Fragments of one flush are joined into one statement: one round trip, one commit, whatever the
mix. A fragment answers one line per row: (kind, place, outcome, value). Outcome `again` means
that another transaction was just writing the same key, and its row is not visible yet.
Look-ups are scalar subqueries, never EXISTS: the planner may turn EXISTS into a hash of the
whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """A kind of write: the types of its columns, its SQL, and the keys that rows contend for."""

    name: str
    types: tuple[str, ...]
    sql: str  # {input} stands for the unnested columns, with `place` as the last one
    keys: Callable[[Row], tuple[Any, ...]]


# Columns: registration, request_id, email, name, phone, link.
REGISTER = Write(
    "register",
    ("uuid", "uuid", "text", "text", "text", "text"),
    """
    register_input (registration, request_id, email, name, phone, link, place) AS ({input}),
    register_added AS (
        INSERT INTO registrations (registration, request_id, email, name, phone)
        SELECT registration, request_id, email, name, phone FROM register_input
        ON CONFLICT DO NOTHING RETURNING registration
    ),
    register_letter AS (
        INSERT INTO outbox (registration, kind, recipient, name, link)
        SELECT i.registration, 'verify', i.email, i.name, i.link
        FROM register_input i JOIN register_added USING (registration)
    ),
    register_answer AS (
        SELECT 'register', i.place,
            CASE WHEN a.registration IS NOT NULL THEN 'created'
                WHEN (SELECT r.email = i.email FROM registrations r
                    WHERE r.request_id = i.request_id) THEN 'repeated'
                WHEN (SELECT true FROM registrations r WHERE r.email = i.email) THEN 'taken'
                WHEN (SELECT true FROM registrations r
                    WHERE r.request_id = i.request_id) THEN 'reused'
                ELSE 'again' END,
            CASE WHEN a.registration IS NOT NULL THEN i.registration::text
                ELSE (SELECT r.registration::text FROM registrations r
                    WHERE r.request_id = i.request_id) END
        FROM register_input i LEFT JOIN register_added a USING (registration)
    )""",
    lambda row: (row[1], row[2]),
)

# Columns: registration.
VERIFY_EMAIL = Write(
    "verify_email",
    ("uuid",),
    """
    verify_email_input (registration, place) AS ({input}),
    verify_email_changed AS (
        UPDATE registrations SET email_verified_at = now()
        WHERE registration = ANY (ARRAY(SELECT registration FROM verify_email_input))
            AND email_verified_at IS NULL
    ),
    verify_email_answer AS (
        SELECT 'verify_email', i.place,
            CASE WHEN (SELECT true FROM registrations r
                WHERE r.registration = i.registration) THEN 'verified' ELSE 'unknown' END,
            NULL
        FROM verify_email_input i
    )""",
    lambda row: (row[0],),
)

# Columns: registration, nik, family_card, name, birth_date, address, phone, status.
SUBMIT_IDENTITY = Write(
    "submit_identity",
    ("uuid", "text", "text", "text", "date", "text", "text", "text"),
    """
    submit_identity_input
        (registration, nik, family_card, name, birth_date, address, phone, status, place)
        AS ({input}),
    submit_identity_added AS (
        INSERT INTO identity_checks (registration, nik, family_card, name, birth_date, address,
            phone, status, decided_at)
        SELECT i.registration, i.nik, i.family_card, i.name, i.birth_date, i.address, i.phone,
            i.status, CASE WHEN i.status <> 'queued' THEN now() END
        FROM submit_identity_input i
        WHERE (SELECT r.email_verified_at IS NOT NULL FROM registrations r
            WHERE r.registration = i.registration)
        ON CONFLICT DO NOTHING RETURNING registration
    ),
    submit_identity_answer AS (
        SELECT 'submit_identity', i.place,
            CASE WHEN a.registration IS NOT NULL THEN 'created'
                WHEN (SELECT true FROM identity_checks c
                    WHERE c.registration = i.registration) THEN 'repeated'
                WHEN (SELECT r.email_verified_at IS NOT NULL FROM registrations r
                    WHERE r.registration = i.registration) THEN 'again'
                ELSE 'unverified' END,
            CASE WHEN a.registration IS NOT NULL THEN i.status
                ELSE (SELECT c.status FROM identity_checks c
                    WHERE c.registration = i.registration) END
        FROM submit_identity_input i LEFT JOIN submit_identity_added a USING (registration)
    )""",
    lambda row: (row[0],),
)


# Columns: registration, photo, sha256, bytes.
COMPLETE_PHOTO = Write(
    "complete_photo",
    ("uuid", "text", "text", "int"),
    """
    complete_photo_input (registration, photo, sha256, bytes, place) AS ({input}),
    complete_photo_added AS (
        INSERT INTO photos (registration, photo, sha256, bytes)
        SELECT i.registration, i.photo, i.sha256, i.bytes FROM complete_photo_input i
        WHERE (SELECT c.status = 'verified' FROM identity_checks c
            WHERE c.registration = i.registration)
        ON CONFLICT DO NOTHING RETURNING registration
    ),
    complete_photo_answer AS (
        SELECT 'complete_photo', i.place,
            CASE WHEN a.registration IS NOT NULL THEN 'created'
                WHEN (SELECT true FROM photos p
                    WHERE p.registration = i.registration) THEN 'repeated'
                WHEN (SELECT c.status = 'verified' FROM identity_checks c
                    WHERE c.registration = i.registration) THEN 'again'
                ELSE 'unverified' END,
            CASE WHEN a.registration IS NOT NULL THEN i.photo
                ELSE (SELECT p.photo FROM photos p
                    WHERE p.registration = i.registration) END
        FROM complete_photo_input i LEFT JOIN complete_photo_added a USING (registration)
    )""",
    lambda row: (row[0],),
)

# Columns: registration. The share lock holds the wave open until the rows are committed: a draw
# waits for them, and who comes during a draw finds no open wave here and is written `again`.
JOIN_WAVE = Write(
    "join_wave",
    ("uuid",),
    """
    join_wave_input (registration, place) AS ({input}),
    join_wave_open AS (
        SELECT wave FROM waves WHERE closed_at IS NULL ORDER BY wave LIMIT 1 FOR SHARE
    ),
    join_wave_added AS (
        INSERT INTO applications (registration, wave)
        SELECT i.registration, w.wave FROM join_wave_input i CROSS JOIN join_wave_open w
        WHERE (SELECT c.status = 'verified' FROM identity_checks c
                WHERE c.registration = i.registration)
            AND (SELECT true FROM photos p WHERE p.registration = i.registration)
        ON CONFLICT DO NOTHING RETURNING registration, wave
    ),
    join_wave_answer AS (
        SELECT 'join_wave', i.place,
            CASE WHEN a.registration IS NOT NULL THEN 'created'
                WHEN (SELECT true FROM applications q
                    WHERE q.registration = i.registration) THEN 'repeated'
                WHEN (SELECT c.status = 'verified' FROM identity_checks c
                    WHERE c.registration = i.registration) IS NOT TRUE THEN 'unverified'
                WHEN (SELECT true FROM photos p
                    WHERE p.registration = i.registration) IS NOT TRUE THEN 'no_photo'
                ELSE 'again' END,
            CASE WHEN a.registration IS NOT NULL THEN a.wave::text
                ELSE (SELECT q.wave::text FROM applications q
                    WHERE q.registration = i.registration) END
        FROM join_wave_input i LEFT JOIN join_wave_added a USING (registration)
    )""",
    lambda row: (row[0],),
)

# Columns: request_id, registration or None, step, words.
CALL_SUPPORT = Write(
    "call_support",
    ("uuid", "uuid", "text", "text"),
    """
    call_support_input (request_id, registration, step, words, place) AS ({input}),
    call_support_added AS (
        INSERT INTO support_calls (request_id, registration, step, words)
        SELECT request_id, registration, step, words FROM call_support_input
        ON CONFLICT DO NOTHING RETURNING request_id
    ),
    call_support_answer AS (
        SELECT 'call_support', i.place,
            CASE WHEN a.request_id IS NOT NULL THEN 'created' ELSE 'repeated' END,
            NULL
        FROM call_support_input i LEFT JOIN call_support_added a USING (request_id)
    )""",
    lambda row: (row[0],),
)

WRITES = (REGISTER, VERIFY_EMAIL, SUBMIT_IDENTITY, COMPLETE_PHOTO, JOIN_WAVE, CALL_SUPPORT)


def _fragment(write: Write, first: int) -> str:
    columns = ", ".join(f"${first + n}::{kind}[]" for n, kind in enumerate(write.types))
    source = f"SELECT * FROM unnest({columns}) WITH ORDINALITY"  # noqa: S608 - constants only
    return write.sql.replace("{input}", source)


@lru_cache(maxsize=256)
def statement(writes: tuple[Write, ...]) -> str:
    """One statement that applies rows of all these kinds; parameters in the order given."""
    fragments: list[str] = []
    first = 1
    for write in writes:
        fragments.append(_fragment(write, first))
        first += len(write.types)
    answers = " UNION ALL ".join(
        f"SELECT * FROM {write.name}_answer"  # noqa: S608 - constants only
        for write in writes
    )
    return f"WITH {', '.join(fragments)} {answers}"


def columns(rows: Sequence[Row]) -> list[list[Any]]:
    """Rows turned into the columns that unnest takes."""
    return [list(column) for column in zip(*rows, strict=True)]
