"""Who simulates changes no number; who is lost is told, and nobody is left behind."""

import os
import pickle
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness import CHECKOUT
from simulation.cliff import CliffMap, find_cliff, read_axis
from simulation.deployment import Deployment
from simulation.executors import Workers, opened, read_workers
from simulation.plan import find_plan
from simulation.projection import project
from simulation.replication import Question
from simulation.screen import Clock
from tests.simulation import upstream_bound
from workload.errors import Fault, InputError, InvalidRunError
from workload.objective import parse_objective


class LastFirst(Executor):
    """One worker, who takes up last what was asked first, and only when somebody waits for it."""

    def __init__(self) -> None:
        self._asked: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = _Late(self._work)
        self._asked.append((future, lambda: work(*args, **kwargs)))
        return future

    def _work(self) -> None:
        while self._asked:
            future, work = self._asked.pop()
            if future.set_running_or_notify_cancel():
                future.set_result(work())


class _Late(Future[Any]):
    def __init__(self, begin: Callable[[], None]) -> None:
        super().__init__()
        self._begin = begin

    def result(self, timeout: float | None = None) -> Any:
        self._begin()
        return super().result(timeout)


def brief(replications: int = 3, engine: str = "simpy") -> Question:
    """Twenty seconds of the wave."""
    asked = upstream_bound.question(14, replications=replications)
    bending = replace(asked.bending, window_s=(0.0, 20.0))
    return replace(asked, bending=bending, horizon_s=60.0, engine=engine)


def told(question: Question, pool: Executor | None) -> dict[str, Any]:
    """A projection without the time that it took."""
    return {**project(question, executor=pool, check=Clock(60).check).to_json(), "wall_s": None}


def quiet(_done: float, _words: str) -> None:
    """Nobody watches."""


def test_threads_processes_and_the_asker_give_the_same_numbers() -> None:
    """Every figure of a projection, bit for bit."""
    with opened(Workers("threads"), 2) as threads, opened(Workers("processes"), 2) as processes:
        answers = [told(brief(), pool) for pool in (None, threads, processes)]
    assert answers[1] == answers[0]
    assert answers[2] == answers[0]


def test_the_order_of_answers_changes_nothing() -> None:
    """What was asked first comes back last."""
    assert told(brief(), LastFirst()) == told(brief(), None)


def test_a_single_replication_goes_to_the_executor_that_is_given() -> None:
    """It may be on a larger machine."""
    asked: list[Any] = []

    class Counts(LastFirst):
        def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
            asked.append(work)
            return super().submit(work, *args, **kwargs)

    assert told(brief(1), Counts()) == told(brief(1), None)
    assert len(asked) == 1


def planned(pool: Executor | None) -> dict[str, Any]:
    """A plan for twenty seconds of the wave, without what it took; its queue is durable."""
    asked = brief(1, "compiled")
    scenario = replace(asked.scenario, objectives=(parse_objective("backlog identity < 8s"),))
    deployment = Deployment(registry_slots=16, registry_quota_per_s=25.0)
    fixed = frozenset({"replicas", "database_cores", "mail_connections"})
    question = replace(asked, scenario=scenario, deployment=deployment)
    found = find_plan(question, fixed, 2, Clock(300), quiet, pool, screening=True).to_json()
    return {**found, "wall_s": None}


def mapped(pool: Executor | None) -> CliffMap:
    over, beside = read_axis("--over", "registry_slots=8,16"), read_axis("--and", "attempts=2,4")
    return find_cliff(brief(2, "compiled"), over, beside, Clock(120), quiet, pool)


@pytest.mark.slow
def test_a_plan_and_a_cliff_are_the_same_on_processes() -> None:
    """Least values, exchange rates, effects, confirmation, and every point of the map."""
    alone, map_alone = planned(None), mapped(None)
    assert alone["exchange_rates"]
    assert alone["screening"]["world"] == "simulated"
    with opened(Workers("processes"), 2) as processes:
        assert planned(processes) == alone
        assert mapped(processes) == map_alone


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        ("threads", "threads", None),
        ("processes", "processes", None),
        ("dask", "dask", None),
        ("dask:tcp://10.0.0.7:8786", "dask", "tcp://10.0.0.7:8786"),
        ("dask:tls://[::1]:8786", "dask", "tls://[::1]:8786"),
    ],
)
def test_an_executor_has_a_name_and_dask_an_address(
    text: str, kind: str, address: str | None
) -> None:
    """Without one, dask is a cluster of this machine's own."""
    assert read_workers(text) == Workers(kind, address)


