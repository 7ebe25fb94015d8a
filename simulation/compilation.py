"""How functions become machine code, and where that is kept.

Beside a digest of every source that it was made from, so that a change of any compiles again. In
the checkout's own ``.cache`` where that can be written,
else in the user's cache directory; ``NUMBA_CACHE_DIR`` goes before both.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeVar, cast

import numba
import numba.extending

Function = TypeVar("Function", bound=Callable[..., Any])
HOUSE: Final = Path(__file__).resolve().parent.parent


def machine_code(*, outermost: bool = False) -> Callable[[Function], Function]:
    """Decorator of functions that only compiled code (``outermost``: only Python) calls.

    Nothing is allocated in compiled code here: without reference counts it is six times as fast.
    All is put into one function: a World is 19 arrays of seven words each, and to hand it from
    function to function took longer than what the functions do.
    """
    options: dict[str, Any] = {"_nrt": False}
    options |= {"cache": True, "nogil": True} if outermost else {"forceinline": True}
    njit: Any = numba.njit
    return cast("Callable[[Function], Function]", njit(**options))


def callable_from_machine_code(function: Callable[..., Any]) -> None:
    """Let compiled code call a function as it stands; Python still runs it as Python."""
    register: Any = numba.extending.register_jitable
    register(_nrt=False, forceinline=True)(function)


def digest(sources: Sequence[ModuleType]) -> str:
    """16 hex digits over the sources of these modules and the versions of Python and numba."""
    found = hashlib.sha256(f"{numba.__version__} {sys.version_info[:3]}".encode())
    for module in sources:
        found.update(Path(str(module.__file__)).read_bytes())
    return found.hexdigest()[:16]


def directory(sources: Sequence[ModuleType]) -> Path:
    """The directory of this digest: made, and writable."""
    name = Path("numba") / digest(sources)
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "surge"
    for base in (HOUSE / ".cache", user):
        try:
            (base / name).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=base / name):
                return base / name
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="surge-numba-"))


def settle(sources: Sequence[ModuleType]) -> None:
    """Tell numba where to keep compiled code, unless NUMBA_CACHE_DIR already does."""
    if not os.environ.get("NUMBA_CACHE_DIR"):
        config: Any = numba.config
        config.CACHE_DIR = str(directory(sources))
