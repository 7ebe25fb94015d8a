"""The mailbox's twin: real mail in by smtplib and raw sockets, letters out over HTTP."""

import contextlib
import math
import smtplib
import socket
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.target_app.twins.running import Answer, RunningTwin, running

LINK = "http://127.0.0.1:8000/verify?token=eyJ2.aXNpdG9y-_7%3D"


@pytest.fixture
def mailbox() -> Iterator[RunningTwin]:
    with running("mailbox") as twin:
        yield twin


@pytest.fixture(scope="module")
def calm() -> Iterator[RunningTwin]:
    """One whose settings and counts nobody touches."""
    with running("mailbox") as twin:
        yield twin


def letter(
    to: str, kind: str = "verify", text: str = LINK, subject: str = "Verify"
) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "no-reply@example.com"
    mail["To"] = to
    mail["Subject"] = subject
    mail["X-Surge-Kind"] = kind
    mail.set_content(text)
    return mail


def post(twin: RunningTwin) -> smtplib.SMTP:
    return smtplib.SMTP(*twin.addresses[0], timeout=5)


def read(
    twin: RunningTwin, to: str, kind: str = "verify", wait: float = 0, folder: str = "inbox"
) -> Answer:
    return twin.call("GET", f"/messages?to={quote(to)}&kind={kind}&wait={wait}&folder={folder}")


def settings(twin: RunningTwin, **values: object) -> None:
    answer = twin.call("PUT", "/settings", values)
    assert answer.status == 200, answer.body


def raw(kind: str, to: str, text: str = LINK) -> bytes:
    return f"X-Surge-Kind: {kind}\r\nSubject: raw\r\nTo: {to}\r\n\r\n{text}\r\n".encode()


def test_a_mail_sent_by_smtplib_is_read_with_its_link_and_token(mailbox: RunningTwin) -> None:
    """The token comes with its percent-encoding undone, the subject with RFC 2047 undone."""
    sent_at = time.time()
    with post(mailbox) as connection:
        connection.send_message(letter("siti+1@example.com", subject="Vérifikasi surél Anda"))
    answer = read(mailbox, "Siti+1@example.com")
    assert answer.status == 200
    received_at = answer.json["received_at"]
    assert sent_at - 0.01 <= received_at <= time.time()
    assert answer.json == {
        "to": "siti+1@example.com",
        "kind": "verify",
        "subject": "Vérifikasi surél Anda",
        "link": LINK,
        "token": "eyJ2.aXNpdG9y-_7=",
        "received_at": received_at,
    }


def test_the_newest_letter_of_a_kind_is_given_and_others_stay_apart(mailbox: RunningTwin) -> None:
    """Several mails come on one connection."""
    with post(mailbox) as connection:
        for number in (1, 2):
            connection.send_message(letter("a@example.com", subject=f"number {number}"))
        connection.send_message(letter("a@example.com", "result", "you are verified", "decided"))
    assert read(mailbox, "a@example.com").json["subject"] == "number 2"
    result = read(mailbox, "a@example.com", "result").json
    assert (result["subject"], result["link"], result["token"]) == ("decided", None, None)
    assert read(mailbox, "b@example.com").status == 204


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
def test_links_are_found_in_every_transfer_encoding(mailbox: RunningTwin, encoding: str) -> None:
    """Mail libraries choose the encoding by themselves."""
    mail = letter("a@example.com")
    mail.set_content(f"Halo,\n\n{LINK}\n", cte=encoding)
    with post(mailbox) as connection:
        connection.send_message(mail)
    assert read(mailbox, "a@example.com").json["link"] == LINK


def test_dots_at_the_start_of_lines_survive(mailbox: RunningTwin) -> None:
    """The sender doubles them, the receiver takes the second away: here inside of a link."""
    head = "X-Surge-Kind: verify\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    with post(mailbox) as connection:
        mail = f"{head}.\r\n..\r\nhttp://127.0.0.1/?token=3Dabc=\r\n.def\r\n"
        connection.sendmail("no-reply@example.com", ["a@example.com"], mail)
    assert read(mailbox, "a@example.com").json["token"] == "abc.def"


