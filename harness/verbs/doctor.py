"""`surge doctor`: what this machine has, what it lacks, and what would miss it."""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version

from harness.errors import BadInput
from harness.ports import claim
from harness.stack_settings import USUAL_PORTS
from harness.verbs import Subparsers, declare


@dataclass(frozen=True)
class Finding:
    """One thing looked for. `required`: without it the reference system can't run here."""

    name: str
    ok: bool
    required: bool
    found: str
    remedy: str = ""


def add(subparsers: Subparsers) -> None:
    parser = declare(
        subparsers,
        "doctor",
        "tell what this machine has and lacks",
        "surge doctor --json",
        about="Exit 2 when something is missing that nothing runs without.",
    )
    parser.add_argument(
        "--json", action="store_true", help="one JSON object on stdout (surge/doctor/1)"
    )


def run(arguments: argparse.Namespace) -> int:
    """0 when all that is required is there, else 2."""
    findings = examine()
    if arguments.json:
        shown = [asdict(finding) for finding in findings]
        print(json.dumps({"schema": "surge/doctor/1", "findings": shown}))
    else:
        print(table(findings), file=sys.stderr)
    return 0 if all(finding.ok or not finding.required for finding in findings) else 2


def examine() -> list[Finding]:
    looks: list[Callable[[], list[Finding]]] = [machine, packages, databases, programs, ports]
    return [finding for look in looks for finding in look()]


def machine() -> list[Finding]:
    import psutil

    cores = sorted(os.sched_getaffinity(0))
    memory = psutil.virtual_memory()
    return [
        Finding("Python", ok=True, required=True, found=platform.python_version()),
        Finding(
            "cores", len(cores) >= 2, required=False, found=f"{len(cores)} {cores}",
            remedy="on one core system and generator disturb each other, and no percentile holds",
        ),
        Finding(
            "memory", memory.available >= 2**31, required=False,
            found=f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB available",
            remedy="a projection of the whole nation wants 2 GiB",
        ),
    ]  # fmt: skip


def packages() -> list[Finding]:
    return [package(name) for name in ("locust", "simpy", "numba", "fastapi", "asyncpg")]


def package(name: str) -> Finding:
    try:
        return Finding(name, ok=True, required=True, found=version(name))
    except PackageNotFoundError:
        remedy = "run ./surge from the checkout: it installs requirements.lock"
        return Finding(name, ok=False, required=True, found="missing", remedy=remedy)


def databases() -> list[Finding]:
    named = os.environ.get("DATABASE_URL")
    finding = named_database(named) if named else own_database()
    return [finding]


def named_database(url: str) -> Finding:
    from harness.database import execute

    name, remedy = "PostgreSQL", "start the server that DATABASE_URL names, or unset DATABASE_URL"
    try:
        found = f"{execute(url, 'SHOW server_version')[0][0]} (DATABASE_URL)"
    except Exception as error:  # noqa: BLE001 - whatever the driver says is the finding
        return Finding(name, ok=False, required=True, found=f"no answer: {error}", remedy=remedy)
    return Finding(name, ok=True, required=True, found=found)


def own_database() -> Finding:
    from harness.postgres_binaries import find_binaries
    from harness.postgres_binaries import version as server_version

    try:
        binaries = find_binaries()
        found = f"{server_version(binaries)} ({binaries.source}: {binaries.folder})"
    except BadInput as error:
        return Finding("PostgreSQL", ok=False, required=True, found="missing", remedy=str(error))
    return Finding("PostgreSQL", ok=True, required=True, found=found)


def programs() -> list[Finding]:
    return [
        program("Chromium", "chromium", "apt-get install chromium (tests of the report)"),
        program("Prometheus", "prometheus", "apt-get install prometheus (tests of the rules)"),
    ]


def program(name: str, command: str, remedy: str) -> Finding:
    """Debian keeps some programs off an ordinary user's PATH, so it looks there as well."""
    where = shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if where is None:
        return Finding(name, ok=False, required=False, found="missing", remedy=remedy)
    asked = [where, "--version"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=20)
    words = (answer.stdout + answer.stderr).strip().splitlines()
    return Finding(name, ok=True, required=False, found=words[0] if words else where)


def ports() -> list[Finding]:
    taken = []
    for field in fields(USUAL_PORTS):
        port = getattr(USUAL_PORTS, field.name)
        try:
            claim(port, field.name)
        except BadInput:
            taken.append(f"{port} ({field.name})")
    found = f"taken: {', '.join(taken)}" if taken else "free"
    remedy = "surge serve --free-ports takes others"
    return [Finding("usual ports", not taken, required=False, found=found, remedy=remedy)]


def table(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        mark = "ok" if finding.ok else "MISSING" if finding.required else "lacks"
        lines.append(f"  {mark:<8} {finding.name:<12} {finding.found}")
        if not finding.ok:
            lines.append(f"  {'':<8} {'':<12} → {finding.remedy}")
    return "\n".join(lines)
