"""One HTTP worker: `python -m target_app.http_worker`, started by target_app.service only.

It inherits a listening socket and the pages of shared memory that the workers count on.
"""

from __future__ import annotations

import os
import socket

import uvicorn

from target_app.app import create_app
from target_app.instruments import Instruments, open_page
from target_app.processes import (
    die_with_parent,
    freeze_garbage,
    log_to_stderr,
    settings_or_exit,
)
from target_app.protocol import Protocol

KEEP_ALIVE_S = 20
BACKLOG = 4096  # the opening minute brings more than uvicorn's own
GRACE_S = 1


class Server(uvicorn.Server):
    """uvicorn's server, with the garbage of start-up frozen before the first request."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then freeze."""
        await super().startup(sockets)
        freeze_garbage()


def main() -> None:
    """Serve on the inherited socket until SIGTERM."""
    die_with_parent()
    log_to_stderr()
    settings = settings_or_exit()
    slot = int(os.environ["SURGE_SLOT"])
    descriptors = [int(text) for text in os.environ["SURGE_PAGE_FDS"].split(",")]
    pages = [open_page(descriptor) for descriptor in descriptors]
    app = create_app(settings, Instruments(pages[slot], pages))
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    listening = socket.socket(fileno=int(os.environ["SURGE_SOCKET_FD"]))
    Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
