"""The service under test before the first visitor: is it there, is it ours, what does it say.

Plain blocking HTTP: used by the campaign and once by the generator before the run.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any, Final
from urllib.parse import urlsplit

from workload.errors import Fault, InputError, InvalidRunError

#: Asks whom the URL names and nobody between: a proxy of the environment (``http_proxy``) would be
#: asked for this machine's own loopback, and visitors never go through one.
open_directly: Final = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
READY_S: Final = 10.0
ASK_S: Final = 5.0
AGAIN_S: Final = 0.25


def check_ownership(target: str, yes_i_own: str) -> None:
    """InputError unless the target is this machine, or its owner has said its name again."""
    host = host_of(target)
    if is_loopback(host) or yes_i_own == target:
        return
    remedy = f"load only what you own: repeat it as --yes-i-own {target}"
    raise InputError("target", [Fault("target", target, remedy)])


def host_of(target: str) -> str:
    """The host of an http or https URL; InputError when it is none."""
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("target", [Fault("target", target, "write http://HOST:PORT")])
    return parts.hostname


def is_loopback(host: str) -> bool:
    """Whether every address of this name is this machine's own."""
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError:
        return False
    return all(
        ipaddress.ip_address(str(address).partition("%")[0]).is_loopback for address in found
    )


def wait_until_ready(target: str, headers: Mapping[str, str], within_s: float = READY_S) -> None:
    """Return when ``/readyz`` answers below 500 (a service without it says 404: it is there).

    Raises InputError for what is no URL, InvalidRunError that names it ``within_s`` seconds later.
    """
    host_of(target)
    url, deadline, last = f"{target.rstrip('/')}/readyz", monotonic() + within_s, "no answer"
    while (left := deadline - monotonic()) > 0:
        try:
            status, _ = fetch(url, headers, min(left, ASK_S))
        except OSError as error:
            last = str(getattr(error, "reason", error))
        else:
            if status < 500:
                return
            last = f"status {status}"
        sleep(min(AGAIN_S, max(deadline - monotonic(), 0.0)))
    raise InvalidRunError(
        f"{url} was not healthy within {within_s:g} s ({last}); is the service running there?"
    )


def capacity_of(target: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """What the target says of itself at ``/capacity``; empty for a service without it."""
    try:
        status, body = fetch(f"{target.rstrip('/')}/capacity", headers, ASK_S)
        found = json.loads(body) if status == 200 else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def fetch(url: str, headers: Mapping[str, str], timeout_s: float) -> tuple[int, bytes]:
    """(status, body) of a GET; OSError when there is no answer."""
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - the scheme was checked
    try:
        with open_directly(request, timeout=timeout_s) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
