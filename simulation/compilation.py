"""How functions become machine code, and where that is kept.

Beside a digest of every source that it was made from, so that a change of any compiles again. In
the checkout's own ``.cache`` where that can be written,
else in the user's cache directory; ``NUMBA_CACHE_DIR`` goes before both.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
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
    if outermost:
        return lambda function: _compiled_once(njit(**options)(function))
    return cast("Callable[[Function], Function]", njit(**options))


def _compiled_once(dispatcher: Any) -> Any:
    """Of several processes that want a function for the first time one compiles it: a minute of a
    core. The others wait, and read what it has kept.
    """

    @functools.wraps(dispatcher.py_func)
    def call(*arguments: Any) -> Any:
        if not dispatcher.signatures:
            with _alone_in(Path(dispatcher.stats.cache_path)):
                dispatcher.compile(tuple(map(numba.typeof, arguments)))
        return dispatcher(*arguments)

    return call


@contextmanager
def _alone_in(cache: Path) -> Iterator[None]:
    """Holds the lock of a cache, which the kernel lets go of when we die; none where nothing can
    be written, as then nothing can be kept.
    """
    with ExitStack() as held:
        with suppress(OSError):
            handle = held.enter_context((cache / "compiling.lock").open("w"))
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def callable_from_machine_code(function: Callable[..., Any]) -> None:
    """Let compiled code call a function as it stands; Python still runs it as Python."""
    register: Any = numba.extending.register_jitable
    register(_nrt=False, forceinline=True)(function)


def bare(cells: Any) -> Any:
    """The cells of an array for compiled code: where they begin, and nothing more.

    An array is seven words, and its indexes may count from the end: both cost each access some
    instructions. A bare one has one word, no length, and no index below 0.
    """
    return cells


@numba.extending.intrinsic
def _beginning(_: Any, array: Any) -> Any:
    def lowered(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, value=args[0]).data

    pointer: Any = numba.types.CPointer
    return pointer(array.dtype)(array), lowered


@numba.extending.overload(bare)
def _bare(cells):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, ARG001
    beginning: Any = _beginning
    return lambda cells: beginning(cells)  # noqa: PLW0108


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
