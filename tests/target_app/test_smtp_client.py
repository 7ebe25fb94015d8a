"""Handing mail over: to the mailbox's twin, and to an independent server without PIPELINING."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from target_app.mail_texts import SENDER, message
from target_app.smtp_client import SmtpError, SmtpRefusedError, connect
from tests.target_app.system import free_ports
from tests.target_app.twins.running import RunningTwin, running


class Post:
    """Keeps what an independent SMTP server received; refuses one recipient."""

    def __init__(self) -> None:
        self.got: list[tuple[str, list[str], bytes]] = []

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        if address.startswith("full"):
            return "452 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd looks for
        self, server: SMTP, session: Any, envelope: Any
    ) -> str:
        self.got.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 taken"


@pytest.fixture
def peer() -> Iterator[tuple[Post, int]]:
    post = Post()
    (port,) = free_ports(1)
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield post, port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def twin() -> Iterator[RunningTwin]:
    with running("mailbox") as mailbox:
        yield mailbox


def send(port: int, *mails: tuple[str, bytes]) -> list[type[BaseException] | None]:
    """Hand mails over on one connection; what each raised."""

    async def act() -> list[type[BaseException] | None]:
        connection = await connect("127.0.0.1", port)
        said: list[type[BaseException] | None] = []
        for recipient, mail in mails:
            try:
                await connection.send(SENDER, recipient, mail)
                said.append(None)
            except SmtpError as problem:
                said.append(type(problem))
        connection.close()
        return said

    return asyncio.run(asyncio.wait_for(act(), 20))


def test_a_mail_arrives_as_it_was_written(peer: tuple[Post, int]) -> None:
    post, port = peer
    mail = message(7, "verify", "siti@example.com", "Siti Çelik", "http://x/?token=abc")
    assert send(port, ("siti@example.com", mail)) == [None]
    ((sender, recipients, content),) = post.got
    assert (sender, recipients) == (SENDER, ["siti@example.com"])
    read = message_from_bytes(content, _class=EmailMessage, policy=policy.default)
    assert read["X-Surge-Kind"] == "verify"
    assert read["Message-ID"] == "<letter-7@example.com>"
    assert "Siti Çelik" in read.get_content()
    assert "http://x/?token=abc" in read.get_content().split()


def test_lines_of_dots_survive(peer: tuple[Post, int]) -> None:
    post, port = peer
    mail = b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\nb\r\n"
    assert send(port, ("a@example.com", mail), ("b@example.com", b".first")) == [None, None]
    assert [content for _, _, content in post.got] == [mail, b".first\r\n"]


def test_a_refused_recipient_spoils_nothing_for_the_next(peer: tuple[Post, int]) -> None:
    post, port = peer
    said = send(
        port, ("nobody@example.com", b"x"), ("full@example.com", b"y"), ("a@example.com", b"z")
    )
    assert said == [SmtpRefusedError, SmtpError, None]
    assert [recipients for _, recipients, _ in post.got] == [["a@example.com"]]


def test_the_twin_takes_many_mails_on_one_connection(twin: RunningTwin) -> None:
    mails = [
        (
            f"p{n}@example.com",
            message(n, "verify", f"p{n}@example.com", "P", f"http://x/?token={n}"),
        )
        for n in range(100)
    ]
    assert send(twin.addresses[0][1], *mails) == [None] * 100
    for n in (0, 50, 99):
        read = twin.call("GET", f"/messages?to=p{n}@example.com&kind=verify&wait=5").json
        assert read["token"] == str(n)


def test_a_refusal_by_the_twin_is_told(twin: RunningTwin) -> None:
    port = twin.addresses[0][1]
    assert send(port, ("no address", b"x"), ("a@example.com", b"z")) == [SmtpRefusedError, None]


def test_nobody_listening_is_an_error_that_names_the_port() -> None:
    (port,) = free_ports(1)
    with pytest.raises(SmtpError, match=str(port)):
        asyncio.run(connect("127.0.0.1", port))


def test_a_server_that_hangs_up_is_an_error() -> None:
    async def act() -> None:
        async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 hello\r\n")
            await reader.readline()
            writer.close()

        server = await asyncio.start_server(rude, "127.0.0.1", 0)
        with pytest.raises(SmtpError, match="lost"):
            await connect("127.0.0.1", server.sockets[0].getsockname()[1])
        server.close()

    asyncio.run(asyncio.wait_for(act(), 10))
