"""Hand-made run directories for the tests of the report, with faults to plant; its words.

Visitors come ten a second and walk `smoke` up to the identity check. Every figure in the files is
chosen here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from harness.report import write_report
from workload.history import History, Observation, write_history
from workload.manifest import Bending, Manifest, write_json
from workload.scenario import Scenario, load_scenario
from workload.summary import summarize
from workload.telemetry import TelemetryWriter
from workload.visit import Ending, Outcome

MS = 1_000_000
S = 1_000_000_000
PER_S = 10
STATIONS = {  # station -> (source, mean wait s, mean service s)
    "event_loop": ("service", 0.0002, 0.0001),
    "write_batcher": ("service", 0.0004, 0.002),
    "connection_pool": ("service", 0.00001, 0.0005),
    "database": ("service", 0.00002, 0.001),
    "registry_client": ("worker", 0.02, 0.04),
    "mail_sender": ("worker", 0.003, 0.001),
}


@dataclass(frozen=True)
class Story:
    """What happened in a run. ``slow_s``: added to each registration; ``failing``: every n-th
    visitor's registration times out for good; ``busy``: of the service's core.
    """

    visitors: int = 200
    slow_s: float = 0.0
    failing: int = 0
    status: str = "complete"
    reasons: tuple[str, ...] = ()
    lasted_s: float = 25.0
    busy: float = 0.2
    queue_at_end: int = 0
    planted_law: bool = False
    began_unix: float = 1_790_000_000.0


def smoke() -> Scenario:
    """The built-in scenario as far as these visitors walk it."""
    return load_scenario("smoke").until("await_identity").without_calls()


def observations(story: Story, scenario: Scenario) -> Iterator[Observation]:
    """Every visitor's attempts, 5 to 9.5 ms each, half a second apart."""
    names = scenario.journey.names
    register = names.index("register")
    for visitor in range(story.visitors):
        arrived = visitor * S // PER_S
        at = arrived
        fails = bool(story.failing) and visitor % story.failing == 0
        for step in range(len(names)):
            took = 5 * MS + visitor % 10 * MS // 2
            took += round(story.slow_s * S) if step == register else 0
            outcome, ending = Outcome.ACCEPTED, Ending.OPEN
            if step == register and fails:
                outcome, ending = Outcome.READ_TIMEOUT, Ending.GAVE_UP
            elif step == len(names) - 1:
                ending = Ending.FINISHED
            yield Observation(
                visitor, step, 1, arrived, at, at + MS // 10, at + took, outcome, 200, ending
            )
            if ending is not Ending.OPEN:
                break
            at += took + S // 2


def write_telemetry(directory: Path, story: Story) -> None:
    """A scrape a second: CPU, stations, queues."""
    with TelemetryWriter(directory) as out:
        for second in range(round(story.lasted_s) + 1):
            for source in ("service", "worker"):
                out.add(second * S, source, {"up": 1.0, **samples(source, second, story)})


def samples(source: str, second: int, story: Story) -> dict[str, float]:
    """What the page of a process shows at a second of the run."""
    seen = float(second * PER_S)
    found: dict[str, float] = {}
    for station, (home, wait, service) in STATIONS.items():
        if home == source:
            found |= histogram("surge_station_wait_seconds", station, wait, seen)
            found |= histogram("surge_station_service_seconds", station, service, seen)
    if source == "service":
        found["process_cpu_seconds_total"] = story.busy * second
        found["surge_in_flight"] = 2.0
    else:
        found["process_cpu_seconds_total"] = 0.05 * second
        found["surge_database_cpu_seconds_total"] = 0.1 * second
        found['surge_queue_depth{queue="mail"}'] = 0.0
        waiting = story.queue_at_end * second / story.lasted_s
        found['surge_queue_depth{queue="identity"}'] = waiting
    return found


def histogram(name: str, station: str, mean: float, seen: float) -> dict[str, float]:
    """A histogram whose observations are all ``mean`` long."""
    labels = f'station="{station}"'
    bounds = (0.001, 0.01, 0.1, float("inf"))
    buckets = {
        f'{name}_bucket{{{labels},le="{"+Inf" if bound > 1 else bound}"}}': seen * (mean <= bound)
        for bound in bounds
    }
    return {
        **buckets,
        f"{name}_count{{{labels}}}": seen,
        f"{name}_sum{{{labels}}}": seen * mean,
    }


CAPACITY: dict[str, Any] = {
    "schema": "surge/capacity/1",
    "workers": 1,
    "lanes": 2,
    "pool": 8,
    "registry_slots": 16,
    "mail_connections": 4,
    "registry": "http://127.0.0.1:8010",
    "cores": {"system": [0], "outside": [1], "service": [0], "database": [0], "worker": [0]},
}
GENERATOR: dict[str, Any] = {
    "processes": 1,
    "cores": [1],
    "lag_p50_s": 0.0001,
    "lag_p99_s": 0.002,
    "ledger": "exported",
    "workers": [{"worker": 0, "lag": [900, 90, 9, 1, *[0] * 12], "window_cpu_s": 2.4}],
}


def manifest_of(story: Story, scenario: Scenario) -> Manifest:
    """The manifest of a run of this story."""
    return Manifest(
        kind="measured",
        scenario=scenario.name,
        fingerprint=scenario.fingerprint,
        seed=scenario.seed,
        bending=Bending((0.0, story.visitors / PER_S)),
        status=story.status,
        reasons=story.reasons,
        target="http://127.0.0.1:8000",
        began_unix=story.began_unix,
        lasted_s=story.lasted_s,
        commit="0123456789ab",
        machine={"processor": "a processor", "cores": 2, "memory_gib": 23.5, "system": "Linux"},
        versions={"python": "3.11.7", "locust": "2.47.0"},
        capacity=CAPACITY,
        generator=GENERATOR,
        reading=scenario.reading,
    )


