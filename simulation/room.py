"""Arrays that grow where they are: room for a nation costs memory only once it is used.

A plane is memory of its own, asked of the system in pages, which are there (and zero) from their
first use on. To grow it moves pages, not cells, so that never an old and a new copy stand side by
side; where the system can't, or somebody else still looks at the array, it is copied.
"""

from __future__ import annotations

import mmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: From so many bytes on a plane asks for large pages: visits lie all over it.
LARGE: Final = 8 << 20


class Plane:
    """A flat array of ``cells`` zeros. ``array`` is the array as it is now."""

    def __init__(self, cells: int, dtype: type[np.generic] = np.int64) -> None:
        self._dtype = np.dtype(dtype)
        self._pages = self._mapped(cells)
        self.array = self._seen(cells)

    def grow(self, cells: int) -> NDArray[Any]:
        """The same cells and zeros behind them, ``cells`` in all.

        Let go of the former array before: while somebody looks at it, it can't move.
        """
        length, self.array = len(self.array), np.zeros(0, dtype=self._dtype)
        try:
            self._pages.resize(self._size(cells))
            _ask_for_large_pages(self._pages)
        except (BufferError, OSError, SystemError, ValueError):
            former = self._seen(length)
            self._pages = self._mapped(cells)
            self._seen(length)[:] = former
        self.array = self._seen(cells)
        return self.array

    def _size(self, cells: int) -> int:
        """Bytes of whole pages."""
        return max(1, -(-cells * self._dtype.itemsize // mmap.PAGESIZE)) * mmap.PAGESIZE

    def _mapped(self, cells: int) -> mmap.mmap:
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        pages = mmap.mmap(-1, self._size(cells), flags=flags)
        _ask_for_large_pages(pages)
        return pages

    def _seen(self, cells: int) -> NDArray[Any]:
        return np.frombuffer(self._pages, dtype=self._dtype, count=cells)


def _ask_for_large_pages(pages: mmap.mmap) -> None:
    if len(pages) >= LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        pages.madvise(mmap.MADV_HUGEPAGE)
