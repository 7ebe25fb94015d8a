"""Answers as clients counted them, beside answers as the server counted them.

For every step and status:   client, settled  <=  server  <=  client + without an answer
where *settled* leaves out the last moment, which the server's processes may not have published,
and *without an answer* is every attempt whose client heard nothing: the server may have answered.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from workload.history import History
from workload.telemetry import Telemetry, labels_of
from workload.visit import Outcome

METRIC = "surge_requests_total"
SOURCE = "service"
#: Service processes publish their counters four times a second.
PUBLISHED_NS = 500_000_000
SILENT = (Outcome.CONNECT_TIMEOUT, Outcome.READ_TIMEOUT, Outcome.RESET)
#: One attempt at these is more than one request, to more than one process.
SEVERAL = ("upload_photo",)


@dataclass(frozen=True)
class Count:
    """One thing, counted by up to three; None where that one does not count it."""

    step: str
    kind: str
    client: int
    server: int | None
    rows: int | None


def answer_counts(
    history: History, telemetry: Telemetry | None, inside: int, until_s: float
) -> tuple[list[Count], list[tuple[str, str]], str]:
    """(counts, differences as (who, text), a note where the server's counters can't be used)."""
    scrapes = telemetry.samples.get((SOURCE, "up")) if telemetry else None
    if telemetry is None or scrapes is None:
        return [], [], "no counters of the server were recorded: only clients and rows are compared"
    if scrapes[1][-1] != 1.0 or scrapes[1][0] != 1.0:
        return (
            [],
            [],
            "the first or the last scrape failed: the server's counters have no beginning or end",
        )
    last_ns, first_s = int(scrapes[0][-1]), float(scrapes[0][0]) / 1e9
    server = _server(telemetry, first_s, until_s)
    counts, differences = [], []
    for step, status, client, settled, silent in _clients(history, last_ns):
        counted = server.get((step, status), 0)
        counts.append(Count(step, f"answers {status}", client, counted, None))
        if not settled <= counted <= client + silent + inside:
            who = f"{step} {status}"
            differences.append((who, f"clients got {client:,}, the server counted {counted:,}"))
    return counts, differences, ""


def _server(telemetry: Telemetry, start_s: float, until_s: float) -> Mapping[tuple[str, int], int]:
    """(route, status) -> answers of the run; a series that began later began at 0."""
    found: dict[tuple[str, int], int] = defaultdict(int)
    for series in telemetry.matching(SOURCE, METRIC):
        labels = labels_of(series)
        grown = telemetry.increase(SOURCE, series, start_s, until_s)
        found[labels["route"], int(labels["status"])] += round(grown)
    return found


def _clients(history: History, last_ns: int) -> Iterator[tuple[str, int, int, int, int]]:
    """(step, status, answers, those of them that are settled, attempts without an answer)."""
    for number, step in enumerate(history.steps):
        if step in SEVERAL:
            continue
        here = history.where(history["step"] == number)
        silent = int(np.isin(here["outcome"], SILENT).sum())
        settled = here["ended"] <= last_ns - PUBLISHED_NS
        for status in sorted(set(here["status"].tolist()) - {0}):
            of = here["status"] == status
            yield step, status, int(of.sum()), int((of & settled).sum()), silent
