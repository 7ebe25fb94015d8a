"""The steps that people walk, from open_site to await_identity."""

from __future__ import annotations

from urllib.parse import parse_qs

import msgspec

from target_app import pages
from target_app.bodies import (
    EmailAnswer,
    EmailVerificationBody,
    IdentityAnswer,
    IdentityBody,
    RegistrationAnswer,
    RegistrationBody,
    decode,
    demand_consent,
    demand_nik,
)
from target_app.calls import HTML, Answer, Call, Route, answer
from target_app.desk import Desk
from target_app.problems import Problem, over_capacity
from target_app.registry_client import RegistryClient, RegistryError, RegistryRefusedError
from target_app.settings import Settings
from target_app.tokens import Signer, new_name
from target_app.writes import REGISTER, SUBMIT_IDENTITY, VERIFY_EMAIL

READ_STATUS = "SELECT status FROM identity_checks WHERE registration = $1"
VERIFIED = EmailAnswer("verified")


class Journey:
    """Handlers of the journey's steps at the desk."""

    def __init__(self, settings: Settings, desk: Desk, registry: RegistryClient | None) -> None:
        self._desk = desk
        self._registry = registry  # None: identity checks are queued
        self._letters = Signer(settings.secret, "e-mail")
        self._link = f"{settings.public_url}/email-verifications?token="
        self._registration = msgspec.json.Decoder(RegistrationBody)
        self._verification = msgspec.json.Decoder(EmailVerificationBody)
        self._identity = msgspec.json.Decoder(IdentityBody)

    async def open_site(self, call: Call) -> Answer:
        """The first page."""
        return Answer(200, pages.HOME, HTML)

    async def register(self, call: Call) -> Answer:
        """A new registration and its mail, or the old one again."""
        body = decode(await call.body(), self._registration)
        demand_consent(body)
        name = new_name()
        link = self._link + self._letters.sign(name)
        row = (name, body.request_id, body.email.lower(), body.name, body.phone, link)
        outcome, known = await self._desk.write(REGISTER, row)
        if outcome == "created":
            return answer(201, RegistrationAnswer(name, self._desk.sessions.sign(name)))
        if outcome == "repeated" and known:
            return answer(200, RegistrationAnswer(known, self._desk.sessions.sign(known)))
        if outcome == "taken":
            raise Problem(409, f"email: {body.email} is registered already; use another address")
        raise Problem(
            409, f"request_id: {body.request_id} belongs to another e-mail; choose a new one"
        )

    async def confirm_email(self, call: Call) -> Answer:
        """The page behind the link in the mail."""
        token = parse_qs(call.query()).get("token", [""])[0]
        return Answer(200, pages.confirm_email(token), HTML)

    async def verify_email(self, call: Call) -> Answer:
        """The address is the person's: the token came by mail."""
        body = decode(await call.body(), self._verification)
        name = self._letters.open(body.token)
        if name is not None:
            outcome, _ = await self._desk.write(VERIFY_EMAIL, (name,))
            if outcome == "verified":
                return answer(200, VERIFIED)
        raise Problem(404, "token: unknown; use the link in the newest mail")

    async def submit_identity(self, call: Call) -> Answer:
        """An identity to check: into the queue, or at once when the service is set so."""
        name = self._desk.person(call)
        body = decode(await call.body(), self._identity)
        demand_nik(body.nik)
        status = "queued"
        if self._registry is not None:
            status = await self._decided(self._registry, body)
        row = (name, body.nik, body.family_card, body.name, body.birth_date, body.address,
               body.phone, status)  # fmt: skip
        outcome, current = await self._desk.write(SUBMIT_IDENTITY, row)
        if outcome == "unverified" or current is None:
            raise Problem(403, "email: not verified; follow the link in the mail first")
        return answer(202 if current == "queued" else 200, IdentityAnswer(current))

    async def _decided(self, registry: RegistryClient, body: IdentityBody) -> str:
        """The registry's verdict, while the person waits: the design that failed in 2020.

        Nothing limits the waiting for a slot but the person's patience; admission may.
        """
        try:
            known = await registry.check(body.nik, body.name, body.birth_date.isoformat())
        except RegistryRefusedError:
            known = False
        except RegistryError as problem:
            raise over_capacity(
                f"the civil registry gives no answer ({problem}); retry"
            ) from problem
        return "verified" if known else "rejected"

    async def await_identity(self, call: Call) -> Answer:
        """How the identity check stands."""
        row = await self._desk.read(READ_STATUS, self._desk.person(call))
        if row is None:
            raise Problem(404, "identity check: none submitted; submit one first")
        return answer(200, IdentityAnswer(row[0]))

    def routes(self) -> list[Route]:
        """The journey's lines of the route table."""
        refused = {401: "no session, or a forged one", 503: "over capacity; retry later"}
        return [
            Route("open_site", "GET", "/", self.open_site, "The first page",
                  answers={200: "the page"}, media="text/html"),
            Route("register", "POST", "/registrations", self.register, "Register a person",
                  RegistrationBody,
                  {201: RegistrationAnswer, 200: RegistrationAnswer,
                   409: "the e-mail is taken, or the request_id", 422: "malformed",
                   503: refused[503]}),
            Route("confirm_email", "GET", "/email-verifications", self.confirm_email,
                  "The page behind the link in the mail", answers={200: "the page"},
                  media="text/html"),
            Route("verify_email", "POST", "/email-verifications", self.verify_email,
                  "Verify an e-mail address", EmailVerificationBody,
                  {200: EmailAnswer, 404: "unknown token", 422: "malformed", 503: refused[503]}),
            Route("submit_identity", "POST", "/identity-checks", self.submit_identity,
                  "Submit an identity to the civil registry", IdentityBody,
                  {202: IdentityAnswer, 200: IdentityAnswer, 403: "e-mail not verified",
                   422: "malformed, or no possible NIK", **refused}, "session"),
            Route("await_identity", "GET", "/identity-checks/mine", self.await_identity,
                  "How my identity check stands", None,
                  {200: IdentityAnswer, 404: "none submitted", **refused}, "session"),
        ]  # fmt: skip