def test_every_recipient_of_a_mail_gets_it(mailbox: RunningTwin) -> None:
    """And a mail of 8-bit text passes."""
    text = raw("verify", "all", f"Halo é {LINK}")
    with post(mailbox) as connection:
        assert connection.has_extn("8bitmime") is False  # smtplib has not asked yet
        connection.ehlo()
        assert connection.has_extn("8bitmime")
        assert connection.has_extn("pipelining")
        people = ["a@example.com", "b@example.com"]
        connection.sendmail("no-reply@example.com", people, text, ["BODY=8BITMIME"])
    assert [read(mailbox, person).status for person in people] == [200, 200]


def test_reset_noop_and_faults_leave_the_connection_usable(mailbox: RunningTwin) -> None:
    """Each wrong command gets its own reply."""
    with post(mailbox) as connection:
        assert connection.docmd("MAIL", "FROM:<a@example.com>")[0] == 503
        connection.helo()
        assert connection.docmd("RCPT", "TO:<b@example.com>")[0] == 503
        assert connection.docmd("MAIL", "a@example.com")[0] == 501
        assert connection.mail("a@example.com")[0] == 250
        assert connection.mail("a@example.com")[0] == 503
        assert connection.docmd("DATA")[0] == 503
        assert connection.rcpt("nobody")[0] == 501
        assert connection.rcpt("b@example.com")[0] == 250
        assert connection.rset()[0] == 250
        assert connection.docmd("DATA")[0] == 503
        assert connection.noop()[0] == 250
        assert connection.verify("b")[0] == 252
        assert connection.docmd("TURN")[0] == 500
        connection.send_message(letter("b@example.com"))
    assert read(mailbox, "b@example.com").status == 200


def test_a_mail_that_is_too_large_is_refused_and_the_next_one_taken(mailbox: RunningTwin) -> None:
    """By its announced size before it is sent, and by its true size after."""
    large = raw("verify", "a@example.com", "line\r\n" * 300_000)
    with post(mailbox) as connection:
        with pytest.raises(smtplib.SMTPSenderRefused, match="552"):
            connection.sendmail("no-reply@example.com", ["a@example.com"], large)
        connection.mail("no-reply@example.com")
        connection.rcpt("a@example.com")
        assert connection.data(large)[0] == 552
        connection.send_message(letter("b@example.com"))
    assert read(mailbox, "a@example.com").status == 204
    assert read(mailbox, "b@example.com").status == 200


def conversation(twin: RunningTwin, parts: list[bytes], replies: int) -> list[bytes]:
    """The replies to what is sent in these pieces."""
    with socket.create_connection(twin.addresses[0], timeout=5) as connection:
        for part in parts:
            connection.sendall(part)
        with contextlib.closing(connection.makefile("rb")) as lines:
            return [next(lines).rstrip() for _ in range(replies)]


def envelope(to: str) -> bytes:
    return b"MAIL FROM:<no-reply@example.com>\r\nRCPT TO:<%s>\r\nDATA\r\n" % to.encode()


def test_pipelined_commands_of_several_mails_are_answered_in_order(mailbox: RunningTwin) -> None:
    """RFC 2920, and more than it asks: everything comes in one packet."""
    text = b"HELO x\r\n"
    for to in ("a@example.com", "b@example.com"):
        text += envelope(to) + raw("verify", to) + b".\r\n"
    replies = conversation(mailbox, [text + b"QUIT\r\n"], 11)
    codes = [reply[:3] for reply in replies]
    assert codes == [b"220", b"250", *[b"250", b"250", b"354", b"250"] * 2, b"221"]
    assert read(mailbox, "b@example.com").json["token"] == "eyJ2.aXNpdG9y-_7="


