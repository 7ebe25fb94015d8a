"""The visitors' client over real sockets: every way an attempt can end is told apart."""

import resource
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import gevent
import pytest

from loadtests.client import Client
from loadtests.exchange import Answer, Request
from tests.loadtests.peers import Script, Server, read_request
from workload.errors import InputError, InvalidRunError
from workload.visit import Outcome

Serve = Callable[[Script], Server]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def ask(client: Client, request: Request | None = None, within_s: float = 5.0) -> Answer:
    now = time.monotonic_ns()
    deadline = now + round(within_s * 1e9)
    return client.ask(request or Request("GET", "/"), deadline, deadline)


def answering(reply: bytes) -> Script:
    """A server that gives every request of every connection this reply."""

    def script(peer: socket.socket, number: int) -> None:
        while read_request(peer):
            peer.sendall(reply)

    return script


def seeing(asked: list[bytes]) -> Script:
    """A server that says yes, and remembers what it was asked."""

    def script(peer: socket.socket, number: int) -> None:
        while request := read_request(peer):
            asked.append(request)
            peer.sendall(OK)

    return script


def free_port() -> int:
    """Where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def reset(peer: socket.socket) -> None:
    """Close with RST instead of FIN."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


@pytest.mark.parametrize("status", [200, 201, 204, 303, 404, 409, 429, 500, 503])
def test_a_status_comes_back_as_it_is(serve: Serve, status: int) -> None:
    """What it means is the protocol's affair; a status is never a failure of the client."""
    body = b"" if status == 204 else b"Content-Length: 2\r\n"
    tail = b"" if status == 204 else b"no"
    server = serve(answering(b"HTTP/1.1 %d X\r\n%s\r\n%s" % (status, body, tail)))
    client = Client(server.url)
    assert [ask(client), ask(client)] == [Answer(status, tail)] * 2
    assert server.accepted == 1


def test_a_url_of_another_host_is_asked_there_without_the_targets_headers(serve: Serve) -> None:
    """They may hold its secrets. Connections there are kept, counted, and failures told apart."""
    asked: list[bytes] = []
    target, other = serve(answering(OK)), serve(seeing(asked))
    client = Client(target.url, {"X-Secret": "hush"})
    put = Request("PUT", f"{other.url}/photos/1?expires=2&signature=a%20b", b"x", (("X-Own", "1"),))
    assert [ask(client), ask(client, put), ask(client, put)] == [Answer(200, b"ok")] * 3
    assert (target.accepted, other.accepted, client.connected, client.asked) == (1, 1, 2, 3)
    head, body = asked[0].split(b"\r\n\r\n")
    host = other.url.removeprefix("http://").encode()
    assert head.startswith(b"PUT /photos/1?expires=2&signature=a%20b HTTP/1.1\r\nHost: " + host)
    assert (b"X-Own: 1" in head, b"hush" in head, body) == (True, False, b"x")
    client.close()
    gone = Request("GET", f"http://127.0.0.1:{free_port()}/")
    assert ask(client, gone).failure is Outcome.RESET


def test_a_full_backlog_is_a_connect_timeout() -> None:
    """A server that does not accept any more lets the connection hang, which is not a reset."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(8)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(address)
        time.sleep(0.05)
        client = Client(f"http://127.0.0.1:{address[1]}")
        began = time.monotonic()
        now = time.monotonic_ns()
        answer = client.ask(Request("GET", "/"), now + 200_000_000, now + 10_000_000_000)
        assert answer == Answer(0, b"", Outcome.CONNECT_TIMEOUT)
        assert 0.2 <= time.monotonic() - began < 1.0
        for filler in fillers:
            filler.close()


def test_no_answer_in_time_is_a_read_timeout(serve: Serve) -> None:
    """Not before the deadline, and soon after it."""
    server = serve(lambda peer, _: time.sleep(3) if read_request(peer) else None)
    began = time.monotonic()
    assert ask(Client(server.url), within_s=0.2).failure is Outcome.READ_TIMEOUT
    assert 0.2 <= time.monotonic() - began < 2


def test_half_an_answer_in_time_is_a_read_timeout(serve: Serve) -> None:
    """The whole answer must be there, not its first byte."""

    def script(peer: socket.socket, number: int) -> None:
        read_request(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        time.sleep(3)

    assert ask(Client(serve(script).url), within_s=0.2).failure is Outcome.READ_TIMEOUT


def test_a_reset_is_a_reset(serve: Serve) -> None:
    """RST after the request was read."""

    def script(peer: socket.socket, number: int) -> None:
        read_request(peer)
        reset(peer)

    assert ask(Client(serve(script).url)).failure is Outcome.RESET


def test_a_close_without_an_answer_is_a_reset(serve: Serve) -> None:
    """FIN after the request was read."""

    def script(peer: socket.socket, number: int) -> None:
        read_request(peer)

    assert ask(Client(serve(script).url)).failure is Outcome.RESET


def test_an_answer_cut_short_is_a_reset(serve: Serve) -> None:
    """Fewer bytes than were announced."""

    def script(peer: socket.socket, number: int) -> None:
        read_request(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    assert ask(Client(serve(script).url)).failure is Outcome.RESET


def test_a_refused_connection_is_a_reset() -> None:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ask(Client(f"http://127.0.0.1:{port}")).failure is Outcome.RESET


def test_what_is_no_http_is_a_fault(serve: Serve) -> None:
    """An answer that makes no sense is the service's fault, not a timeout."""
    client = Client(serve(answering(b"hello, I am no HTTP\r\n\r\n")).url)
    assert ask(client).failure is Outcome.FAULT


