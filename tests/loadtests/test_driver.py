"""The driver: a visit's words become sleeps and requests, and each attempt becomes a row."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from loadtests.driver import World, walk_visit
from loadtests.exchange import READ_TIMEOUT, RESET, Answer, Request
from loadtests.protocol import Memory, outcome_of
from workload.attack import Attack, with_attack
from workload.durations import constant
from workload.history import History, Observation
from workload.journey import Journey, Patience, Step
from workload.laws import broken
from workload.population import Population, Visitor
from workload.visit import Ending, Outcome

S = 1_000_000_000
ANSWER_NS = S // 10
PATIENCE = Patience(timeout_s=5, connect_timeout_s=2, attempts=2, backoff_s=3, jitter=0, mail_s=60)
BASE = 1000 * S


class FakeTime:
    """A clock that only sleeping and answers move."""

    base = BASE

    def __init__(self) -> None:
        self.at = 0

    def now(self) -> int:
        return self.at

    def sleep_until(self, at: int) -> None:
        self.at = max(self.at, at)


class FakeClient:
    """Answers from a list, each after 0.1 s; remembers what it was asked, and until when."""

    def __init__(self, time: FakeTime, answers: Sequence[Answer]) -> None:
        self.time, self.answers, self.asked = time, iter(answers), list[Any]()

    def ask(self, request: Request, connect_deadline_ns: int, deadline_ns: int) -> Answer:
        self.asked.append((request.path, connect_deadline_ns - BASE, deadline_ns - BASE))
        self.time.at += ANSWER_NS
        return next(self.answers)


class FakeMailbox:
    """Letters after so many seconds; none for a wait beyond the patience."""

    def __init__(self, time: FakeTime, delays_s: Sequence[float]) -> None:
        self.time, self.delays = time, iter(delays_s)

    def wait(self, address: str, kind: str, until: int) -> dict[str, Any] | None:
        there = self.time.at + round(next(self.delays) * S)
        self.time.at = min(there, until)
        return {"token": f"{kind} for {address}"} if there < until else None


class Echo:
    """Says the step as a path, with the token of the mail, and takes the status for the answer.

    After a failure of the same step it says so; the answer "hop" makes it ask once more.
    """

    def request(self, step: str, visitor: Visitor, memory: Memory) -> Request:
        again = "failed" if memory.get("failed") == step else ""
        return Request("GET", f"/{step}?{memory.get('mail', {}).get('token', again)}")

    def outcome(self, step: str, status: int, body: bytes, memory: Memory) -> Outcome | Request:
        if body == b"hop":
            return Request("GET", "/hop")
        return Outcome.PENDING if body == b"wait" else outcome_of(status)


def walk(
    steps: Sequence[Step], answers: Sequence[Answer], delays_s: Sequence[float] = ()
) -> tuple[list[Observation], FakeClient, Ending]:
    rows: list[Observation] = []
    time, journey = FakeTime(), Journey(tuple(steps))
    client = FakeClient(time, answers)
    people = Population({"31": 1.0})
    world = World(
        journey.names, journey.itinerary(), 1, people, Echo(), client,
        FakeMailbox(time, delays_s), time, lambda: None, lambda row, _: rows.append(row),
    )  # fmt: skip
    time.sleep_until(7 * S)
    ending = walk_visit(world, 4, 7 * S)
    assert broken(History.of(journey.names, rows)) == []
    return rows, client, ending


def times(row: Observation) -> tuple[float, float, float]:
    return row.intended / S, row.started / S, row.ended / S


OK = Answer(200)


def test_a_pause_counts_from_the_end_of_the_attempt_before() -> None:
    """Arrival 7 s, answer 0.1 s, pause 2 s: the second step is intended at 9.1 s."""
    steps = [Step("open_site"), Step("register", pause=constant(2))]
    rows, client, ending = walk(steps, [OK, OK])
    assert [times(row) for row in rows] == [(7.0, 7.0, 7.1), (9.1, 9.1, 9.2)]
    assert [row.arrived for row in rows] == [7 * S, 7 * S]
    assert [row.ending for row in rows] == [Ending.OPEN, Ending.FINISHED]
    assert ending is Ending.FINISHED
    assert client.asked[0] == ("/open_site?", 7 * S + 5 * S, 7 * S + 10 * S)


def test_deadlines_are_the_steps_patience() -> None:
    """Connect and answer, counted from the moment of sending."""
    _, client, _ = walk([Step("register", patience=PATIENCE)], [OK])
    assert client.asked == [("/register?", 9 * S, 12 * S)]


def test_a_failure_is_tried_again_after_the_backoff_until_patience_ends() -> None:
    """Two attempts, 3 s apart; the visitor gives up, and the rows say why."""
    rows, _, ending = walk([Step("register", patience=PATIENCE)], [READ_TIMEOUT, RESET])
    assert [(row.number, row.outcome, row.status) for row in rows] == [
        (1, Outcome.READ_TIMEOUT, 0),
        (2, Outcome.RESET, 0),
    ]
    assert times(rows[1])[0] == pytest.approx(7.1 + 3)
    assert ending is Ending.GAVE_UP


@pytest.mark.parametrize(("status", "outcome"), [(503, Outcome.OVERLOADED), (404, Outcome.REFUSED)])
def test_the_protocol_says_what_a_status_means(status: int, outcome: Outcome) -> None:
    """Refused ends the visit, overloaded is tried again."""
    rows, _, ending = walk([Step("register", patience=PATIENCE)], [Answer(status)] * 2)
    assert rows[0].outcome == outcome
    assert rows[0].status == status
    assert ending is (Ending.TURNED_AWAY if outcome is Outcome.REFUSED else Ending.GAVE_UP)


def test_an_attempt_that_waits_for_mail_is_intended_when_the_mail_is_there() -> None:
    """The mail's way is no latency of the step; its token reaches the request."""
    steps = [Step("verify_email", mail="verify", patience=PATIENCE)]
    rows, client, _ = walk(steps, [OK], delays_s=[4])
    assert times(rows[0]) == (11.0, 11.0, 11.1)
    assert client.asked[0][0] == "/verify_email?verify for v4.1@example.com"


