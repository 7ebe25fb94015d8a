"""The mailbox's twin: real SMTP in, HTTP out, so that a scenario can read its verification link.

Each recipient's letter is lost, goes to spam, or arrives after a delay drawn from the quantile
knots; the draws are addressed by the number of the letter. A reader may wait for a letter.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from time import monotonic, time
from urllib.parse import parse_qsl

from target_app.twins import settings as setting
from target_app.twins.chance import Draws, Quantiles
from target_app.twins.letters import Letters, place, read_mail
from target_app.twins.process import run, serve_http, until_stopped
from target_app.twins.smtp import Smtp
from target_app.twins.sockets import address, listen
from target_app.twins.timers import Timers
from target_app.twins.twin import Twin
from target_app.twins.web import Exchange

FIELDS: dict[str, tuple[str, str, setting.Reader]] = {
    "host": ("SURGE_HOST", "127.0.0.1", setting.host),
    "smtp_port": ("SURGE_SMTP_PORT", "8025", setting.PORT),
    "port": ("SURGE_MAILBOX_PORT", "8026", setting.PORT),
    "seed": ("SURGE_TWIN_SEED", "0", setting.whole(0, 2**63 - 1)),
    "keep": ("SURGE_MAIL_KEEP", "2000000", setting.whole(1, 100_000_000)),
    "delay": ("SURGE_MAIL_DELAY", "0", setting.knots),
    "loss": ("SURGE_MAIL_LOSS", "0", setting.number(0, 1)),
    "spam": ("SURGE_MAIL_SPAM", "0", setting.number(0, 1)),
    "outage": ("SURGE_MAIL_OUTAGE", "", setting.outage),
}
CHANGEABLE = {name: FIELDS[name][2] for name in ("delay", "loss", "spam", "outage")}
LONGEST_WAIT_S = 60.0
_REMEDY = "GET /messages?to=ADDRESS&kind=KIND, with wait=0..60 and folder=inbox or spam if wanted"


@dataclass(frozen=True)
class Settings:
    """How mail fares. `loss` and `spam` are shares; `outage` is that of the SMTP side."""

    delay: Quantiles
    loss: float
    spam: float
    outage: str | None


class Mailbox(Twin[Settings]):
    """Takes mail as a post, gives it out as a web application."""

    def __init__(self, settings: Settings, seed: int, keep: int, timers: Timers) -> None:
        super().__init__(settings, CHANGEABLE, b"/settings")
        self.outage = settings.outage
        self._letters = Letters(keep)
        self._keep = keep
        self._timers = timers
        self._waiting: dict[bytes, list[tuple[Exchange, asyncio.TimerHandle]]] = {}
        self._queue = 0
        self._number = 0
        self._fates = {"delivered": 0, "spam": 0, "lost": 0}
        self._loss = Draws(seed, "loss")
        self._spam = Draws(seed, "spam")
        self._delay = Draws(seed, "delay")
        self._describe()
        self.routes[b"GET", b"/messages"] = self._read

    def changed(self, names: set[str]) -> None:
        self.outage = self.settings.outage

    def _describe(self) -> None:
        fates, letters = self._fates, self._letters
        self.meters.gauges = {
            "surge_mailbox_letters": ("letters kept", lambda: len(letters)),
            "surge_mailbox_under_way": ("letters accepted and delayed", lambda: len(self._timers)),
            "surge_mailbox_readers": ("readers that wait for a letter", lambda: self._queue),
        }
        self.meters.counters = {
            "surge_mailbox_delivered": ("letters put into the inbox", lambda: fates["delivered"]),
            "surge_mailbox_spam": ("letters put into spam", lambda: fates["spam"]),
            "surge_mailbox_lost": ("letters lost on purpose", lambda: fates["lost"]),
            "surge_mailbox_dropped": ("letters too many to keep", lambda: letters.dropped),
        }

    # mail comes in

    def take(self, recipients: list[bytes], mail: bytes) -> bytes:
        if len(self._timers) + len(recipients) > self._keep:
            return b"452 too many letters are under way"
        now = monotonic()
        kind, subject, link = read_mail(mail)
        for recipient in recipients:
            self._dispatch(recipient, kind, subject, link, now)
        self.meters.statuses[250] += 1
        return b"250 OK"

    def _dispatch(
        self, recipient: bytes, kind: bytes, subject: bytes, link: bytes, now: float
    ) -> None:
        number, settings = self._number, self.settings
        self._number += 1
        if settings.loss and self._loss.at(number) < settings.loss:
            self._fates["lost"] += 1
            return
        spam = settings.spam > 0 and self._spam.at(number) < settings.spam
        delay = settings.delay.at(self._delay.at(number))
        key = place(recipient, kind, spam=spam)

        def deliver(at: float) -> None:
            self._fates["spam" if spam else "delivered"] += 1
            self._letters.put(key, subject, link, time())
            self.meters.service.observe(delay)
            self.meters.wait.observe(max(at - now - delay, 0.0))
            for exchange, patience in self._waiting.pop(key, ()):
                patience.cancel()
                self._queue -= 1
                self._give(exchange, key)

        if delay == 0:
            deliver(now)
        else:
            self._timers.call_at(now + delay, deliver)

    # mail goes out

    def _read(self, exchange: Exchange) -> None:
        try:
            key, wait = _question(exchange.query)
        except ValueError as fault:
            self.meters.statuses[422] += 1
            exchange.problem(422, f"{fault}; {_REMEDY}")
            return
        if self._give(exchange, key):
            return
        if wait > 0:
            self._wait(exchange, key, wait)
        else:
            self._nothing(exchange)

    def _give(self, exchange: Exchange, key: bytes) -> bool:
        letter = self._letters.newest(key)
        if letter is None:
            return False
        self.meters.statuses[200] += 1
        recipient = key.split(b" ", 2)[2].decode("utf-8", "replace")
        exchange.json(200, {"to": recipient, **letter._asdict()})
        return True

    def _nothing(self, exchange: Exchange) -> None:
        self.meters.statuses[204] += 1
        exchange.answer(204)

    def _wait(self, exchange: Exchange, key: bytes, wait: float) -> None:
        def give_up() -> None:
            self._forget(entry, key)
            self._nothing(exchange)

        def leave() -> None:
            patience.cancel()
            self._forget(entry, key)

        # Nobody is in a hurry to hear of nothing: the loop's 1 ms is fine.
        patience = asyncio.get_running_loop().call_later(wait, give_up)
        entry = (exchange, patience)
        exchange.on_gone = leave
        self._waiting.setdefault(key, []).append(entry)
        self._queue += 1

    def _forget(self, entry: tuple[Exchange, asyncio.TimerHandle], key: bytes) -> None:
        waiting = self._waiting[key]
        waiting.remove(entry)
        self._queue -= 1
        if not waiting:
            del self._waiting[key]


def _question(query: bytes) -> tuple[bytes, float]:
    """(place, seconds to wait) that a reader asks for."""
    asked = dict(parse_qsl(query.decode("ascii", "strict"), keep_blank_values=True))
    unknown = asked.keys() - {"to", "kind", "wait", "folder"}
    if unknown:
        raise ValueError(f"unknown parameter {min(unknown)!r}")
    recipient, kind = asked.get("to", ""), asked.get("kind", "")
    if "@" not in recipient or not kind:
        raise ValueError("to must be an address and kind a word")
    folder = asked.get("folder", "inbox")
    if folder not in ("inbox", "spam"):
        raise ValueError(f"folder={folder!r} does not exist")
    wait = float(asked.get("wait", "0"))
    if not 0 <= wait <= LONGEST_WAIT_S:
        raise ValueError(f"wait={wait:g} is outside 0..{LONGEST_WAIT_S:g}")
    return place(recipient.encode(), kind.lower().encode(), spam=folder == "spam"), wait


async def main() -> None:
    """Serve SMTP and HTTP until stopped."""
    values = setting.from_environment(FIELDS)
    host, port, smtp_port = values.pop("host"), values.pop("port"), values.pop("smtp_port")
    seed, keep = values.pop("seed"), values.pop("keep")
    mail_listener = listen(host, smtp_port, "SURGE_SMTP_PORT")
    web_listener = listen(host, port, "SURGE_MAILBOX_PORT")
    loop = asyncio.get_running_loop()
    timers = Timers(loop)
    mailbox = Mailbox(Settings(**values), seed, keep, timers)
    connections: set[Smtp] = set()
    mail_server = await loop.create_server(lambda: Smtp(mailbox, connections), sock=mail_listener)
    stop = await serve_http(mailbox, web_listener)
    where = f"smtp://{address(mail_listener)} http://{address(web_listener)}"
    await until_stopped("mailbox", where)
    mail_server.close()
    for connection in tuple(connections):
        connection.close()
    stop()
    timers.close()


if __name__ == "__main__":
    sys.exit(run("mailbox", main))
