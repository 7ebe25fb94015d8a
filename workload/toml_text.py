"""Tables as TOML text: what `tomllib` reads, written. Comments are not kept, order is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any


def toml_text(table: Mapping[str, Any]) -> str:
    """TOML of a table of text, numbers, booleans, lists and tables, so that reading it gives the
    same again. ValueError for anything else (a date, None).
    """
    return "\n".join(_lines(table, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    """First the values of a table, then its tables, each under its header."""
    for key, value in table.items():
        if not isinstance(value, Mapping) and not _is_array_of_tables(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        under = (*path, key)
        header = ".".join(map(_key, under))
        if isinstance(value, Mapping):
            yield f"\n[{header}]"
            yield from _lines(value, under)
        elif _is_array_of_tables(value):
            for one in value:
                yield f"\n[[{header}]]"
                yield from _lines(one, under)


def _is_array_of_tables(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) > 0
        and all(isinstance(one, Mapping) for one in value)
    )


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in value.items()) + "}"
    raise ValueError(f"{value!r} can't be written as TOML")


def _text(value: str) -> str:
    """A basic string; JSON's escapes are TOML's, which wants the delete character escaped too."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
