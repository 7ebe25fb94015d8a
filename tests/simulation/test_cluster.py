"""A real dask cluster on this machine: a scheduler and two workers, each a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness import CHECKOUT
from simulation.cluster import ClusterError, answered, check_answers
from simulation.executors import Workers, opened
from simulation.projection import project
from simulation.replication import Question
from tests.simulation import upstream_bound
from workload.errors import InvalidRunError

pytestmark = pytest.mark.slow


@dataclass
class Cluster:
    """What `dask scheduler` and `dask worker` start, and where."""

    port: int
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def join(self) -> None:
        """One more worker, of one thread."""
        self.workers.append(dask("worker", self.address, "--nthreads", "1", "--no-nanny"))

    def lose(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()


def dask(*arguments: str) -> subprocess.Popen[bytes]:
    """As people start it, with the sources of this checkout."""
    module = ["-c", "from dask.__main__ import main; main()"]
    return subprocess.Popen(
        [sys.executable, "-P", *module, *arguments, "--no-dashboard"],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running(workers: int) -> Iterator[Cluster]:
    """A cluster for one test; nothing of it is left."""
    port = free_port()
    scheduler = dask("scheduler", "--host", "127.0.0.1", "--port", str(port))
    cluster = Cluster(port, scheduler)
    try:
        await_scheduler(cluster)
        for _ in range(workers):
            cluster.join()
        yield cluster
    finally:
        for process in (*cluster.workers, cluster.scheduler):
            cluster.lose(process)


def await_scheduler(cluster: Cluster) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert cluster.scheduler.poll() is None
        with suppress(OSError), socket.create_connection(("127.0.0.1", cluster.port), 1):
            return
        time.sleep(0.1)
    raise AssertionError("dask's scheduler did not start")


def question(replications: int) -> Question:
    """A minute of the wave."""
    asked = upstream_bound.question(14, replications=replications)
    bending = replace(asked.bending, window_s=(0.0, 60.0))
    return replace(asked, bending=bending, horizon_s=120.0)


def told(asked: Question, address: str | None = None) -> dict[str, Any]:
    """A projection by threads or by the cluster at an address, without the time that it took."""
    workers = Workers("dask", address) if address else Workers("threads")
    with opened(workers, 2) as pool:
        return {**project(asked, executor=pool).to_json(), "wall_s": None}


def test_two_workers_of_a_scheduler_give_the_same_numbers_also_when_one_is_lost() -> None:
    """The first is killed at work: what it had is simulated again by the other one."""
    with running(2) as cluster:
        assert told(question(6), cluster.address) == told(question(6))
        with opened(Workers("dask", cluster.address), 2) as pool:
            asleep = [pool.submit(time.sleep, 2) for _ in cluster.workers]
            time.sleep(0.5)
            cluster.lose(cluster.workers[0])
            assert [one.result() for one in asleep] == [None, None]
            assert project(question(3), executor=pool).collapses == 0
        assert told(question(6), cluster.address) == told(question(6))


def test_a_wave_goes_to_the_cluster_by_the_command_line(tmp_path: Path) -> None:
    """`--executor dask:ADDRESS`: one replication too, as the other machine may be larger."""
    with running(1) as cluster:
        digests = {
            simulated(tmp_path, executor).split("history sha256 ")[1].split()[0]
            for executor in ("threads", f"dask:{cluster.address}")
        }
    assert len(digests) == 1


def simulated(folder: Path, executor: str, code: int | None = None) -> str:
    """What `surge simulate` told people; ``code``: the exit code that it must have."""
    scenario = folder / "wave.toml"
    scenario.write_text(upstream_bound.scenario().to_toml())
    model = upstream_bound.model().write(folder / "model.json")
    answer = subprocess.run(
        [str(CHECKOUT / "surge"), "simulate", str(scenario), "--model", str(model),
         "--window", "0s..60s", "--executor", executor],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert code is None or answer.returncode == code, answer.stderr
    return answer.stderr


def test_no_scheduler_exits_3_in_time_and_names_the_address(tmp_path: Path) -> None:
    """Nobody listens there, or somebody who says nothing."""
    began = time.monotonic()
    address = f"tcp://127.0.0.1:{free_port()}"
    assert address in simulated(tmp_path, f"dask:{address}", code=3)
    assert time.monotonic() - began < 15
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(InvalidRunError, match="no dask scheduler answers at tcp://127"):
            check_answers(f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - began < 8


def test_no_worker_at_all_and_none_left_are_told_apart() -> None:
    """A scheduler alone has never had one; a lost one may have been killed."""
    with running(0) as cluster:
        with pytest.raises(InvalidRunError, match="has no worker: start one"):
            told(question(6), cluster.address)
        cluster.join()
        with pytest.raises(InvalidRunError, match="no worker is left"):
            asleep_when(cluster, cluster.workers[0])


def asleep_when(cluster: Cluster, lost: subprocess.Popen[bytes]) -> None:
    """Wait for the answer of a worker while one process of its cluster is killed."""
    with opened(Workers("dask", cluster.address), 2) as pool:
        pool.submit(os.getpid).result()
        asleep = pool.submit(time.sleep, 60)
        cluster.lose(lost)
        asleep.result()


def test_a_scheduler_that_dies_ends_the_run() -> None:
    """Nobody waits for an answer that can't come."""
    with running(1) as cluster, pytest.raises(InvalidRunError, match=r"at tcp://.* is gone"):
        asleep_when(cluster, cluster.scheduler)


def test_a_worker_with_other_sources_is_refused() -> None:
    """Its numbers might differ, and nobody would see it."""
    with pytest.raises(ClusterError, match="other sources or versions"):
        answered("0" * 64, free_port, (), {})
