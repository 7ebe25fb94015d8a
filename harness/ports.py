"""TCP ports of this machine's loopback: free ones, or whether the wanted ones are free."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack

from harness.errors import BadInput

LOOPBACK = "127.0.0.1"


def claim_all(wanted: Mapping[str, int]) -> dict[str, int]:
    """A port for each purpose: the wanted one, or for 0 one that is free.

    Raises BadInput when a wanted port is taken, is no port number, or is wanted twice.
    """
    owners: dict[int, str] = {}
    with ExitStack() as held:  # all at once, so that no port is found free twice
        return {
            purpose: _claim(held.enter_context(socket.socket()), purpose, port, owners)
            for purpose, port in wanted.items()
        }


def _claim(probe: socket.socket, purpose: str, wanted: int, owners: dict[int, str]) -> int:
    if wanted and wanted in owners:
        raise BadInput(
            f"port {wanted} is wanted for {owners[wanted]} and for {purpose}: change one"
        )
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do themselves
    try:
        probe.bind((LOOPBACK, wanted))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "no port number"
        raise BadInput(
            f"port {wanted} for {purpose} can't be had on {LOOPBACK} ({reason}): "
            "end what uses it, or choose another (0 takes a free one)"
        ) from error
    port = int(probe.getsockname()[1])
    owners[port] = purpose
    return port


def claim(wanted: int, purpose: str) -> int:
    """One port; see claim_all."""
    return claim_all({purpose: wanted})[purpose]
