"""Settings of the twins: read from the environment at start, changed over HTTP while running."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from target_app.twins.chance import Quantiles, quantiles

Reader = Callable[[object], Any]


class SettingError(ValueError):
    """A setting that cannot be used: names the field, its value and the remedy."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        super().__init__(f"{field}={value!r}: {remedy}")


def whole(least: int, most: int) -> Reader:
    """Reads an integer in least..most."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"give an integer in {least}..{most}")
        return value

    return read


def number(least: float, most: float) -> Reader:
    """Reads a finite number in least..most."""

    def read(value: object) -> float:
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and (
                least <= value <= most  # a NaN is in no range
            )
        ):
            return float(value)
        raise ValueError(f"give a number in {least:g}..{most:g}")

    return read


def knots(value: object) -> Quantiles:
    """Reads quantile knots: a list of seconds, one number, or the same as comma-separated text."""
    parts = value.split(",") if isinstance(value, str) else value
    parts = parts if isinstance(parts, list) else [parts]
    try:
        return quantiles([_seconds(part) for part in parts])
    except ValueError as fault:
        raise ValueError(
            "give quantiles in seconds, evenly spaced in probability, that never fall, "
            'such as "0.010,0.020,0.060"'
        ) from fault


def _seconds(part: object) -> float:
    if isinstance(part, bool) or not isinstance(part, int | float | str):
        raise ValueError("not a number")  # noqa: TRY004 - one kind of fault for all readers
    return float(part)


def outage(value: object) -> str | None:
    """Reads an outage: true means "refuse", false means none."""
    if value is True:
        return "refuse"
    if value is False or value is None or value == "":
        return None
    if value in ("refuse", "reset", "hang"):
        return str(value)
    raise ValueError('give "refuse", "reset", "hang" or null')


def secret(value: object) -> bytes:
    """Reads a secret of at least 16 characters."""
    if not isinstance(value, str | int | float) or len(str(value)) < 16:
        raise ValueError("give at least 16 characters")
    return str(value).encode()


def host(value: object) -> str:
    """Reads the address to listen on."""
    if not isinstance(value, str) or not value:
        raise ValueError("give an address such as 127.0.0.1")
    return value


PORT = whole(0, 65535)


def from_environment(
    fields: Mapping[str, tuple[str, str, Reader]], environment: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Values by field name, of fields given as name -> (variable, default, reader)."""
    values = {}
    for name, (variable, default, read) in fields.items():
        text = environment.get(variable, default)
        try:
            values[name] = read(text if read is secret else _typed(text))
        except ValueError as fault:
            shown = "(hidden)" if read is secret else text
            raise SettingError(variable, shown, str(fault)) from fault
    return values


def changes(asked: object, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """Checked values of a settings request; SettingError for a key that cannot be changed."""
    if not isinstance(asked, dict):
        raise SettingError("body", asked, "send a JSON object")
    values = {}
    for name, value in asked.items():
        if name not in readers:
            raise SettingError(str(name), value, f"can be set: {', '.join(readers)}")
        try:
            values[name] = readers[name](value)
        except ValueError as fault:
            raise SettingError(name, value, str(fault)) from fault
    return values


def shown(value: object) -> object:
    """A setting as JSON shows it."""
    return list(value.knots) if isinstance(value, Quantiles) else value


def _typed(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
