"""The reference protocol: what each step says, and what each answer means."""

import json
import os
from pathlib import Path
from uuid import UUID

import pytest

from loadtests.protocol import (
    DEFAULT,
    Memory,
    ReferenceProtocol,
    anywhere,
    load_protocol,
    outcome_of,
)
from workload.errors import InputError
from workload.population import Population
from workload.visit import Outcome

VISITOR = Population({"31": 1.0}).visitor(1, 7)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.ACCEPTED), (201, Outcome.ACCEPTED), (204, Outcome.ACCEPTED),
        (301, Outcome.FAULT), (400, Outcome.REFUSED), (404, Outcome.REFUSED),
        (422, Outcome.REFUSED), (429, Outcome.OVERLOADED), (500, Outcome.FAULT),
        (502, Outcome.FAULT), (503, Outcome.OVERLOADED), (504, Outcome.FAULT),
    ],
)  # fmt: skip
def test_a_status_alone_has_a_meaning(status: int, outcome: Outcome) -> None:
    """For every protocol that has nothing more to say."""
    assert outcome_of(status) is outcome


def test_each_step_says_what_the_service_expects() -> None:
    """Method, path and body, with the session and the token that came before."""
    protocol = ReferenceProtocol()
    memory: Memory = {"mail": {"token": "t"}}
    assert protocol.request("open_site", VISITOR, memory)[:2] == ("GET", "/")
    register = protocol.request("register", VISITOR, memory)
    assert register[:2] == ("POST", "/registrations")
    assert json.loads(register.body) == {
        "request_id": VISITOR.request_id, "email": VISITOR.email, "name": VISITOR.name,
        "phone": VISITOR.phone, "consent": True,
    }  # fmt: skip
    answer = b'{"registration":"r","session":"s"}'
    assert protocol.outcome("register", 201, answer, memory) is Outcome.ACCEPTED
    verify = protocol.request("verify_email", VISITOR, memory)
    assert (verify.path, json.loads(verify.body)) == ("/email-verifications", {"token": "t"})
    submit = protocol.request("submit_identity", VISITOR, memory)
    assert ("Authorization", "Bearer s") in submit.headers
    assert json.loads(submit.body)["birth_date"] == VISITOR.birth_date.isoformat()
    poll = protocol.request("await_identity", VISITOR, memory)
    assert poll == ("GET", "/identity-checks/mine", b"", (("Authorization", "Bearer s"),))


@pytest.mark.parametrize(
    ("step", "body", "outcome"),
    [
        ("submit_identity", b'{"status":"queued"}', Outcome.ACCEPTED),
        ("submit_identity", b'{"status":"verified"}', Outcome.ACCEPTED),
        ("submit_identity", b'{"status":"rejected"}', Outcome.DECLINED),
        ("await_identity", b'{"status":"queued"}', Outcome.PENDING),
        ("await_identity", b'{"status":"verified"}', Outcome.ACCEPTED),
        ("await_identity", b'{"status":"rejected"}', Outcome.DECLINED),
        ("await_identity", b'{"status":"lost"}', Outcome.FAULT),
        ("await_identity", b"<html>", Outcome.FAULT),
        ("register", b'{"registration":"r"}', Outcome.FAULT),
        ("register", b"", Outcome.FAULT),
        ("join_wave", b'{"wave":1}', Outcome.ACCEPTED),
        ("check_result", b'{"result":"drawn","wave":1}', Outcome.ACCEPTED),
        ("check_result", b'{"result":"not_drawn","wave":1}', Outcome.ACCEPTED),
        ("check_result", b'{"result":"pending","wave":1}', Outcome.ACCEPTED),
        ("check_result", b'{"result":"lost"}', Outcome.FAULT),
        ("check_result", b'{"wave":1}', Outcome.FAULT),
        ("call_support", b'{"call":"c"}', Outcome.ACCEPTED),
        ("open_site", b"<html>", Outcome.ACCEPTED),
        ("verify_email", b"anything", Outcome.ACCEPTED),
    ],
)
def test_an_accepted_answer_is_read(step: str, body: bytes, outcome: Outcome) -> None:
    """A decision may be no; an answer that can't be read is the service's fault."""
    assert ReferenceProtocol().outcome(step, 200, body, {}) is outcome


def test_the_programme_is_asked_with_the_session() -> None:
    """Joining and looking for the result need nothing but who one is."""
    protocol, memory = ReferenceProtocol(), {"session": "s"}
    bearer = (("Authorization", "Bearer s"),)
    joined = protocol.request("join_wave", VISITOR, memory)
    assert joined == ("POST", "/waves/current/applications", b"", bearer)
    assert protocol.request("check_result", VISITOR, memory) == (
        "GET",
        "/results/mine",
        b"",
        bearer,
    )


def test_a_call_for_help_names_the_step_that_failed() -> None:
    """A call that fails is the same call again; another failure is another one."""
    protocol, memory = ReferenceProtocol(), Memory(failed="register")
    call = protocol.request("call_support", VISITOR, memory)
    said = json.loads(call.body)
    assert (call.path, said["step"], call.headers) == (
        "/support-calls", "register", (("Content-Type", "application/json"),)
    )  # fmt: skip
    assert UUID(said["request_id"]) != UUID(VISITOR.request_id)
    memory |= {"failed": "call_support", "session": "s"}
    again = protocol.request("call_support", VISITOR, memory)
    assert (again.body, again.headers[1:]) == (call.body, (("Authorization", "Bearer s"),))
    memory["failed"] = "upload_photo"
    other = json.loads(protocol.request("call_support", VISITOR, memory).body)
    assert other["step"] == "upload_photo"
    assert other["request_id"] != said["request_id"]


def test_a_failure_is_not_read() -> None:
    """Whatever its body says."""
    verified = b'{"status":"verified"}'
    assert ReferenceProtocol().outcome("await_identity", 503, verified, {}) is Outcome.OVERLOADED


def test_a_step_that_nobody_speaks_is_an_input_error() -> None:
    """With the steps that are spoken as the remedy."""
    with pytest.raises(InputError, match="the reference protocol speaks open_site"):
        ReferenceProtocol().request("buy_shoes", VISITOR, {})


def test_protocols_are_found_by_name() -> None:
    """module:Class."""
    assert isinstance(load_protocol(DEFAULT), ReferenceProtocol)


def test_a_protocol_may_be_a_file_of_ones_own(tmp_path: Path) -> None:
    """Ten lines somewhere on the disk, named relative to where one stands."""
    shop = tmp_path / "shop.py"
    shop.write_text(
        "from loadtests.exchange import Request\n"
        "from loadtests.protocol import outcome_of\n"
        "class Shop:\n"
        "    def request(self, step, visitor, memory):\n"
        "        return Request('GET', f'/{step}/{visitor.index}')\n"
        "    def outcome(self, step, status, body, memory):\n"
        "        return outcome_of(status)\n"
    )
    name = anywhere(f"{os.path.relpath(shop)}:Shop")
    assert name == f"{shop}:Shop"
    assert load_protocol(name).request("open_site", VISITOR, {}).path == "/open_site/7"
    assert anywhere("shop:Shop") == "shop:Shop"


@pytest.mark.parametrize(
    "name",
    ["/no/such/file.py:Shop", "", "no_such_module:Shop", "loadtests.protocol:Shop", "json:5"],
)
def test_a_protocol_that_is_not_there_is_an_input_error(name: str) -> None:
    """With what went wrong."""
    with pytest.raises(InputError, match="write module:Class"):
        load_protocol(name)