def test_a_mail_that_comes_byte_by_byte_is_the_same_mail(mailbox: RunningTwin) -> None:
    """Its end may be torn anywhere; an empty mail has an end too."""
    text = b"HELO x\r\n" + envelope("a@example.com") + raw("verify", "a") + b".\r\n"
    text += envelope("b@example.com") + b".\r\n"
    replies = conversation(mailbox, [text[at : at + 1] for at in range(len(text))], 10)
    assert replies[5] == replies[9] == b"250 OK"
    assert read(mailbox, "a@example.com").json["link"] == LINK


def test_an_endless_line_ends_the_connection(mailbox: RunningTwin) -> None:
    """So it can't fill the memory."""
    with socket.create_connection(mailbox.addresses[0], timeout=5) as connection:
        connection.sendall(b"NOOP " + b"x" * 10_000)
        text = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1000):
                text += part
    assert text.startswith(b"220 ")


def test_a_reader_who_waits_gets_the_letter_when_it_comes(mailbox: RunningTwin) -> None:
    """Not before, hardly after; one who waits in vain gets 204."""
    found: list[Answer] = []
    reader = threading.Thread(target=lambda: found.append(read(mailbox, "a@example.com", wait=10)))
    reader.start()
    mailbox.until("surge_mailbox_readers", 1)
    with post(mailbox) as connection:
        connection.send_message(letter("a@example.com", "result"))
        assert mailbox.metrics()["surge_mailbox_readers"] == 1  # another kind wakes nobody
        sent_at = time.monotonic()
        connection.send_message(letter("a@example.com"))
        reader.join(5)
    assert found[0].status == 200
    assert time.monotonic() - sent_at < 5
    vain = read(mailbox, "b@example.com", wait=0.3)
    assert (vain.status, vain.body, 0.3 <= vain.seconds < 5) == (204, b"", True)
    assert mailbox.metrics()["surge_mailbox_readers"] == 0


def test_a_reader_who_leaves_is_forgotten(mailbox: RunningTwin) -> None:
    """A letter that comes later is kept for the next."""
    with socket.create_connection(mailbox.addresses[1]) as connection:
        connection.sendall(b"GET /messages?to=a@example.com&kind=verify&wait=60 HTTP/1.1\r\n\r\n")
        mailbox.until("surge_mailbox_readers", 1)
    mailbox.until("surge_mailbox_readers", 0)
    with post(mailbox) as post_box:
        post_box.send_message(letter("a@example.com"))
    assert read(mailbox, "a@example.com").status == 200


@pytest.mark.parametrize(
    "query",
    [
        "kind=verify",
        "to=a@example.com",
        "to=nobody&kind=verify",
        "to=a@example.com&kind=verify&wait=61",
        "to=a@example.com&kind=verify&wait=nan",
        "to=a@example.com&kind=verify&wait=x",
        "to=a@example.com&kind=verify&folder=attic",
        "to=a@example.com&kind=verify&until=1",
    ],
)
def test_a_question_that_makes_no_sense_is_a_problem_of_status_422(
    calm: RunningTwin, query: str
) -> None:
    """And the answer shows how to ask."""
    answer = calm.call("GET", f"/messages?{query}")
    assert answer.status == 422
    assert "GET /messages?to=ADDRESS&kind=KIND" in answer.json["detail"]


def send_many(twin: RunningTwin, count: int) -> None:
    with post(twin) as connection:
        for number in range(count):
            to = f"visitor{number}@example.com"
            connection.sendmail("no-reply@example.com", [to], raw("verify", to))


def test_a_share_of_the_letters_is_lost(mailbox: RunningTwin) -> None:
    """Within four standard deviations; the sender does not notice."""
    settings(mailbox, loss=0.25)
    send_many(mailbox, 1000)
    samples = mailbox.metrics()
    lost, kept = samples["surge_mailbox_lost_total"], samples["surge_mailbox_letters"]
    assert lost + kept == samples["surge_twin_requests_total{status=250}"] == 1000
    assert lost / 1000 == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 1000))


