"""A dask cluster as an executor: a scheduler elsewhere, or workers of this machine's own.

dask runs a task again whose worker was lost, on another one, which changes no number. Only where it
gives up, where no worker is left, or where the scheduler is gone, the run ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import numba
import numpy as np

from simulation.executors import deaf, spawned
from workload.errors import InvalidRunError

#: Together with the start of the program well below a quarter of a minute.
CONNECT_S: Final = 5.0
WORKERS_S: Final = 4.0
#: So long a scheduler may be without any worker while there is work.
WITHOUT_S: Final = 10.0
LOOK_S: Final = 1.0
#: A scheduler for nobody else.
QUIET: Final = {"dashboard_address": None, "silence_logs": logging.CRITICAL + 1}
#: Sources that decide the numbers.
ROOMS: Final = ("simulation", "workload")


class ClusterError(BrokenExecutor):
    """The cluster can't do the work; the message is for people."""


@contextmanager
def cluster(address: str | None, count: int) -> Iterator[Executor]:
    """The workers of the scheduler at ``address``, else ``count`` processes of this machine.

    InvalidRunError where none answers in time; ClusterError when they are lost.
    """
    killed: type[Exception] = import_module("distributed").KilledWorker
    hush()
    with _client(address, count) as client:
        where = address or "this machine"
        pool = ClusterExecutor(client, where)
        try:
            yield pool
        except killed as error:
            raise ClusterError(
                f"dask at {where}: a worker was lost, again and again: {error}"
            ) from error
        except (CancelledError, OSError) as error:
            if isinstance(error, OSError) and not _is_of_dask(error):
                raise
            raise ClusterError(pool.why or f"dask's scheduler at {where} is gone") from error
        finally:
            pool.shutdown()


def _is_of_dask(error: OSError) -> bool:
    return type(error).__module__.startswith("distributed")


@contextmanager
def _client(address: str | None, count: int) -> Iterator[Any]:
    if address is None:
        with _own_client(count) as client:
            yield client
        return
    check_answers(address)
    with deaf():
        client = import_module("distributed").Client(address, set_as_default=False)
    try:
        _await_workers(client, address)
        yield client
    finally:
        client.close()


def check_answers(address: str) -> None:
    """InvalidRunError unless a dask scheduler answers there in time.

    dask's own client waits three times as long for a peer that accepts and says nothing, and
    takes the answer of a web server for the length of a message.
    """
    dask: Any = import_module("distributed")
    secrets = dask.Security().get_connection_args("client")

    async def ask() -> None:
        async with dask.rpc(address, timeout=CONNECT_S, connection_args=secrets) as scheduler:
            await scheduler.identity()

    try:
        asyncio.run(asyncio.wait_for(ask(), CONNECT_S))
    except Exception as error:
        raise InvalidRunError(
            f"no dask scheduler answers at {address} within {CONNECT_S:g} s: start one there "
            "(dask scheduler), or correct --executor"
        ) from error


def _await_workers(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKERS_S)
    except TimeoutError as error:
        raise InvalidRunError(
            f"dask's scheduler at {address} has no worker: start one in a checkout of this very "
            f"version (dask worker {address})"
        ) from error


@contextmanager
def _own_client(count: int) -> Iterator[Any]:
    """A scheduler in this process, and workers in processes that are ours to end.

    dask's own nannies would start a lost worker again, and take long to end one that is at work.
    Here the first loss ends the run, as in `processes`.
    """
    dask: Any = import_module("distributed")
    with (
        import_module("dask").config.set({"distributed.scheduler.allowed-failures": 0}),
        _started(lambda: dask.LocalCluster(n_workers=0, host="127.0.0.1", **QUIET)) as local,
        spawned(count, serve, local.scheduler_address),
        _started(lambda: dask.Client(local, set_as_default=False)) as client,
    ):
        unwatched()
        client.wait_for_workers(1)
        yield client


@contextmanager
def _started(make: Callable[[], Any]) -> Iterator[Any]:
    with deaf():
        made = make()
    try:
        yield made
    finally:
        made.close()


def serve(address: str) -> None:
    """In a process of its own: a worker of one thread, as long as its parent lives."""
    worker: Any = import_module("distributed").Worker
    hush()

    async def work() -> None:
        async with worker(address, nthreads=1, memory_limit=None, dashboard=False) as one:
            unwatched()
            await one.finished()

    asyncio.run(work())


def hush() -> None:
    """What dask has to say about a lost peer, we say in one line."""
    for name in logging.root.manager.loggerDict:
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def unwatched() -> None:
    """Its watch over garbage collections fails where two threads collect, as ours do."""
    import_module("distributed.gc").disable_gc_diagnosis(force=True)


class ClusterExecutor(Executor):
    """dask's own executor, held against three faults that it does not see: workers with other
    sources, no worker at all, and work that is left behind.

    ``why``: what was wrong with the workers, for people; None so far.
    """

    def __init__(self, client: Any, where: str) -> None:
        self.why: str | None = None
        self._client, self._where = client, where
        self._tasks = client.get_executor(pure=False)
        self._ended = Event()
        Thread(target=self._watch, name="dask's workers", daemon=True).start()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """The future of ``work(*args, **kwargs)``, on a worker that has the same sources."""
        future: Future[Any] = self._tasks.submit(
            answered, digest_of(work.__module__), work, args, kwargs
        )
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as in the base
        """Forget what is not done."""
        self._ended.set()
        self._tasks.shutdown(wait=False)

    def _watch(self) -> None:
        without_s = 0.0
        while not self._ended.wait(LOOK_S):
            workers = {}
            with suppress(Exception):  # a scheduler that is gone cancels all tasks by itself
                workers = self._client.nthreads()
            without_s = 0.0 if workers else without_s + LOOK_S
            if without_s >= WITHOUT_S:
                self.why = f"dask at {self._where}: no worker is left"
                self._tasks.shutdown(wait=False)
                return


def answered(digest: str, work: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """On a worker: the answer. ClusterError where its sources are others than the asker's."""
    if digest_of(work.__module__) != digest:
        raise ClusterError(
            "a dask worker has other sources or versions than this checkout, so its numbers may "
            "differ: bring it to the same commit and run ./surge there, then start it again"
        )
    return work(*args, **kwargs)


@cache
def digest_of(module: str) -> str:
    """SHA-256 over all that decides what a module's functions answer: sources, numba, numpy."""
    found = hashlib.sha256(f"{numba.__version__} {np.__version__}".encode())
    checkout = Path(__file__).parent.parent
    files = {path for room in ROOMS for path in (checkout / room).glob("*.py")}
    own = getattr(sys.modules[module], "__file__", None)
    if own:
        files.add(Path(own))
    for name, path in sorted((f"{one.parent.name}/{one.name}", one) for one in files):
        found.update(f"{name}\n".encode() + path.read_bytes())
    return found.hexdigest()
