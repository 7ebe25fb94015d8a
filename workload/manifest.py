"""Who made a history: seed, commit, scenario, machine, versions, and what was bent on the way."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from workload.errors import Fault, RecordError

SCHEMA_NAME: Final = "surge/manifest/1"
PACKAGES: Final = ("locust", "fastapi", "uvicorn", "simpy", "numpy", "numba", "asyncpg")


@dataclass(frozen=True)
class Bending:
    """How a run differs from its scenario: four words, and the window. Seconds."""

    window_s: tuple[float, float]
    thin: float = 1.0
    population: float | None = None
    speed: float = 1.0
    pauses: float = 1.0

    def differences(self, other: Bending) -> list[str]:
        """Names of the fields in which two runs were bent differently."""
        mine, theirs = asdict(self), asdict(other)
        return [name for name in mine if mine[name] != theirs[name]]


@dataclass(frozen=True)
class Manifest:
    """``kind``: measured or simulated. ``status``: complete, interrupted or invalid."""

    kind: str
    scenario: str
    fingerprint: str
    seed: int
    bending: Bending
    status: str = "complete"
    reasons: tuple[str, ...] = ()
    target: str = ""
    began_unix: float = 0.0
    lasted_s: float = 0.0
    commit: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    capacity: dict[str, Any] = field(default_factory=dict)
    generator: dict[str, Any] = field(default_factory=dict)
    reading: str = ""

    def write(self, directory: Path) -> Path:
        """As ``manifest.json``, replaced in one step."""
        path = directory / "manifest.json"
        return write_json(path, {"schema": SCHEMA_NAME, **asdict(self)})


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a run directory; RecordError when missing, damaged or of another schema."""
    raw = read_json(directory / "manifest.json", SCHEMA_NAME)
    try:
        bending = raw.pop("bending")
        bending["window_s"] = tuple(bending["window_s"])
        raw["reasons"] = tuple(raw["reasons"])
        return Manifest(bending=Bending(**bending), **raw)
    except (KeyError, TypeError, AttributeError) as error:
        fault = Fault("manifest.json", str(error), "a key is missing or unknown; was it edited?")
        raise RecordError(str(directory), [fault]) from error


def read_json(path: Path, schema: str) -> dict[str, Any]:
    """A JSON object with this ``schema`` key (which is taken out); RecordError otherwise."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except FileNotFoundError as error:
        remedy = "give a run directory or file that `surge` wrote"
        raise RecordError(str(path), [Fault("file", "missing", remedy)]) from error
    except (OSError, ValueError, RecursionError) as error:
        remedy = "not whole JSON: cut short or another kind of file"
        raise RecordError(str(path), [Fault("file", str(error)[:80], remedy)]) from error
    table = dict(raw) if isinstance(raw, dict) else {}
    found = table.pop("schema", None)
    if found != schema:
        raise RecordError(str(path), [Fault("schema", found, f"this command reads {schema}")])
    return table


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def write_json(path: Path, value: dict[str, Any]) -> Path:
    """Written beside, then moved over: a reader never sees half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    beside.replace(path)
    return path


def this_machine() -> dict[str, Any]:
    """Processor, cores, memory and system, as far as the machine tells."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def these_versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a run."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def this_commit() -> str:
    """Short hash of the checkout, a plus sign behind it when it was changed; '' outside git."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--exclude=*"]
    command += ["--dirty=+", "--abbrev=12"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # a machine without git; the commit is then not known
        return ""
    return answer.stdout.strip()
