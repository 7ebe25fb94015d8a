"""What a process of the reference system is told: read from the environment, checked at once."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

Value = TypeVar("Value")

IdentityCheck = Literal["queued", "inline"]
Admission = Literal["open", "shed"]


class SettingsError(Exception):
    """One or more settings can't be used; the message lists every fault with its remedy."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of service and worker. Times in seconds, sizes in the unit of the name.

    Lanes and pool are those of each HTTP worker; in-flight cap, registry slots and quota are those
    of the whole service, whose workers share them evenly.
    """

    database_url: str
    host: str = "127.0.0.1"
    port: int = 8000
    metrics_port: int = 8001
    workers: int = 1
    lanes: int = 2
    batch_rows: int = 256
    pool: int = 8
    identity_check: IdentityCheck = "queued"
    admission: Admission = "open"
    in_flight_cap: int = 512
    shed_delay_s: float = 1.0
    secret: bytes = b""
    admin_token: str = ""
    registry_url: str = "http://127.0.0.1:8010"
    registry_slots: int = 16
    registry_quota_per_s: float = 0.0
    registry_timeout_s: float = 5.0
    public_url: str = "http://127.0.0.1:8000"
    worker_metrics_port: int = 8002
    photos_url: str = "http://127.0.0.1:8030"
    photo_secret: bytes = b""
    wave_quota: int = 164_000
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 8025
    mail_connections: int = 4
    lease_s: float = 30.0
    poll_s: float = 0.025
    postgres_pid: int = 0
    capacity_extra: Mapping[str, Any] = field(default_factory=dict)


class _Reader:
    """Reads variables one by one and keeps every fault, so that all are told together."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def read(self, key: str, default: Value, parse: Callable[[str], Value], remedy: str) -> Value:
        text = self.environ.get(key)
        if text is None or text == "":
            return default
        try:
            return parse(text)
        except ValueError:
            self.faults.append(f"{key}={text!r}: {remedy}")
            return default

    def number(self, key: str, default: int, low: int, high: int) -> int:
        def parse(text: str) -> int:
            value = int(text)
            if not low <= value <= high:
                raise ValueError(text)
            return value

        return self.read(key, default, parse, f"give a whole number from {low} to {high}")

    def seconds(self, key: str, default: float, low: float, high: float) -> float:
        def parse(text: str) -> float:
            value = float(text)
            if not low <= value <= high:
                raise ValueError(text)
            return value

        return self.read(key, default, parse, f"give a number from {low:g} to {high:g}")

    def one_of(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        def parse(text: str) -> str:
            if text not in allowed:
                raise ValueError(text)
            return text

        return self.read(key, default, parse, f"give one of {', '.join(allowed)}")

    def url(self, key: str, default: str, schemes: tuple[str, ...]) -> str:
        def parse(text: str) -> str:
            parts = urlsplit(text)
            if parts.scheme not in schemes:
                raise ValueError(text)
            if parts.port == 0:
                raise ValueError(text)
            return text.rstrip("/")

        remedy = f"give a URL that starts with {' or '.join(s + '://' for s in schemes)}"
        return self.read(key, default, parse, remedy)


def _json_object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(text)  # noqa: TRY004 - the reader collects ValueErrors
    return value


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Settings from environment variables; raises SettingsError that lists every fault."""
    reader = _Reader(environ)
    port = reader.number("SURGE_PORT", 8000, 1, 65535)
    host = environ.get("SURGE_HOST") or "127.0.0.1"
    settings = Settings(
        database_url=reader.url("DATABASE_URL", "", ("postgresql", "postgres")),
        host=host,
        port=port,
        metrics_port=reader.number("SURGE_METRICS_PORT", 8001, 1, 65535),
        workers=reader.number("SURGE_WORKERS", 1, 1, 64),
        lanes=reader.number("SURGE_LANES", 2, 1, 64),
        batch_rows=reader.number("SURGE_BATCH_ROWS", 256, 1, 4096),
        pool=reader.number("SURGE_POOL", 8, 1, 512),
        identity_check=cast(
            IdentityCheck,
            reader.one_of("SURGE_IDENTITY_CHECK", "queued", ("queued", "inline")),
        ),
        admission=cast(Admission, reader.one_of("SURGE_ADMISSION", "open", ("open", "shed"))),
        in_flight_cap=reader.number("SURGE_IN_FLIGHT_CAP", 512, 1, 1_000_000),
        shed_delay_s=reader.seconds("SURGE_SHED_DELAY_S", 1.0, 0.0, 60.0),
        secret=(environ.get("SURGE_SECRET") or secrets.token_hex(32)).encode(),
        admin_token=environ.get("SURGE_ADMIN_TOKEN") or "",
        registry_url=reader.url("SURGE_REGISTRY_URL", "http://127.0.0.1:8010", ("http",)),
        registry_slots=reader.number("SURGE_REGISTRY_SLOTS", 16, 1, 100_000),
        registry_quota_per_s=reader.seconds("SURGE_REGISTRY_QUOTA_PER_S", 0.0, 0.0, 1e6),
        registry_timeout_s=reader.seconds("SURGE_REGISTRY_TIMEOUT_S", 5.0, 0.01, 600.0),
        public_url=reader.url("SURGE_PUBLIC_URL", f"http://{host}:{port}", ("http", "https")),
        worker_metrics_port=reader.number("SURGE_WORKER_METRICS_PORT", 8002, 1, 65535),
        photos_url=reader.url(
            "SURGE_PHOTOS_URL",
            f"http://127.0.0.1:{reader.number('SURGE_PHOTOS_PORT', 8030, 1, 65535)}",
            ("http", "https"),
        ),
        photo_secret=(environ.get("SURGE_PHOTO_SECRET") or "").encode(),
        wave_quota=reader.number("SURGE_WAVE_QUOTA", 164_000, 0, 10**9),
        smtp_host=environ.get("SURGE_SMTP_HOST") or "127.0.0.1",
        smtp_port=reader.number("SURGE_SMTP_PORT", 8025, 1, 65535),
        mail_connections=reader.number("SURGE_MAIL_CONNECTIONS", 4, 1, 256),
        lease_s=reader.seconds("SURGE_LEASE_S", 30.0, 0.5, 3600.0),
        poll_s=reader.seconds("SURGE_POLL_S", 0.025, 0.001, 0.05),
        postgres_pid=reader.number("SURGE_POSTGRES_PID", 0, 0, 2**31 - 1),
        capacity_extra=reader.read(
            "SURGE_CAPACITY_EXTRA", {}, _json_object, "give one JSON object"
        ),
    )
    if not environ.get("DATABASE_URL"):
        reader.faults.append("DATABASE_URL: missing; give postgresql://USER@HOST:PORT/NAME")
    if reader.faults:
        raise SettingsError("; ".join(reader.faults))
    return settings
