"""TCP ports of this machine's loopback: a free one, or whether a wanted one is free."""

import socket

from harness.errors import BadInput

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def claim(wanted: int, purpose: str) -> int:
    """`wanted` itself, or for 0 a free port. Raises BadInput when the wanted one is taken."""
    if wanted == 0:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do themselves
        try:
            probe.bind((LOOPBACK, wanted))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "no port number"
            raise BadInput(
                f"port {wanted} for {purpose} can't be had on {LOOPBACK} ({reason}): "
                "end what uses it, or choose another (0 takes a free one)"
            ) from error
    return wanted