def write_run(directory: Path, story: Story | None = None) -> Path:
    """A whole run directory, as `surge load` leaves it."""
    story = story or Story()
    scenario = smoke()
    directory.mkdir(parents=True)
    rows = list(observations(story, scenario))
    if story.planted_law:
        rows[3] = replace(rows[3], started=rows[3].intended - MS)
    history = History.of(scenario.journey.names, rows)
    write_history(directory, history)
    manifest_of(story, scenario).write(directory)
    (directory / "scenario.toml").write_text(scenario.to_toml(), encoding="utf-8")
    write_json(directory / "summary.json", summarize(history, story.lasted_s).to_json())
    write_telemetry(directory, story)
    return directory


def write_agreement(directory: Path, *, held_out: bool = True) -> Path:
    """Two levels; on the second, p95 of register is 52 % too high and all else nearly right."""

    def rows(factor: float) -> list[dict[str, Any]]:
        return [
            {
                "step": step,
                "metric": metric,
                "measured": measured,
                "noise": 0.03,
                "predicted": measured
                * (factor if (step, metric) == ("register", "p95_s") else 1.02),
                "error": None,
            }
            for step in ("open_site", "register")
            for metric, measured in (("throughput", 62.0), ("p50_s", 0.004), ("p95_s", 0.02))
        ]

    return write_json(
        directory / "agreement.json",
        {
            "schema": "surge/agreement/1",
            "calibrated_on": ["low-1"],
            "saturation": {"predicted_per_s": 90.0, "measured_per_s": 100.0, "error": -0.1},
            "levels": [
                {"offered_per_s": 20.0, "held_out": False, "rows": rows(1.01)},
                {"offered_per_s": 62.0, "held_out": held_out, "rows": rows(1.52)},
            ],
        },
    )


def write_projection(directory: Path, collapses: int, replications: int, **others: Any) -> Path:
    """A projection of smoke with one checkpoint at 21 h: 1,400,000 of 1,432,133 registered."""
    low, high = (0.0, 0.31) if not collapses else (0.19, 0.81)
    names = smoke().journey.names
    steps = {name: step_row(number) for number, name in enumerate(names)}
    return write_json(
        directory / "projection.json",
        {
            "schema": "surge/projection/1",
            "scenario": {"name": "smoke", "fingerprint": "0" * 12, "reading": ""},
            "engine": "compiled",
            "seed": 7,
            "population": 250_000.0,
            "replications": replications,
            "wall_s": 12.5,
            "attempts": 1_500_000,
            "collapse": {"count": collapses, "low": low, "high": high},
            "two_peaked": 0 < collapses < replications,
            "uncalibrated": [names[-1]],
            "checkpoints": [
                {"hours": 21, "registered": 1_400_000.0, "published": {"registered": 1_432_133}}
            ],
            "steps": steps,
            "stations": {"registry_client": station_row(), "event_loop": station_row()},
            "bottleneck": "registry_client",
            "objectives": [
                verdict_row("p(95) register < 250ms", "met", 0.031),
                verdict_row("p_collapse < 1%", "missed" if collapses else "unknown", low),
            ],
            "agreement": None,
            **others,
        },
    )


def step_row(number: int) -> dict[str, Any]:
    """A step of a projection; p50 is 2.22 ms more each step."""
    return {
        "visits": 1000, "attempts": 1100, "accepted": 990, "declined": 0, "gave_up": 10,
        "p50_s": 0.00222 * (number + 1), "p95_s": 0.031, "p99_s": None,
    }  # fmt: skip


def station_row() -> dict[str, Any]:
    """A station of a projection that is never empty again."""
    return {
        "utilisation": 0.871, "peak_queue": 4321, "mean_wait_s": 0.123, "longest_wait_s": 7.5,
        "drained_at_h": None,
    }  # fmt: skip


def verdict_row(text: str, verdict: str, value: float) -> Mapping[str, Any]:
    """A judged objective, as JSON."""
    why = "more replications are needed" if verdict == "unknown" else ""
    return {"text": text, "verdict": verdict, "value": value, "margin": 0.5, "why": why}


class Words(HTMLParser):
    """The text of a page, section by section, as one line each."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.of: dict[str, str] = {}
        self.headings: list[int] = []
        self._section = "head"
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "section":
            self._section = named.get("id") or ""
        elif re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self._add(" ")

    def handle_data(self, data: str) -> None:
        self._add(data)

    def _add(self, text: str) -> None:
        held = self.of.get(self._section, "") + text
        self.of[self._section] = re.sub(r"\s+", " ", held)


def words_of(*paths: Path) -> Words:
    """The words of the report of these paths."""
    page = write_report(paths, paths[0].parent / "report.html").read_text()
    return Words(page)


def write_demo(folder: Path) -> Path:
    """A folder as `surge demo` leaves it: levels, model errors, a projection, the report."""
    write_run(folder / "low-1", Story(visitors=100, lasted_s=15))
    write_run(folder / "held-out-1", Story(began_unix=1_790_000_100.0))
    write_agreement(folder)
    write_projection(folder, collapses=0, replications=10)
    write_report([folder], folder / "report.html")
    return folder