def test_a_step_of_several_requests_is_one_attempt() -> None:
    """One row, from the first request to the last answer, within one timeout; all bytes count."""
    hops = [Answer(200, b"hop"), Answer(201, b"hop"), Answer(202)]
    rows, client, ending = walk([Step("upload_photo", patience=PATIENCE)], hops)
    assert [(*times(row)[:2], row.status) for row in rows] == [(7.0, 7.0, 202)]
    assert times(rows[0])[2] == pytest.approx(7.3)
    assert ending is Ending.FINISHED
    deadlines = [(path, connect / S, last / S) for path, connect, last in client.asked]
    assert deadlines == [
        ("/upload_photo?", 9.0, 12.0),
        ("/hop", pytest.approx(9.1), 12.0),
        ("/hop", pytest.approx(9.2), 12.0),
    ]


@pytest.mark.parametrize(
    ("second", "outcome"), [(RESET, Outcome.RESET), (Answer(503), Outcome.OVERLOADED)]
)
def test_a_failure_in_the_middle_of_a_step_fails_the_attempt(
    second: Answer, outcome: Outcome
) -> None:
    """The next attempt begins at the first request again."""
    answers = [Answer(200, b"hop"), second, Answer(200)]
    rows, client, _ = walk([Step("upload_photo", patience=PATIENCE)], answers)
    assert [row.outcome for row in rows] == [outcome, Outcome.ACCEPTED]
    assert [path for path, *_ in client.asked] == ["/upload_photo?", "/hop", "/upload_photo?failed"]


def test_a_mail_that_does_not_come_is_an_attempt_without_a_request() -> None:
    """It lasts as long as the patience, which is spent once: the visitor gives up."""
    steps = [Step("verify_email", mail="verify", patience=PATIENCE)]
    rows, client, ending = walk(steps, [], delays_s=[90])
    assert [(row.outcome, row.status) for row in rows] == [(Outcome.NO_MAIL, 0)]
    assert times(rows[0]) == (7.0, 7.0, 67.0)
    assert client.asked == []
    assert ending is Ending.GAVE_UP


def test_polls_are_numbered_and_paused_between() -> None:
    """Pending is an answer: it costs no attempt, and the last one waits for the mail."""
    steps = [Step("await_identity", polls=2, poll_s=5, poll_cap_s=60, mail="result")]
    rows, _, _ = walk(steps, [Answer(200, b"wait")] * 2 + [OK], delays_s=[8])
    assert [row.outcome for row in rows] == [Outcome.PENDING, Outcome.PENDING, Outcome.ACCEPTED]
    assert [row.intended / S for row in rows] == pytest.approx([7.0, 17.1, 25.2])


def test_the_same_visitor_intends_the_same_whatever_the_service_does() -> None:
    """Pauses are addressed by visitor and step: a slow answer moves them, and changes none."""
    steps = [Step("open_site"), Step("register", pause=constant(1), patience=PATIENCE)]

    def gaps(answers: Iterator[Answer]) -> float:
        rows, _, _ = walk(steps, list(answers))
        first = next(row for row in rows if row.step == 1)
        before = max(row.ended for row in rows if row.step == 0)
        return (first.intended - before) / S

    assert gaps(iter([OK, OK])) == gaps(iter([Answer(503), OK, Answer(503), OK])) == 1.0


def test_an_attacker_does_what_people_do_without_a_pause_and_in_rows_of_their_own() -> None:
    """Again at once after a failure, at the path of the people's step."""
    attack = Attack(1.0, 0.0, 9.0, ("open_site", "register"), attempts=2, timeout_s=1.0)
    journey = with_attack(Journey((Step("open_site"), Step("register", pause=constant(2)))), attack)
    rows: list[Observation] = []
    time = FakeTime()
    client = FakeClient(time, [OK, Answer(503), OK])
    world = World(
        journey.names, journey.itinerary(), 1, Population({"31": 1.0}), Echo(), client,
        FakeMailbox(time, ()), time, lambda: None, lambda row, _: rows.append(row), 100,
    )  # fmt: skip
    assert walk_visit(world, 100, 0) is Ending.FINISHED
    assert [path.partition("?")[0] for path, _, _ in client.asked] == [
        "/open_site", "/register", "/register"
    ]  # fmt: skip
    assert [(row.step, row.number) for row in rows] == [(2, 1), (3, 1), (3, 2)]
    assert [times(row)[0] for row in rows] == pytest.approx([0.0, 0.1, 0.2])
    assert broken(History.of(journey.names, rows)) == []
