"""Admission: how many requests may be in flight, and what the others are made to wait for.

An instant 503 costs half a registration and invites an instant retry, so a refusal takes time:
`delay_s`, in which it holds a connection and nothing else.
"""

from __future__ import annotations

import asyncio
import math

from target_app.problems import Problem, over_capacity
from target_app.settings import Settings


class Admission:
    """Counts those who are inside; `cap` is None when everybody is let in."""

    def __init__(self, cap: int | None, delay_s: float) -> None:
        self.cap = cap
        self.delay_s = delay_s
        self.inside = 0

    @property
    def full(self) -> bool:
        """True when the next one is to be refused."""
        return self.cap is not None and self.inside >= self.cap

    async def refusal(self) -> Problem:
        """The refusal, when its time has come."""
        await asyncio.sleep(self.delay_s)
        return over_capacity("the service is full; come back later", max(1, round(self.delay_s)))


def admission(settings: Settings) -> Admission:
    """One worker's admission: its share of the cap of the whole service."""
    if settings.admission == "open":
        return Admission(None, 0.0)
    share = math.ceil(settings.in_flight_cap / settings.workers)
    return Admission(share, settings.shed_delay_s)
