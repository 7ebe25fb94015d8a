"""Kinds of events, and the code that names one: what orders those of one instant.

The kinds from TIMEOUT on may be forgotten by a calendar once nobody waits for them.
"""

from __future__ import annotations

from typing import Final

ARRIVE: Final = 1
WAKE: Final = 2
SEND: Final = 3
SLICE_DONE: Final = 4
FLUSH_DONE: Final = 5
QUERY_DONE: Final = 6
REPLY: Final = 7
CHECK_DUE: Final = 8
CHECK_DONE: Final = 9
BATCH_DONE: Final = 10
MAIL_DUE: Final = 11
MAIL_SENT: Final = 12
MAIL_ARRIVES: Final = 13
REGISTRY_CHANGES: Final = 14
PHOTO_SENT: Final = 15
LET_IN: Final = 16
CALL_DONE: Final = 17
PATIENCE_OVER: Final = 18
SHIFT_CHANGES: Final = 19
TIMEOUT: Final = 20
NO_MAIL_YET: Final = 21

KIND_SHIFT: Final = 56
WHO_SHIFT: Final = 16
STEP_SHIFT: Final = 12
WHO_MASK: Final = (1 << 40) - 1
STEP_MASK: Final = (1 << 4) - 1
NUMBER_MASK: Final = (1 << 12) - 1


def code_of(kind: int, who: int, step: int, number: int) -> int:
    """What orders events of one instant: (kind, visitor, step, number of the attempt)."""
    return (kind << KIND_SHIFT) | (who << WHO_SHIFT) | (step << STEP_SHIFT) | number


def kind_of(code: int) -> int:
    """The kind of an event."""
    return code >> KIND_SHIFT
