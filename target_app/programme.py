"""The steps after the identity check: photo, wave, draw, result, and the call for help."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from target_app.bodies import decode
from target_app.calls import Answer, Call, Route, answer
from target_app.database import (
    FAULTS,
    UnavailableError,
    close,
    connect,
    described,
    says_again,
    says_unavailable,
)
from target_app.desk import Desk
from target_app.draw import close_and_draw
from target_app.photo_store import SIZE_LIMIT, PhotoStore, PhotoStoreError
from target_app.problems import Problem, over_capacity
from target_app.settings import Settings
from target_app.wave_bodies import (
    ApplicationAnswer,
    CloseBody,
    PhotoAnswer,
    PhotoBody,
    PhotoTicket,
    ResultAnswer,
    SupportAnswer,
    SupportBody,
    WaveAnswer,
)
from target_app.writes import CALL_SUPPORT, COMPLETE_PHOTO, JOIN_WAVE

READ_VERIFIED = "SELECT status FROM identity_checks WHERE registration = $1"
READ_RESULT = """
SELECT a.wave, a.drawn_wave,
    (SELECT max(w.wave) FROM waves w WHERE w.drawn IS NOT NULL) AS last_drawn
FROM applications a WHERE a.registration = $1
"""


class Programme:
    """Handlers of the steps after the identity check."""

    def __init__(
        self,
        settings: Settings,
        desk: Desk,
        photos: PhotoStore | None,
        demand_admin: Callable[[Call], None],
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._photos = photos  # None: no secret is shared with a store
        self._demand_admin = demand_admin
        self._photo = msgspec.json.Decoder(PhotoBody)
        self._close = msgspec.json.Decoder(CloseBody)
        self._support = msgspec.json.Decoder(SupportBody)

    def _store(self) -> PhotoStore:
        if self._photos is None:
            raise over_capacity("photos: SURGE_PHOTO_SECRET is not set; set it and restart", 60)
        return self._photos

    async def upload_photo(self, call: Call) -> Answer:
        """Leave to upload a photo straight to the store; for people whose identity is verified."""
        person = self._desk.person(call)
        store = self._store()
        row = await self._desk.read(READ_VERIFIED, person)
        if row is None or row[0] != "verified":
            raise Problem(403, "identity: not verified; a photo comes after the identity check")
        ticket = store.ticket(person)
        return answer(201, PhotoTicket(*ticket, SIZE_LIMIT))

    async def complete_photo(self, call: Call) -> Answer:
        """The upload is done; what the store has must be what the person says."""
        person = self._desk.person(call)
        store = self._store()
        (photo,) = call.names
        body = decode(await call.body(), self._photo)
        if not store.owns(person, photo):
            raise Problem(404, f"photo: {photo} is not yours; use the one that you got a URL for")
        try:
            facts = await store.facts(photo)
        except PhotoStoreError as problem:
            raise over_capacity(f"the photo store gives no answer ({problem}); retry") from problem
        if facts is None:
            raise Problem(409, f"photo: {photo} has not arrived; PUT it to its URL first")
        if (facts.sha256, facts.bytes) != (body.sha256, body.bytes):
            raise Problem(422, f"photo: the store has {facts.bytes} bytes, SHA-256 {facts.sha256}")
        row = (person, photo, facts.sha256, facts.bytes)
        outcome, kept = await self._desk.write(COMPLETE_PHOTO, row)
        if kept is None:
            raise Problem(403, "identity: not verified; a photo comes after the identity check")
        return answer(201 if outcome == "created" else 200, PhotoAnswer(kept))

    async def join_wave(self, call: Call) -> Answer:
        """Join the open wave: for everybody who is verified and has a photo, without a cap."""
        outcome, wave = await self._desk.write(JOIN_WAVE, (self._desk.person(call),))
        if outcome == "unverified":
            raise Problem(403, "identity: not verified; joining comes after the identity check")
        if wave is None:
            raise Problem(403, "photo: none; upload one first")
        return answer(201 if outcome == "created" else 200, ApplicationAnswer(int(wave)))

    async def close_wave(self, call: Call) -> Answer:
        """Close the open wave, draw its seats, open the next wave; for the operator only."""
        self._demand_admin(call)
        body = decode(await call.body() or b"{}", self._close)
        quota = self._settings.wave_quota
        seats = quota if body.seats is None else body.seats
        if seats > quota:
            raise Problem(
                422, f"seats: {seats} is above the quota, {quota}; give less, or SURGE_WAVE_QUOTA"
            )
        try:
            connection = await connect(self._settings.database_url)
        except UnavailableError as problem:
            raise over_capacity(str(problem)) from problem
        try:
            row = await close_and_draw(connection, seats, body.seed, body.wave)
        except FAULTS as problem:
            if not says_unavailable(problem) and not says_again(problem):
                raise
            raise over_capacity(f"the wave is not closed ({described(problem)})") from problem
        finally:
            await close(connection)
        if row is None:
            raise Problem(
                409, f"wave: {body.wave} has not been opened; leave it out for the open one"
            )
        told = (row["wave"], row["quota"], int(row["seed"]), row["joined"], row["drawn"])
        return answer(200, WaveAnswer(*told))

    async def check_result(self, call: Call) -> Answer:
        """The result of the draw for the person who asks."""
        row = await self._desk.read(READ_RESULT, self._desk.person(call))
        if row is None:
            raise Problem(404, "application: none; join a wave first")
        if row["drawn_wave"] is not None:
            return answer(200, ResultAnswer("drawn", row["drawn_wave"]))
        if row["last_drawn"] is not None and row["last_drawn"] >= row["wave"]:
            return answer(200, ResultAnswer("not_drawn", row["last_drawn"]))
        return answer(200, ResultAnswer("pending", row["wave"]))

    async def call_support(self, call: Call) -> Answer:
        """A call for help from any step; a session is welcome, and not needed."""
        person = self._desk.person(call) if call.bearer() is not None else None
        body = decode(await call.body(), self._support)
        row = (body.request_id, person, body.step, body.words)
        outcome, _ = await self._desk.write(CALL_SUPPORT, row)
        return answer(201 if outcome == "created" else 200, SupportAnswer(str(body.request_id)))

    def routes(self) -> list[Route]:
        """The programme's lines of the route table."""
        refused = {401: "no session, or a forged one", 503: "over capacity; retry later"}
        return [
            Route("upload_photo", "POST", "/photos", self.upload_photo,
                  "Ask for a URL to upload a photo to", None,
                  {201: PhotoTicket, 403: "identity not verified", **refused}, "session"),
            Route("complete_photo", "POST", "/photos/{photo}/complete", self.complete_photo,
                  "Say that the photo is uploaded", PhotoBody,
                  {201: PhotoAnswer, 200: PhotoAnswer, 403: "identity not verified",
                   404: "not your photo", 409: "the photo has not arrived",
                   422: "malformed, or not what the store has", **refused}, "session"),
            Route("join_wave", "POST", "/waves/current/applications", self.join_wave,
                  "Join the open wave", None,
                  {201: ApplicationAnswer, 200: ApplicationAnswer,
                   403: "identity not verified, or no photo", **refused}, "session"),
            Route("close_wave", "POST", "/waves/current/close", self.close_wave,
                  "Close the wave and draw", CloseBody,
                  {200: WaveAnswer, 401: "no admin token", 403: "no admin token is set",
                   409: "that wave is not open", 422: "malformed", 503: refused[503]},
                  "admin", counted=False),
            Route("check_result", "GET", "/results/mine", self.check_result,
                  "Was I drawn?", None,
                  {200: ResultAnswer, 404: "not joined", **refused}, "session"),
            Route("call_support", "POST", "/support-calls", self.call_support,
                  "Call for help", SupportBody,
                  {201: SupportAnswer, 200: SupportAnswer, 422: "malformed", **refused}),
        ]  # fmt: skip
