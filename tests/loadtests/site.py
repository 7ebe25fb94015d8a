"""A small site that speaks the reference journey from memory: service, mailbox and metrics in one.

Run as a program it prints its URL, on loopback or the address that it is given. An identity waits
0.2 s in the queue. The NIKs of mistyped visitors are rejected, a mail is there as soon as somebody
has registered.
"""

import asyncio
import json
import re
import sys
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

QUEUED_S = 0.2


class World:
    """What the site remembers."""

    def __init__(self) -> None:
        self.mails: set[str] = set()
        self.rows: dict[str, dict[str, Any]] = {}
        self.answered: dict[str, int] = {}

    def answer(self, method: str, path: str, session: str, body: bytes) -> tuple[int, Any]:
        """(status, what goes out as JSON, or text as it is)."""
        where = urlsplit(path)
        query = dict(parse_qsl(where.query))
        match method, where.path:
            case "GET", "/":
                return 200, "<h1>site</h1>"
            case "GET", "/messages":
                there = query["to"] in self.mails
                return (200, {"token": query["to"], "kind": query["kind"]}) if there else (204, "")
            case "POST", "/registrations":
                row = json.loads(body)
                self.mails.add(row["email"])
                self.rows[row["email"]] = {"request_id": row["request_id"], "email": row["email"]}
                return 201, {"registration": row["request_id"], "session": row["email"]}
            case "POST", "/email-verifications":
                known = json.loads(body)["token"] in self.rows
                return (200, {"email": "verified"}) if known else (404, {})
            case "POST", "/identity-checks":
                self.rows[session] |= {"nik": json.loads(body)["nik"], "at": time.monotonic()}
                return 202, {"status": "queued"}
            case "GET", "/identity-checks/mine":
                return 200, {"status": self._status(self.rows[session])}
        return self._programme(where.path) or self._operations(where.path)

    def _programme(self, path: str) -> tuple[int, Any] | None:
        """After the identity check; photos are put to the site itself, and nobody is drawn."""
        match path:
            case "/photos":
                return 201, {"photo": "it", "url": f"{URL[0]}/store/it"}
            case "/store/it":
                return 200, {}
            case "/photos/it/complete" | "/waves/current/applications" | "/support-calls":
                return 201, {}
            case "/results/mine":
                return 200, {"result": "pending"}
        return None

    def _operations(self, path: str) -> tuple[int, Any]:
        if path == "/capacity":
            return 200, {"mailbox": URL[0], "metrics": {"service": f"{URL[0]}/metrics"}}
        if path == "/metrics":
            lines = [f'site_answers_total{{status="{s}"}} {n}' for s, n in self.answered.items()]
            return 200, "\n".join(lines) + "\n"
        if path == "/ledger":
            return 200, "".join(f"{json.dumps(row)}\n" for row in self.rows.values())
        return (200, {}) if path == "/readyz" else (404, {})

    def _status(self, row: dict[str, Any]) -> str:
        if time.monotonic() - row["at"] < QUEUED_S:
            return "queued"
        return "verified" if row["nik"][4] == "9" else "rejected"


URL: list[str] = []
WORLD = World()


class Speaker(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as much of it as the journey needs."""

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        size = int(length[1]) if length else 0
        if not found or len(rest) < size:
            return
        self.buffer = rest[size:]
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        bearer = re.search(rb"(?i)authorization: bearer (\S+)", head)
        status, said = WORLD.answer(method, path, bearer[1].decode() if bearer else "", rest[:size])
        WORLD.answered[str(status)] = WORLD.answered.get(str(status), 0) + 1
        body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
        self.transport.write(
            b"HTTP/1.1 %d .\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
        )


async def main() -> None:
    host = sys.argv[1] if sys.argv[1:] else "127.0.0.1"
    server = await asyncio.get_running_loop().create_server(Speaker, host, 0)
    URL.append(f"http://{host}:{server.sockets[0].getsockname()[1]}")
    sys.stdout.write(f"{URL[0]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
