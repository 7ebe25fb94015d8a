"""One load generator in a process of its own: `python -m benchmarks.generators KIND URL SECONDS`.

KIND is `ours`, `fast` (Locust's FastHttpUser) or `plain` (Locust's HttpUser), each as fast as it
can, or `paced`: FastHttpUser at 500 requests a second. It prints an empty line when the warm-up is
over, and one JSON object at the end: CPU seconds, requests, failures, Locust's own percentiles.
"""

from __future__ import annotations

import json
import sys
from itertools import count
from time import monotonic_ns, process_time
from typing import Any, Final

import gevent
from locust import FastHttpUser, HttpUser, User, constant, constant_throughput, task
from locust.env import Environment

from loadtests.client import Client
from loadtests.exchange import Request

USERS: Final = 16
PACED_USERS: Final = 25
PACED_PER_S: Final = 500
WARM_UP_S: Final = 0.5
TIMEOUT_NS: Final = 10_000_000_000
CONNECT_NS: Final = 5_000_000_000
JSON: Final = ("Content-Type", "application/json")
NUMBERS: Final = count()


def body() -> str:
    """A registration that nobody else has sent."""
    number = next(NUMBERS)
    words = {"request_id": f"{number:032x}", "email": f"v{number}@example.com", "consent": True}
    return json.dumps({**words, "name": "Ayu Pratama", "phone": "+628012345678"})


class Ours(User):
    """The client of loadtests/, and Locust's event for each request, as a campaign fires it."""

    wait_time = constant(0)
    client: Client

    @task
    def register(self) -> None:
        now = monotonic_ns()
        request = Request("POST", "/registrations", body().encode(), (JSON,))
        answer = CLIENTS[0].ask(request, now + CONNECT_NS, now + TIMEOUT_NS)
        self.environment.events.request.fire(
            request_type="POST",
            name="/registrations",
            response_time=(monotonic_ns() - now) / 1e6,
            response_length=len(answer.body),
            exception=None if answer.status == 201 else RuntimeError(str(answer)),
            context={},
        )


class Fast(FastHttpUser):
    """Locust's faster client."""

    wait_time = constant(0)
    connection_timeout = CONNECT_NS / 1e9
    network_timeout = TIMEOUT_NS / 1e9

    @task
    def register(self) -> None:
        self.client.post("/registrations", data=body(), headers=dict([JSON]))


class Paced(Fast):
    """As many users as Locust needs to ask 500 times a second, when they are answered."""

    wait_time = constant_throughput(PACED_PER_S / PACED_USERS)


class Plain(HttpUser):
    """Locust's usual client, which is `requests`."""

    wait_time = constant(0)

    @task
    def register(self) -> None:
        limits = (CONNECT_NS / 1e9, TIMEOUT_NS / 1e9)
        self.client.post("/registrations", data=body(), headers=dict([JSON]), timeout=limits)


KINDS: Final[dict[str, Any]] = {"ours": Ours, "fast": Fast, "plain": Plain, "paced": Paced}
CLIENTS: Final[list[Client]] = []


def drive(kind: str, url: str, seconds: float) -> dict[str, float]:
    """Let the users of one kind ask as fast as they can."""
    CLIENTS.append(Client(url))
    environment = Environment(user_classes=[KINDS[kind]], host=url)
    runner = environment.create_local_runner()
    users = PACED_USERS if kind == "paced" else USERS
    runner.start(users, spawn_rate=users)
    gevent.sleep(WARM_UP_S)
    environment.stats.reset_all()
    sys.stdout.write("\n")
    sys.stdout.flush()
    total = environment.stats.total
    before, cpu_s = total.num_requests, process_time()
    gevent.sleep(seconds)
    cpu_s, requests = process_time() - cpu_s, total.num_requests - before
    percentiles = {f"p{p}_ms": total.get_response_time_percentile(p / 100) for p in (50, 95, 99)}
    failures = total.num_failures
    runner.quit()
    return {"requests": requests, "failures": failures, "cpu_s": cpu_s, **percentiles}


if __name__ == "__main__":
    sys.stdout.write(f"{json.dumps(drive(sys.argv[1], sys.argv[2], float(sys.argv[3])))}\n")
