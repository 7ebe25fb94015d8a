"""The service's composition root: `create_app(settings)` builds everything, anew each time.

The application is a FastAPI application whose hot paths never reach FastAPI: a thin dispatcher
answers the routes of the table, FastAPI answers the rest (documentation, unknown paths).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from target_app import openapi
from target_app.admission import admission
from target_app.batcher import WriteBatcher
from target_app.calls import Answer, Call, Route, Stream
from target_app.connection_pool import ConnectionPool
from target_app.database import Schema
from target_app.desk import Desk
from target_app.instruments import Instruments, open_page
from target_app.journey import Journey
from target_app.loop_probe import LoopProbe
from target_app.operations import Operations
from target_app.pause_probe import PauseProbe
from target_app.photo_store import PhotoStore
from target_app.problems import MEDIA, Problem
from target_app.programme import Programme
from target_app.registry_client import RegistryClient
from target_app.settings import Settings
from target_app.slices import Slices
from target_app.stations import STEPS, RouteInstruments, ServiceInstruments

VERSION = "1.0"
ABOUT = "A registration service with a known peak, built to be measured and modelled."
SAMPLE_EVERY = 8  # reading the CPU clock is a system call: not for every request
USE_EVERY_S = 0.25
FIRST_CONNECTION_S = 3.0  # a worker whose database stays away serves all the same, and says so

log = logging.getLogger("surge.service")


class Service(FastAPI):
    """FastAPI with the dispatcher in front."""

    def __init__(self, settings: Settings, instruments: Instruments) -> None:
        super().__init__(title="Surge registration", version=VERSION, lifespan=self._lifespan)
        self.settings = settings
        self.schema = Schema(settings.database_url)
        self.table: list[Route] = []
        self._open_parts(instruments)
        self._static: dict[str, dict[str, Route]] = {}
        self._variable: list[tuple[re.Pattern[str], dict[str, Route]]] = []
        self._bound: dict[str, RouteInstruments] = {}
        for route in self.table:
            self._add(route)
        self.add_exception_handler(HTTPException, _as_problem)

    def _open_parts(self, instruments: Instruments) -> None:
        """Build table, instruments, batcher and pool; the table's steps name the instruments."""
        settings = self.settings
        self.admission = admission(settings)
        self.in_flight = 0
        self.pool = ConnectionPool(self.schema.connect, settings.pool)
        self.measured = ServiceInstruments(instruments, STEPS)
        self.batcher = WriteBatcher(
            self.schema.connect, settings.lanes, settings.batch_rows, self.measured
        )
        self._loop_wait = self.measured.stations.wait["event_loop"]
        self._loop_service = self.measured.stations.service["event_loop"]
        desk = Desk(settings.secret, self.batcher, self.pool, self.measured.stations)
        self.registry = self._registry() if settings.identity_check == "inline" else None
        journey = Journey(settings, desk, self.registry)
        operations = Operations(settings, self.pool, self.exposition)
        self.photos = self._photo_store() if settings.photo_secret else None
        programme = Programme(settings, desk, self.photos, operations.demand_admin)
        self.table = journey.routes() + programme.routes() + operations.routes()

    def _registry(self) -> RegistryClient:
        """This worker's share of the registry's slots and quota."""
        settings = self.settings
        stations = self.measured.stations

        def called(waited_s: float, took_s: float) -> None:
            stations.wait["registry_client"].record(waited_s)
            stations.service["registry_client"].record(took_s)

        return RegistryClient(
            settings.registry_url,
            max(1, settings.registry_slots // settings.workers),
            settings.registry_quota_per_s / settings.workers,
            settings.registry_timeout_s,
            called,
        )

    def _photo_store(self) -> PhotoStore:
        settings = self.settings
        asked = self.measured.photo_store.record
        return PhotoStore(settings.photos_url, settings.photo_secret, asked)

    def _add(self, route: Route) -> None:
        if "{" in route.path:
            pattern = re.compile(re.sub(r"{\w+}", "([^/]+)", route.path))
            known = {p.pattern: methods for p, methods in self._variable}
            methods = known.get(pattern.pattern)
            if methods is None:
                methods = {}
                self._variable.append((pattern, methods))
        else:
            methods = self._static.setdefault(route.path, {})
        methods[route.method] = route
        self._bound[route.step] = RouteInstruments(self.measured, route.step)

    def exposition(self) -> bytes:
        """The Prometheus text, up to now."""
        self._update()
        return self.measured.instruments.text()

    def _update(self) -> None:
        self.measured.process.update()
        self.measured.pool_size.put(self.pool.open)
        self.measured.in_flight.put(self.in_flight)

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        self.batcher.start()
        self.pool.start()
        await self._connected()
        watch = asyncio.create_task(self._watch())
        probe = LoopProbe(self.measured.loop_lag.record)
        probe.start()
        pauses = PauseProbe(self.measured.pause.record)
        pauses.start()
        try:
            yield
        finally:
            watch.cancel()
            probe.stop()
            pauses.stop()
            await self.batcher.stop()
            await self.pool.stop()
            for upstream in (self.registry, self.photos):
                if upstream is not None:
                    upstream.close()

    async def _connected(self) -> None:
        """Let nobody in before the first connections stand, or the database seems to be away.

        Of several workers one is ready first, and whoever asks is told so; the others would turn
        away those who come then.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CONNECTION_S):
                await self.batcher.opened()
                await self.pool.opened()

    async def _watch(self) -> None:
        while True:
            self._update()
            await asyncio.sleep(USE_EVERY_S)

    def openapi(self) -> dict[str, Any]:
        """The document of the route table."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi.document(self.title, VERSION, ABOUT, self.table)
        return self.openapi_schema

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        methods, names = self._find(scope["path"])
        if methods is None:
            await super().__call__(scope, receive, send)
            return
        method = scope["method"]
        route = methods.get("GET" if method == "HEAD" else method)
        if route is None:
            allowed = ", ".join(methods).encode()
            problem = Problem(405, f"method: {method}; allowed here: {allowed.decode()}",
                              headers=[(b"allow", allowed)])  # fmt: skip
            await _send(send, _problem_answer(problem))
            return
        if route.counted and self.admission.full:
            await self._shed(route, send)
        else:
            await self._serve(route, Call(scope, receive, names), send)

    def _find(self, path: str) -> tuple[dict[str, Route] | None, Sequence[str]]:
        methods = self._static.get(path)
        if methods is not None:
            return methods, ()
        for pattern, routes in self._variable:
            match = pattern.fullmatch(path)
            if match:
                return routes, match.groups()
        return None, ()

    async def _shed(self, route: Route, send: Any) -> None:
        """Refuse, slowly. A refusal is counted, and kept out of what the route costs."""
        self.measured.shed.add()
        problem = await self.admission.refusal()
        await _send(send, _problem_answer(problem))
        self._bound[route.step].by_status[problem.status].add()

    async def _serve(self, route: Route, call: Call, send: Any) -> None:
        """Answer, and measure the answering; every SAMPLE_EVERY-th time slice by slice."""
        began = time.perf_counter()
        bound = self._bound[route.step]
        counted = route.counted
        self.admission.inside += counted
        self.in_flight += 1
        bound.seen += 1
        status = 500
        try:
            if bound.seen % SAMPLE_EVERY:
                status = await self._respond(route, call, send)
            else:
                status = await self._sliced(self._respond(route, call, send), bound)
        finally:
            self.in_flight -= 1
            self.admission.inside -= counted
            received = call.scope.get("surge.received", began)
            self._loop_wait.record(began - received)
            bound.seconds.record(time.perf_counter() - received)
            bound.by_status[status].add()

    async def _sliced(self, work: Coroutine[Any, Any, int], bound: RouteInstruments) -> int:
        """The work's slices; each stands for those of SAMPLE_EVERY requests."""
        slices = Slices(work, measure_cpu=True)
        try:
            return await slices
        finally:
            for seconds in slices.durations:
                self._loop_service.record(seconds, SAMPLE_EVERY)
            bound.slices.add(SAMPLE_EVERY * len(slices.durations))
            bound.cpu.add(SAMPLE_EVERY * slices.cpu)

    async def _respond(self, route: Route, call: Call, send: Any) -> int:
        try:
            said = await route.handler(call)
        except Problem as problem:
            said = _problem_answer(problem)
        except Exception:
            log.exception("step %s failed", route.step)
            said = _problem_answer(Problem(500, "an error of this service; it has been logged"))
        if isinstance(said, Stream):
            await _send_stream(send, said)
        else:
            await _send(send, said)
        return said.status


def _problem_answer(problem: Problem) -> Answer:
    return Answer(problem.status, problem.body(), MEDIA, problem.headers)


async def _send(send: Any, said: Answer) -> None:
    body = said.body
    await send(
        {
            "type": "http.response.start",
            "status": said.status,
            "headers": [
                (b"content-type", said.media),
                (b"content-length", b"%d" % len(body)),
                *said.headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def _send_stream(send: Any, said: Stream) -> None:
    headers = [(b"content-type", said.media)]
    await send({"type": "http.response.start", "status": said.status, "headers": headers})
    async for piece in said.pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _as_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = f"path: {request.url.path}; see /docs for what there is"
    return Response(Problem(status, detail).body(), status, media_type=MEDIA.decode())


def create_app(settings: Settings, instruments: Instruments | None = None) -> Service:
    """The service; with `instruments` on a shared page when it is one of several workers."""
    return Service(settings, instruments or Instruments(open_page()))