def test_nothing_is_sent_twice(serve: Serve) -> None:
    """A connection that breaks under the second request: a RESET, and the server saw it once."""
    seen = []

    def script(peer: socket.socket, number: int) -> None:
        seen.append(read_request(peer))
        peer.sendall(OK)
        seen.append(read_request(peer))
        reset(peer)

    client = Client(serve(script).url)
    assert ask(client).status == 200
    assert ask(client, Request("GET", "/again")).failure is Outcome.RESET
    assert [request.split(b" ")[1] for request in seen] == [b"/", b"/again"]


def test_a_connection_closed_while_idle_is_not_used_again(serve: Serve) -> None:
    """The next request goes out on a fresh one and is answered."""
    closed = threading.Semaphore(0)

    def script(peer: socket.socket, number: int) -> None:
        read_request(peer)
        peer.sendall(OK)
        peer.shutdown(socket.SHUT_RDWR)
        closed.release()

    server = serve(script)
    client = Client(server.url)
    for _ in range(3):
        assert ask(client).status == 200
        assert closed.acquire(timeout=2)  # without the loop: only a look at the socket shows it
    assert server.accepted == 3


def test_the_loop_forgets_what_closed_while_idle(serve: Serve) -> None:
    """A server that hangs up gets its socket closed at once, not at the next request."""
    ended = []

    def script(peer: socket.socket, number: int) -> None:
        read_request(peer)
        peer.sendall(OK)
        peer.shutdown(socket.SHUT_WR)
        ended.append(peer.recv(1))

    client = Client(serve(script).url)
    assert ask(client).status == 200
    with gevent.Timeout(2):
        while not ended:
            gevent.sleep(0.05)
    assert ended == [b""]


def test_a_server_that_asks_for_a_close_gets_one(serve: Serve) -> None:
    """`Connection: close` in the answer: the next request has its own connection."""
    close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    server = serve(answering(close))
    client = Client(server.url)
    assert [ask(client).body, ask(client).body] == [b"ok", b"ok"]
    assert server.accepted == 2


def test_an_idle_connection_is_dropped_before_the_server_would(serve: Serve) -> None:
    """After the idle limit, which is below uvicorn's 5 s; and everything older goes with it."""
    server = serve(answering(OK))
    client = Client(server.url, idle_s=0.05)
    assert ask(client).status == 200
    time.sleep(0.06)
    assert ask(client).status == 200
    assert server.accepted == 2


def test_answers_without_a_length_end_with_the_connection(serve: Serve) -> None:
    """The old way of HTTP/1.0."""

    def script(peer: socket.socket, number: int) -> None:
        read_request(peer)
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nall ")
        peer.sendall(b"of it")

    assert ask(Client(serve(script).url)) == Answer(200, b"all of it")


