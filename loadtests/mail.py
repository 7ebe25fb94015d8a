"""Reading one's mail: the visitor looks into the mailbox until the letter is there, or gives up."""

from __future__ import annotations

from time import monotonic_ns
from typing import Any, Final
from urllib.parse import quote

import msgspec

from loadtests.client import Client
from loadtests.clock import SECOND_NS, Clock
from loadtests.exchange import Request
from workload.errors import InvalidRunError

#: One question waits this long at the mailbox, which allows 60 s.
LOOK_NS: Final = 30 * SECOND_NS
#: How much longer the answer may take than the question was to wait.
GRACE_NS: Final = 5 * SECOND_NS
#: After a failure of the mailbox itself the visitor looks again so much later.
AGAIN_NS: Final = SECOND_NS


class Mailbox:
    """Where the mail of every visitor arrives, behind ``GET /messages`` of an HTTP service."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._client = Client(url)
        self._clock = clock
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode
        self.failures = 0

    def wait(self, address: str, kind: str, until: int) -> dict[str, Any] | None:
        """The newest letter of a kind as soon as there is one; None at ``until`` (run time, ns)."""
        where = f"/messages?to={quote(address)}&kind={kind}&wait="
        while (left := until - self._clock.now()) > 0:
            look = min(left, LOOK_NS)
            connect_by = monotonic_ns() + min(left, GRACE_NS)
            request = Request("GET", f"{where}{look / SECOND_NS:.3f}")
            answer = self._client.ask(request, connect_by, monotonic_ns() + look + GRACE_NS)
            if answer.status == 200:
                return self._decode(answer.body)
            if 400 <= answer.status < 500:
                raise InvalidRunError(f"the mailbox refused GET {where}: {answer.body[:200]!r}")
            if answer.status != 204:
                self.failures += 1
                self._clock.sleep_until(min(until, self._clock.now() + AGAIN_NS))
        return None

    def close(self) -> None:
        """Close the connections that nobody waits on."""
        self._client.close()


class NoMailbox:
    """Where nobody can read mail: for journeys that wait for none."""

    failures = 0

    def wait(self, address: str, kind: str, until: int) -> dict[str, Any] | None:
        """Raises InvalidRunError: `orders.check_mailbox` lets no such journey begin."""
        raise InvalidRunError(f"{address} waits for the {kind} mail, but no mailbox was named")

    def close(self) -> None:
        """Nothing is open."""
