"""How a step is said in HTTP, and what an answer means: the reference journey, or a stranger's own.

An own protocol is a class with these two methods, made once per worker without arguments, chosen by
``--protocol module:Class`` or ``--protocol path/to/file.py:Class``. ``memory`` is a dict that lives
as long as the visit: keep the session and tokens of one visitor there.

    class Shop:
        def request(self, step, visitor, memory):
            return Request("GET", "/")

        def outcome(self, step, status, body, memory):
            return outcome_of(status)
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Protocol

import msgspec

from loadtests.exchange import Request
from workload.errors import Fault, InputError
from workload.population import Visitor
from workload.visit import Outcome

Memory = dict[str, Any]
DEFAULT: Final = "loadtests.protocol:ReferenceProtocol"
JSON: Final = ("Content-Type", "application/json")


class JourneyProtocol(Protocol):
    """Both methods are called between two instants that are measured: keep them short."""

    def request(self, step: str, visitor: Visitor, memory: Memory) -> Request:
        """The request of an attempt at a step."""

    def outcome(self, step: str, status: int, body: bytes, memory: Memory) -> Outcome:
        """What an answer means to the visitor; what later steps need goes into the memory."""


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


DECISIONS: Final = {
    "queued": Outcome.PENDING,
    "verified": Outcome.ACCEPTED,
    "rejected": Outcome.DECLINED,
}


class ReferenceProtocol:
    """The journey of the reference service, from open_site to await_identity."""

    def __init__(self) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._registered = msgspec.json.Decoder(Registered).decode
        self._checked = msgspec.json.Decoder(Checked).decode
        self._requests = {
            "open_site": self._open_site,
            "register": self._register,
            "verify_email": self._verify_email,
            "submit_identity": self._submit_identity,
            "await_identity": self._await_identity,
        }

    def request(self, step: str, visitor: Visitor, memory: Memory) -> Request:
        """Raises InputError for a step that this protocol does not speak."""
        make = self._requests.get(step)
        if make is None:
            remedy = f"the reference protocol speaks {', '.join(self._requests)}; give --protocol"
            raise InputError("journey", [Fault("steps", step, remedy)])
        return make(visitor, memory)

    def outcome(self, step: str, status: int, body: bytes, memory: Memory) -> Outcome:
        """An accepted answer that can't be read is a FAULT."""
        plain = outcome_of(status)
        if plain is not Outcome.ACCEPTED:
            return plain
        try:
            if step == "register":
                memory["session"] = self._registered(body).session
            elif step == "submit_identity":
                decided = DECISIONS[self._checked(body).status]
                return Outcome.DECLINED if decided is Outcome.DECLINED else Outcome.ACCEPTED
            elif step == "await_identity":
                return DECISIONS[self._checked(body).status]
        except (msgspec.DecodeError, KeyError):
            return Outcome.FAULT
        return plain

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
