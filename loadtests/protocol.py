"""How a step is said in HTTP, and what an answer means: the reference journey, or a stranger's own.

An own protocol is a class with these two methods, made once per worker without arguments, chosen by
``--protocol module:Class`` or ``--protocol path/to/file.py:Class``. ``memory`` is a dict that lives
as long as the visit: keep the session and tokens of one visitor there.

    class Shop:
        def request(self, step, visitor, memory):
            return Request("GET", "/")

        def outcome(self, step, status, body, memory):
            return outcome_of(status)

A step that takes several requests is one attempt: `outcome` then gives the next Request instead of
an Outcome, within the same timeout. The path of a Request may be a URL of another host, to which
the target has sent its visitors. Before a request the memory holds what the visitor knows by then:
``memory["mail"]`` the letter that the step has waited for, ``memory["failed"]`` the name of the
step whose latest attempt failed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol
from uuid import UUID, uuid5

import msgspec

from loadtests.exchange import Request
from loadtests.photo import Camera
from loadtests.upload import JSON, Upload
from workload.errors import Fault, InputError
from workload.population import Visitor
from workload.visit import Outcome

Memory = dict[str, Any]
DEFAULT: Final = "loadtests.protocol:ReferenceProtocol"


class JourneyProtocol(Protocol):
    """Both methods are called between two instants that are measured: keep them short."""

    def request(self, step: str, visitor: Visitor, memory: Memory) -> Request:
        """The request of an attempt at a step."""

    def outcome(self, step: str, status: int, body: bytes, memory: Memory) -> Outcome | Request:
        """What an answer means to the visitor, or the request that the attempt goes on with.

        What later steps need goes into the memory.
        """


def outcome_of(status: int) -> Outcome:
    """The outcome that a status stands for when nothing more is known. Redirects are a fault."""
    if 200 <= status < 300:
        return Outcome.ACCEPTED
    if status in (429, 503):
        return Outcome.OVERLOADED
    if 400 <= status < 500:
        return Outcome.REFUSED
    return Outcome.FAULT


class Registered(msgspec.Struct):
    """Answer to `register`."""

    session: str


class Checked(msgspec.Struct):
    """Answer to `submit_identity` and `await_identity`."""

    status: str


class Drawn(msgspec.Struct):
    """Answer to `check_result`."""

    result: str


DECISIONS: Final = {
    "queued": Outcome.PENDING,
    "verified": Outcome.ACCEPTED,
    "rejected": Outcome.DECLINED,
}
#: Each is an answer to "was I drawn?", and ends the step: who is not drawn stays in the pool, and
#: who asks before the draw is told so. People look once; nobody polls a draw.
RESULTS: Final = ("drawn", "not_drawn", "pending")


class ReferenceProtocol:
    """The journey of the reference service, from open_site to check_result, and call_support."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._camera = Camera()
        self._registered = msgspec.json.Decoder(Registered).decode
        self._checked = msgspec.json.Decoder(Checked).decode
        self._drawn = msgspec.json.Decoder(Drawn).decode
        self._requests = {
            "open_site": self._open_site,
            "register": self._register,
            "verify_email": self._verify_email,
            "submit_identity": self._submit_identity,
            "await_identity": self._await_identity,
            "upload_photo": self._upload_photo,
            "join_wave": self._join_wave,
            "check_result": self._check_result,
            "call_support": self._call_support,
        }
        self._readers: dict[str, Callable[[bytes, Memory], Outcome | Request]] = {
            "register": self._read_session,
            "submit_identity": self._read_submitted,
            "await_identity": self._read_decision,
            "upload_photo": self._read_upload,
            "check_result": self._read_result,
        }

    def request(self, step: str, visitor: Visitor, memory: Memory) -> Request:
        """Raises InputError for a step that this protocol does not speak."""
        make = self._requests.get(step)
        if make is None:
            remedy = f"the reference protocol speaks {', '.join(self._requests)}; give --protocol"
            raise InputError("journey", [Fault("steps", step, remedy)])
        return make(visitor, memory)

    def outcome(self, step: str, status: int, body: bytes, memory: Memory) -> Outcome | Request:
        """An accepted answer that can't be read is a FAULT."""
        plain, read = outcome_of(status), self._readers.get(step)
        if plain is not Outcome.ACCEPTED or read is None:
            return plain
        try:
            return read(body, memory)
        except (msgspec.DecodeError, KeyError):
            return Outcome.FAULT

    # What is asked.

    def _open_site(self, visitor: Visitor, memory: Memory) -> Request:
        return Request("GET", "/")

    def _register(self, visitor: Visitor, memory: Memory) -> Request:
        body = {
            "request_id": visitor.request_id,
            "email": visitor.email,
            "name": visitor.name,
            "phone": visitor.phone,
            "consent": True,
        }
        return Request("POST", "/registrations", self._encode(body), (JSON,))

    def _verify_email(self, visitor: Visitor, memory: Memory) -> Request:
        body = self._encode({"token": memory["mail"]["token"]})
        return Request("POST", "/email-verifications", body, (JSON,))

    def _submit_identity(self, visitor: Visitor, memory: Memory) -> Request:
        body = {
            "nik": visitor.nik,
            "family_card": visitor.family_card,
            "name": visitor.name,
            "birth_date": visitor.birth_date,
            "address": visitor.address,
            "phone": visitor.phone,
        }
        headers = (JSON, _bearer(memory))
        return Request("POST", "/identity-checks", self._encode(body), headers)

    def _await_identity(self, visitor: Visitor, memory: Memory) -> Request:
        return Request("GET", "/identity-checks/mine", headers=(_bearer(memory),))

    def _upload_photo(self, visitor: Visitor, memory: Memory) -> Request:
        upload = memory["upload"] = Upload(self._camera.photo(visitor), _bearer(memory))
        return upload.begin()

    def _join_wave(self, visitor: Visitor, memory: Memory) -> Request:
        return Request("POST", "/waves/current/applications", headers=(_bearer(memory),))

    def _check_result(self, visitor: Visitor, memory: Memory) -> Request:
        return Request("GET", "/results/mine", headers=(_bearer(memory),))

    def _call_support(self, visitor: Visitor, memory: Memory) -> Request:
        """About the step that failed; a call that failed itself is repeated, not another one."""
        failed = memory["failed"]
        if failed != "call_support":
            request_id = str(uuid5(UUID(visitor.request_id), failed))
            memory["call"] = self._encode({"request_id": request_id, "step": failed})
        session = (_bearer(memory),) if "session" in memory else ()
        return Request("POST", "/support-calls", memory["call"], (JSON, *session))

    # What is answered.

    def _read_session(self, body: bytes, memory: Memory) -> Outcome:
        memory["session"] = self._registered(body).session
        return Outcome.ACCEPTED

    def _read_submitted(self, body: bytes, memory: Memory) -> Outcome:
        decided = DECISIONS[self._checked(body).status]
        return Outcome.DECLINED if decided is Outcome.DECLINED else Outcome.ACCEPTED

    def _read_decision(self, body: bytes, memory: Memory) -> Outcome:
        return DECISIONS[self._checked(body).status]

    def _read_upload(self, body: bytes, memory: Memory) -> Outcome | Request:
        upload: Upload = memory["upload"]
        return upload.hear(body)

    def _read_result(self, body: bytes, memory: Memory) -> Outcome:
        return Outcome.ACCEPTED if self._drawn(body).result in RESULTS else Outcome.FAULT


def _bearer(memory: Memory) -> tuple[str, str]:
    return "Authorization", f"Bearer {memory['session']}"


def anywhere(name: str) -> str:
    """The name of a protocol that is good in every folder: a file's path made absolute."""
    where, colon, attribute = name.rpartition(":")
    return f"{Path(where).resolve()}{colon}{attribute}" if where.endswith(".py") else name


def load_protocol(name: str) -> JourneyProtocol:
    """An instance of ``module:Class`` or ``file.py:Class``; InputError says what is wrong with it.

    An error inside the module comes out as it is: it is the author's to see.
    """
    where, _, attribute = name.rpartition(":")
    try:
        module = _from_file(Path(where)) if where.endswith(".py") else import_module(where)
        made: JourneyProtocol = getattr(module, attribute)()
    except (ImportError, AttributeError, ValueError, TypeError, OSError) as error:
        remedy = f"write module:Class or path/to/file.py:Class ({error})"
        raise InputError("protocol", [Fault("protocol", name, remedy)]) from error
    return made


def _from_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
