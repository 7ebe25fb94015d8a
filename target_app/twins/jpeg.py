"""Follows the structure of a JPEG while its bytes stream by (ITU-T T.81, annex B).

Start marker, segments with their lengths, a frame with a size, scans, end marker, nothing after.
Pixels are not decoded: that costs ten times as much, and a cut file shows without it.
"""

from __future__ import annotations

import re

# In a scan, FF00 stands for a byte FF, FFD0..FFD7 are restarts, and FF may be repeated as filler.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset((0x01, *range(0xD0, 0xD8)))


class Jpeg:
    """`fault` says what is wrong so far; `width` and `height` are in pixels, 0 until known."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.width = 0
        self.height = 0
        self._held = b""
        self._passed = 0  # bytes of the file before the held ones
        self._skip = 0
        self._started = False
        self._ended = False
        self._in_scan = False
        self._scanned = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file, cut anywhere."""
        if self.fault is not None:
            return
        data = self._held + chunk if self._held else chunk
        at = 0
        while at < len(data) and self.fault is None:
            step = self._step(data, at)
            if step == 0:
                break
            at += step
        self._held = data[at:]
        self._passed += at

    def finish(self) -> str | None:
        """What is wrong with the whole file, or None."""
        if self.fault is None and not self._ended:
            self.fault = f"cut short after {self._passed + len(self._held)} bytes: no end marker"
        return self.fault

    def _step(self, data: bytes, at: int) -> int:
        """How many bytes were understood; 0 when more must come first."""
        if self._skip:
            step = min(self._skip, len(data) - at)
            self._skip -= step
            return step
        if self._in_scan:
            return self._scan(data, at)
        if self._ended:
            return self._wrong(at, "bytes after the end marker")
        if data[at] != 0xFF:
            return self._wrong(at, "a marker was expected")
        if len(data) - at < 2:
            return 0
        if data[at + 1] == 0xFF and self._started:
            return 1
        return self._marker(data, at, data[at + 1])

    def _scan(self, data: bytes, at: int) -> int:
        found = _MARKER.search(data, at)
        if found is None:
            step = len(data) - at - data.endswith(b"\xff")
        else:
            step = found.start() - at
            self._in_scan = False
        self._scanned += step
        if found is not None and step == 0:
            return self._step(data, at)
        return step

    def _marker(self, data: bytes, at: int, code: int) -> int:
        if not self._started:
            if code != _START:
                return self._wrong(at, "no start marker")
            self._started = True
            return 2
        if code == _END:
            if not self._scanned:
                return self._wrong(at, "the end comes before any scan")
            self._ended = True
            return 2
        if code in _WITHOUT_LENGTH or code in (0x00, _START):
            return self._wrong(at, f"marker {code:02x} has no place here")
        return self._segment(data, at, code)

    def _segment(self, data: bytes, at: int, code: int) -> int:
        needed = 9 if code in _FRAMES else 4
        if len(data) - at < needed:
            return 0
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < needed - 2:
            return self._wrong(at, f"segment {code:02x} of length {length}")
        if code in _FRAMES:
            self.height = int.from_bytes(data[at + 5 : at + 7], "big")
            self.width = int.from_bytes(data[at + 7 : at + 9], "big")
            if not self.height or not self.width:
                return self._wrong(at, "a frame without size")
        if code == _SCAN:
            if not self.width:
                return self._wrong(at, "a scan before any frame")
            self._in_scan = True
        self._skip = length + 2 - needed
        return needed

    def _wrong(self, at: int, what: str) -> int:
        self.fault = f"at byte {self._passed + at}: {what}"
        return 0