@pytest.mark.parametrize("text", ["", "ray", "threads:2", "dask:", "dask:host", "dask:tcp://host"])
def test_another_name_is_refused_with_the_remedy(text: str) -> None:
    """The names that there are, or the form of an address."""
    with pytest.raises(InputError, match=r"--executor = .*(processes|dask:tcp://HOST:PORT)"):
        read_workers(text)


def test_without_distributed_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra: who does not want a cluster needs none of it."""
    monkeypatch.setattr("simulation.executors.find_spec", {}.get)
    with pytest.raises(InputError, match=r"uv pip install 'distributed>="):
        read_workers("dask")


def test_a_clock_goes_on_where_it_is_sent() -> None:
    """What is left is left, on a machine whose monotonic time is another."""
    clock = Clock(100.0, began=time.monotonic() - 30)
    arrived = pickle.loads(pickle.dumps(clock))  # noqa: S301 - our own
    assert arrived.left_s == pytest.approx(70, abs=0.5)
    clock.stop()
    with pytest.raises(InvalidRunError):
        pickle.loads(pickle.dumps(clock)).check()  # noqa: S301 - our own


def test_an_error_of_bad_input_comes_home_as_it_was() -> None:
    """Not as a broken pool: its faults are what it is made of."""
    error = InputError("model", [Fault("steps", "register", "calibrate on runs that reach it")])
    arrived = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(arrived), arrived.faults) == (str(error), error.faults)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_run_and_leaves_none() -> None:
    """Exit 3 for whoever called: InvalidRunError that says what may have happened."""
    pids: list[int] = []

    def lose_one() -> None:
        with opened(Workers("processes"), 2) as pool:
            pids.extend({pool.submit(os.getpid).result() for _ in range(8)})
            os.kill(pids[0], signal.SIGKILL)
            project(brief(20), executor=pool)

    with pytest.raises(InvalidRunError, match="for want of memory"):
        lose_one()
    assert not [pid for pid in pids if psutil.pid_exists(pid)]


@pytest.mark.slow
def test_half_an_answer_of_a_killed_process_holds_nobody_up() -> None:
    """Planted: the length of an answer, and nothing behind it; Ctrl-C comes, and it is over."""
    began = time.monotonic()

    def interrupted() -> None:
        with opened(Workers("processes"), 1) as pool:
            pool.submit(os.getpid).result()  # its process stands, and has nothing more to say
            os.write(pool._result_queue._writer.fileno(), struct.pack("!i", 100))  # type: ignore[attr-defined]
            time.sleep(0.5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began < 15


@contextmanager
def long_run(executor: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`surge simulate` at work in a session of its own, as in a terminal; processes have begun."""
    model = upstream_bound.model().write(folder / "model.json")
    scenario = folder / "wave.toml"
    scenario.write_text(upstream_bound.scenario().to_toml())
    command = [str(CHECKOUT / "surge"), "simulate", str(scenario), "--model", str(model)]
    process = subprocess.Popen(
        [*command, "--replications", "400", "--executor", executor],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 40
        while len(workers_of(process.pid)) < 2 and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)
        time.sleep(1.0)
        yield process
    finally:
        process.kill()
        process.wait()


def workers_of(pid: int) -> list[psutil.Process]:
    """Processes below it that simulate, and have been at it for a second: they are set up."""
    found = []
    for one in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):  # what came and went meanwhile
            if "spawn_main" in " ".join(one.cmdline()) and sum(one.cpu_times()[:2]) > 1.0:
                found.append(one)
    return found


def gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them are, or are at once."""
    return not psutil.wait_procs(processes, timeout=8)[1]


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["processes", "dask"])
def test_ctrl_c_ends_it_at_once_and_leaves_no_process(executor: str, tmp_path: Path) -> None:
    """Exit 130, one line, and no worker that goes on alone; the terminal signals all of them."""
    with long_run(executor, tmp_path) as process:
        below = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=15)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        assert gone(below)


@pytest.mark.slow
def test_no_worker_outlives_a_killed_surge(tmp_path: Path) -> None:
    """kill -9 lets nobody say good-bye; dask's own workers watch their parent the same way."""
    with long_run("processes", tmp_path) as process:
        below = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        assert gone(below)


@pytest.mark.slow
def test_a_killed_worker_of_our_own_cluster_exits_3_and_leaves_none(tmp_path: Path) -> None:
    """One line that says who was lost."""
    with long_run("dask", tmp_path) as process:
        below = psutil.Process(process.pid).children(recursive=True)
        workers_of(process.pid)[0].kill()
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 3, errors
        assert "a worker was lost" in errors.splitlines()[-1]
        assert gone(below)
