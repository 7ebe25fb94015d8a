"""The mails that people get, as RFC 5322 messages."""

from __future__ import annotations

from email.utils import formatdate

SENDER = "registration@example.com"

_SUBJECTS = {
    "verify": "Verify your e-mail address",
    "result": "Your identity check has a result",
}
_TEXTS = {
    "verify": (
        "Dear {name},\n\nplease confirm that this address is yours:\n\n{link}\n\n"
        "You did not register? Then do nothing, and nothing will happen.\n"
    ),
    "result": (
        "Dear {name},\n\nyour identity check has been decided. See the result here:\n\n{link}\n"
    ),
}


def message(letter: int, kind: str, recipient: str, name: str, link: str) -> bytes:
    """A whole mail with CRLF line ends. `kind` is `verify` or `result`."""
    text = _TEXTS[kind].format(name=name, link=link).replace("\n", "\r\n")
    head = (
        f"From: Registration <{SENDER}>\r\n"
        f"To: <{recipient}>\r\n"
        f"Subject: {_SUBJECTS[kind]}\r\n"
        f"Date: {formatdate()}\r\n"
        f"Message-ID: <letter-{letter}@example.com>\r\n"
        f"X-Surge-Kind: {kind}\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return (head + text).encode()