def test_spam_is_found_only_in_its_folder(mailbox: RunningTwin) -> None:
    """A share of one: all of it."""
    settings(mailbox, spam=1)
    send_many(mailbox, 1)
    assert read(mailbox, "visitor0@example.com").status == 204
    spam = read(mailbox, "visitor0@example.com", folder="spam")
    assert (spam.status, spam.json["link"]) == (200, LINK)
    assert mailbox.metrics()["surge_mailbox_spam_total"] == 1


def test_a_delayed_letter_is_accepted_now_and_read_later(mailbox: RunningTwin) -> None:
    """The delay counts from the end of the mail."""
    settings(mailbox, delay=1.0)
    started = time.monotonic()
    send_many(mailbox, 1)
    assert read(mailbox, "visitor0@example.com").status == 204
    assert mailbox.metrics()["surge_mailbox_under_way"] == 1
    assert read(mailbox, "visitor0@example.com", wait=5).status == 200
    assert time.monotonic() - started >= 1.0
    samples = mailbox.metrics()
    assert samples["surge_twin_service_seconds_sum"] == pytest.approx(1.0)
    assert samples["surge_twin_wait_seconds_sum"] < 1


def test_an_outage_of_the_mail_side_refuses_resets_or_hangs(mailbox: RunningTwin) -> None:
    """What was received before can still be read."""
    send_many(mailbox, 1)
    settings(mailbox, outage="refuse")
    with pytest.raises(smtplib.SMTPConnectError, match="421"):
        post(mailbox)
    settings(mailbox, outage="reset")
    with pytest.raises((ConnectionResetError, smtplib.SMTPServerDisconnected), match="reset by"):
        post(mailbox)
    settings(mailbox, outage="hang")
    with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
        smtplib.SMTP(*mailbox.addresses[0], timeout=0.3)
    assert read(mailbox, "visitor0@example.com").status == 200
    settings(mailbox, outage=None)
    send_many(mailbox, 1)


def test_beyond_its_bound_the_mailbox_drops_the_oldest() -> None:
    """And says how many."""
    with running("mailbox", SURGE_MAIL_KEEP="3") as mailbox:
        send_many(mailbox, 5)
        found = [read(mailbox, f"visitor{number}@example.com").status for number in range(5)]
        assert found == [204, 204, 200, 200, 200]
        assert mailbox.metrics()["surge_mailbox_dropped_total"] == 2


def test_more_letters_under_way_than_it_may_keep_are_refused_for_now() -> None:
    """With a reply that makes the sender try again."""
    with running("mailbox", SURGE_MAIL_KEEP="3", SURGE_MAIL_DELAY="30") as mailbox:
        send_many(mailbox, 3)
        with pytest.raises(smtplib.SMTPDataError, match="452"):
            send_many(mailbox, 1)


def resident_kib(twin: RunningTwin) -> int:
    status = Path(f"/proc/{twin.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.slow
def test_ten_thousand_mails_take_bounded_memory() -> None:
    """At most 1 KiB a letter that is kept, and next to nothing once the bound is reached."""
    with running("mailbox", SURGE_MAIL_KEEP="10000") as mailbox:
        send_many(mailbox, 10)
        before = resident_kib(mailbox)
        send_many(mailbox, 10_000)
        full = resident_kib(mailbox)
        assert full - before <= 10_000
        send_many(mailbox, 10_000)
        assert resident_kib(mailbox) - full <= 2_000
        assert mailbox.metrics()["surge_mailbox_letters"] == 10_000
        assert read(mailbox, "visitor9999@example.com").status == 200


def test_it_stops_in_time_with_readers_and_senders_connected(mailbox: RunningTwin) -> None:
    """A sender is told with 421."""
    with post(mailbox) as sender, socket.create_connection(mailbox.addresses[1]) as reader:
        sender.helo()
        reader.sendall(b"GET /messages?to=a@example.com&kind=verify&wait=60 HTTP/1.1\r\n\r\n")
        mailbox.until("surge_mailbox_readers", 1)
        code, seconds = mailbox.stop()
        assert (code, seconds < 5) == (0, True)
        assert sender.getreply()[0] == 421