def test_answers_in_chunks_and_after_an_interim_one_are_whole(serve: Serve) -> None:
    """100 Continue announces an answer and is none."""
    chunks = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
    server = serve(answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n" + chunks))
    client = Client(server.url)
    assert [ask(client), ask(client)] == [Answer(200, b"abcdefg")] * 2
    assert server.accepted == 1


def test_a_large_body_arrives_whole(serve: Serve) -> None:
    """Larger than what a socket takes at once."""
    sizes = []

    def script(peer: socket.socket, number: int) -> None:
        time.sleep(0.05)
        sizes.append(len(read_request(peer).partition(b"\r\n\r\n")[2]))
        peer.sendall(OK)

    photo = bytes(8_000_000)
    assert ask(Client(serve(script).url), Request("PUT", "/photo", photo)).status == 200
    assert sizes == [len(photo)]


def test_an_answer_that_comes_before_the_body_was_sent_counts(serve: Serve) -> None:
    """413, and the server reads no further; that connection is not used again."""

    def script(peer: socket.socket, number: int) -> None:
        peer.recv(1000)
        peer.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        time.sleep(0.5)

    server = serve(script)
    client = Client(server.url)
    assert ask(client, Request("PUT", "/photo", bytes(20_000_000))).status == 413
    assert ask(client, Request("PUT", "/photo", bytes(20_000_000))).status == 413
    assert server.accepted == 2


def test_requests_carry_the_path_the_headers_and_the_length(serve: Serve) -> None:
    """A target may have a path of its own; a POST without a body says so."""
    seen = []

    def script(peer: socket.socket, number: int) -> None:
        while request := read_request(peer):
            seen.append(request)
            peer.sendall(OK)

    server = serve(script)
    client = Client(f"{server.url}/shop/", {"X-Run": "7"})
    ask(client, Request("POST", "/orders?a=1", b"{}", (("Content-Type", "application/json"),)))
    ask(client, Request("POST", "/empty"))
    first, second = seen
    assert first.startswith(b"POST /shop/orders?a=1 HTTP/1.1\r\n")
    assert b"\r\nX-Run: 7\r\n" in first
    assert b"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" in first
    assert f"\r\nHost: {server.url[7:]}\r\n".encode() in first
    assert b"\r\nContent-Length: 0\r\n" in second


def test_many_visitors_ask_at_once_each_on_a_connection(serve: Serve) -> None:
    """Nobody queues inside the generator: 20 slow answers take as long as one."""

    def script(peer: socket.socket, number: int) -> None:
        while read_request(peer):
            time.sleep(0.2)
            peer.sendall(OK)

    server = serve(script)
    client = Client(server.url)
    began = time.monotonic()
    visits = [gevent.spawn(ask, client) for _ in range(20)]
    gevent.joinall(visits)
    assert [visit.get() for visit in visits] == [Answer(200, b"ok")] * 20
    assert time.monotonic() - began < 2  # one after the other would take 4 s
    assert server.accepted == 20


def test_a_target_or_header_that_cannot_be_used_is_named() -> None:
    """With the value and the remedy; a name without an address makes the run invalid."""
    with pytest.raises(InputError, match="write http://HOST:PORT"):
        Client("ftp://127.0.0.1")
    with pytest.raises(InputError, match="NAME: VALUE"):
        Client("http://127.0.0.1:1", {"X-Two": "lines\r\nX-Evil: 1"})
    with pytest.raises(InvalidRunError, match=r"nowhere\.invalid"):
        Client("http://nowhere.invalid")


def test_running_out_of_sockets_is_the_generators_own_fault(serve: Serve) -> None:
    """It must never look like a failure of the service."""
    server = serve(answering(OK))
    client = Client(server.url)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as probe:
        taken = probe.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken, hard))
    try:
        with pytest.raises(InvalidRunError, match="ran out of sockets"):
            ask(client)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and certificate for 127.0.0.1, of one day, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate for the TLS test")
    path = tmp_path / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(path), "-out", str(tmp_path / "only.pem")],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + (tmp_path / "only.pem").read_text())
    return path


def test_https_is_spoken_and_an_unknown_certificate_is_a_reset(
    serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is checked; keep-alive and large bodies work as without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def script(peer: socket.socket, number: int) -> None:
        with context.wrap_socket(peer, server_side=True) as secure:
            while request := read_request(secure):
                size = len(request.partition(b"\r\n\r\n")[2])
                body = b"%d" % size * 20_000
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                secure.sendall(head + body)

    server = serve(script)
    url = server.url.replace("http", "https")
    assert ask(Client(url)).failure is Outcome.RESET
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.parent / "only.pem"))
    client = Client(url)
    answers = [ask(client, Request("PUT", "/", bytes(3_000_000))), ask(client)]
    assert [a.body[:7] for a in answers] == [b"3000000", b"0000000"]
    assert server.accepted == 2
