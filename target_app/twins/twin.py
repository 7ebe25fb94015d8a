"""What every twin has: settings that can be read and changed while it runs, meters, a pulse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from target_app.twins import settings as setting
from target_app.twins.meters import Meters
from target_app.twins.web import Exchange

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Route = Callable[[Exchange], None]
SettingsT = TypeVar("SettingsT", bound="DataclassInstance")


class Twin(Generic[SettingsT]):
    """Routes requests. `readers` name the settings that can be changed, and check them."""

    def __init__(
        self, settings: SettingsT, readers: Mapping[str, setting.Reader], settings_path: bytes
    ) -> None:
        self.settings = settings
        self.meters = Meters()
        self._readers = readers
        self.routes: dict[tuple[bytes, bytes], Route] = {
            (b"GET", settings_path): self._show,
            (b"PUT", settings_path): self._change,
            (b"GET", b"/metrics"): self._metrics,
            (b"GET", b"/healthz"): lambda exchange: exchange.json(200, {"status": "alive"}),
        }

    def begin(self, exchange: Exchange) -> None:
        """Nothing is decided before the request is complete."""

    def handle(self, exchange: Exchange) -> None:
        route = self.routes.get((exchange.method, exchange.path))
        if route is not None:
            route(exchange)
            return
        paths = sorted({path.decode() for _, path in self.routes})
        if exchange.path.decode("latin-1") in paths:
            exchange.problem(405, "another method is needed here")
        else:
            exchange.problem(404, f"there is {', '.join(paths)}")

    def changed(self, names: set[str]) -> None:
        """Called after settings of these names were set."""

    def _show(self, exchange: Exchange) -> None:
        values = {
            field.name: setting.shown(getattr(self.settings, field.name))
            for field in fields(self.settings)
            if field.name in self._readers
        }
        exchange.json(200, values)

    def _change(self, exchange: Exchange) -> None:
        try:
            values: dict[str, Any] = setting.changes(json.loads(exchange.body), self._readers)
        except ValueError as fault:
            exchange.problem(422, str(fault))
            return
        self.settings = replace(self.settings, **values)
        self.changed(set(values))
        self._show(exchange)

    def _metrics(self, exchange: Exchange) -> None:
        exchange.answer(200, self.meters.text(), b"text/plain; version=0.0.4; charset=utf-8")
