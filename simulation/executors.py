"""Who simulates: threads, processes or a dask cluster, each a `concurrent.futures.Executor`.

A replication is a function of its question and its seed alone, and whoever folds several orders
them by seed. So it changes no number who simulates, on which machine, and who is done first.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from threading import Thread
from typing import Final

from workload.errors import Fault, InputError, InvalidRunError

KINDS: Final = ("threads", "processes", "dask")
ADDRESS: Final = re.compile(r"(tcp|tls)://(\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):\d{1,5}")
INSTALL: Final = "install it first: .venv/bin/uv pip install 'distributed>=2026.8'"


@dataclass(frozen=True)
class Workers:
    """Who is to work. ``address``: of dask's scheduler; None: a cluster of this machine's own."""

    kind: str = "threads"
    address: str | None = None

    @property
    def elsewhere(self) -> bool:
        """Whether they have memory and cores that this machine knows nothing of."""
        return self.address is not None


def read_workers(text: str) -> Workers:
    """From ``threads``, ``processes``, ``dask`` or ``dask:tcp://HOST:PORT``; InputError else."""
    kind, colon, address = text.partition(":")
    if kind not in KINDS or (colon and kind != "dask"):
        raise _fault(text, f"name one of {', '.join(KINDS)} or dask:tcp://HOST:PORT")
    if colon and not ADDRESS.fullmatch(address):
        raise _fault(text, "give the scheduler's address: dask:tcp://HOST:PORT")
    if kind == "dask" and find_spec("distributed") is None:
        raise _fault(text, f"dask's `distributed` is not installed here; {INSTALL}")
    return Workers(kind, address or None)


def _fault(text: str, remedy: str) -> InputError:
    return InputError("options", [Fault("--executor", text, remedy)])


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


@contextmanager
def opened(
    workers: Workers, most: int, stop: Callable[[], None] | None = None
) -> Iterator[Executor]:
    """As many workers as this machine has cores, at most ``most``, while the block lasts.

    Of a scheduler elsewhere, all that it has. Whatever ends the block early ends the workers of
    this machine too; ``stop`` is called then, for threads to look at. InvalidRunError where a
    worker is lost or a scheduler can't be reached.
    """
    count = max(1, min(cores(), most))
    try:
        if workers.kind == "threads":
            with _threads(count, stop) as pool:
                yield pool
        elif workers.kind == "processes":
            with _processes(count) as pool:
                yield pool
        else:
            from simulation.cluster import cluster

            with cluster(workers.address, count) as pool:
                yield pool
    except BrokenExecutor as error:
        raise InvalidRunError(
            f"a process that simulated ended before it was done ({error}): it may have been killed "
            "for want of memory; ask for fewer people, or use --executor threads"
            if workers.kind == "processes"
            else str(error)
        ) from error


@contextmanager
def given(executor: Executor | None) -> Iterator[Executor]:
    """The executor that was given, which stays open; else threads, one for each core."""
    if executor is not None:
        yield executor
        return
    with _threads(cores(), None) as pool:
        yield pool


@contextmanager
def _threads(count: int, stop: Callable[[], None] | None) -> Iterator[Executor]:
    """Enough for the compiled engine, which leaves the interpreter alone while it runs."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    except BaseException:
        if stop:
            stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    """Spawned: what forks may hold locks of threads that the child does not have.

    They are all started here, so that those of this pool can be told from others, and ended at
    once where the block is left by an error: nobody waits for an answer that nobody will hear.
    """
    before = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=end_with_the_parent)
    try:
        with deaf():
            pool.submit(os.getpid)
        yield pool
    except BaseException:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        _hang_up(pool)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _hang_up(pool: ProcessPoolExecutor) -> None:
    """Let go of the end of the pipe that only the workers write to.

    Who is killed in mid-sentence leaves half an answer there, and the pool would wait for the rest
    of it for ever while anybody holds that end. The executor has no way of its own to say so.
    """
    answers = getattr(pool, "_result_queue", None)
    if answers is not None:
        answers._writer.close()  # noqa: SLF001 - see above


@contextmanager
def deaf() -> Iterator[None]:
    """What is started within does not hear Ctrl-C, which is for us alone to answer.

    A blocked signal stays blocked in threads and processes that are started meanwhile; ours is
    delivered when the block is over.
    """
    resource_tracker.ensure_running()  # it would lift the block when it is started within
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


@contextmanager
def spawned(count: int, target: Callable[..., None], *arguments: object) -> Iterator[None]:
    """So many processes that run ``target``; killed when the block is over."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_alone, args=(target, *arguments), daemon=True) for _ in range(count)
    ]
    try:
        with deaf():
            for process in processes:
                process.start()
        yield
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join()


def _alone(target: Callable[..., None], *arguments: object) -> None:
    end_with_the_parent()
    target(*arguments)


def end_with_the_parent() -> None:
    """From now on this process ends when its parent does, also by kill -9 and in mid-work.

    Its queue would not tell it: every worker holds the writing end of that queue too.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, name="end with the parent", daemon=True).start()
