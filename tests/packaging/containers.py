"""docker-compose.yml as Compose itself resolves it, and what each container listens on."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harness import CHECKOUT

FILE = CHECKOUT / "docker-compose.yml"
DOCKERFILE = CHECKOUT / "Dockerfile"
PROFILES = ((), ("observe",), ("load",), ("observe", "load"))
#: What images of others listen on, by their own documentation.
FOREIGN_PORTS = {"database": {5432}, "prometheus": {9090}, "grafana": {3000}}

Service = Mapping[str, Any]


def compose(
    *arguments: str, file: Path = FILE, profiles: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """The real Compose, without the settings of whoever runs this."""
    chosen = [part for profile in profiles for part in ("--profile", profile)]
    command = [str(Path(sys.executable).parent / "docker-compose"), "--file", str(file)]
    command += ["--env-file", os.devnull, *chosen, *arguments]
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SURGE_", "COMPOSE_", "GRAFANA_"))
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@cache
def services(profiles: tuple[str, ...] = ("observe", "load")) -> dict[str, Service]:
    """Every service of the profiles, with all variables filled in."""
    answer = compose("config", "--format", "json", profiles=profiles)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Service] = json.loads(answer.stdout)["services"]
    return found


def instructions() -> list[tuple[str, str]]:
    """(instruction, what follows) of the image, continued lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    found = [line.split(maxsplit=1) for line in lines if line.strip()]
    return [(word, " ".join(rest.split())) for word, rest in found]


def copied() -> list[str]:
    """What the image takes from the checkout."""
    return [rest.split()[0] for word, rest in instructions() if word == "COPY"]


def image_environment() -> dict[str, str]:
    """The variables that every process of the image has."""
    given = [part for word, rest in instructions() if word == "ENV" for part in rest.split()]
    return dict(part.split("=", 1) for part in given)


def environment(service: Service) -> dict[str, str]:
    return {name: str(value) for name, value in (service.get("environment") or {}).items()}


def module(service: Service) -> str:
    """What `python -m` runs there; '' where something else runs."""
    command = list(service.get("command") or [])
    return command[2] if command[:2] == ["python", "-m"] else ""


def option(service: Service, name: str) -> str:
    """The value of --NAME=VALUE in the command; '' without it."""
    given = dict(part.partition("=")[::2] for part in service["command"])
    return str(given.get(f"--{name}", ""))


#: Variables that say where a process itself listens; elsewhere they say where another one does.
OWN_PORTS = {
    "service": ("SURGE_PORT", "SURGE_METRICS_PORT"),
    "worker": ("SURGE_WORKER_METRICS_PORT",),
    "registry": ("SURGE_REGISTRY_PORT",),
    "mailbox": ("SURGE_SMTP_PORT", "SURGE_MAILBOX_PORT"),
    "photos": ("SURGE_PHOTOS_PORT",),
}


def listens_on(name: str, service: Service) -> set[int]:
    """The ports of one container."""
    given = environment(service)
    own = {int(given[variable]) for variable in OWN_PORTS.get(name, ())}
    page = option(service, "metrics-port") if service.get("command") else ""
    return own | FOREIGN_PORTS.get(name, set()) | ({int(page)} if page else set())


def addresses(text: str) -> set[tuple[str, int]]:
    """Every (host, port) that stands in URLs or in HOST:PORT words."""
    found = re.findall(r"(?:://(?:[^@/\s]+@)?|^)([a-z][\w-]*|[\d.]+):(\d+)(?=[/\"\s]|$)", text)
    return {(host, int(port)) for host, port in found}
