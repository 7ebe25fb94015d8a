"""Sockets of the twins: one to listen on, and a connection that is reset on purpose."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct

from target_app.twins.settings import SettingError

_BACKLOG = 4096
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER of 0 s: closing sends a reset


def listen(host: str, port: int, variable: str) -> socket.socket:
    """A listening socket, port 0 being any free one; SettingError when it can't be had."""
    try:
        return socket.create_server((host, port), backlog=_BACKLOG)
    except OSError as fault:
        if fault.errno == errno.EADDRINUSE:
            raise SettingError(
                variable, port, "the port is taken; stop its owner or set another"
            ) from None
        reason = os.strerror(fault.errno) if fault.errno else str(fault)
        raise SettingError(
            f"SURGE_HOST and {variable}", f"{host}:{port}", f"can't listen there: {reason}"
        ) from None


def address(listener: socket.socket) -> str:
    """host:port of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reset(transport: asyncio.Transport) -> None:
    """Drop a connection with a TCP reset."""
    peer = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
