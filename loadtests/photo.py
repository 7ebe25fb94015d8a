"""Photos that visitors upload: a card that exists nowhere, drawn when a generator starts.

Drawing and compressing one costs as much as thousands of requests, so each device's picture is made
once, and becomes the visitor's own by a comment (COM segment, ITU-T T.81 B.2.4.5) that says whose
it is: a whole, valid JPEG of other bytes and another SHA-256 for each visitor.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from io import BytesIO
from typing import Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from workload.population import Visitor

#: (width, height, quality) by device: a better camera gives a larger file. 15 kB to 260 kB; the
#: sizes are a choice of ours, no figure about the photos of 2020 is published.
PICTURES: Final = {
    "feature_phone": (480, 300, 70),
    "android": (960, 600, 80),
    "desktop": (1120, 700, 85),
    "iphone": (1280, 800, 90),
}
START: Final = b"\xff\xd8"
COMMENT: Final = b"\xff\xfe"
WIDTH, HEIGHT = 1280, 800
GRAIN: Final = 24  # grey levels: it makes the photo of a card larger than a drawing of one


class Photo(NamedTuple):
    """A JPEG, and its SHA-256 in hexadecimal digits."""

    jpeg: bytes
    sha256: str


class Camera:
    """Takes the photo of a visitor's card. Making the first one draws the pictures, in 0.1 s."""

    def __init__(self) -> None:
        self._pictures = _pictures()

    def photo(self, visitor: Visitor) -> Photo:
        """The same bytes whenever the same visitor asks; other bytes for every other one."""
        head, rest = self._pictures[visitor.device]
        words = f"surge: {visitor.request_id}".encode()
        comment = COMMENT + (len(words) + 2).to_bytes(2, "big") + words
        jpeg = b"".join((head, comment, rest))
        return Photo(jpeg, sha256(jpeg).hexdigest())


@cache
def _pictures() -> dict[str, tuple[bytes, bytes]]:
    card = _card()
    return {
        device: _cut(_compressed(card.resize((width, height)), quality))
        for device, (width, height, quality) in PICTURES.items()
    }


def _card() -> Image.Image:
    """A specimen: a portrait without a face, lines without words, and paper with some grain."""
    grain = np.random.default_rng(2020).integers(0, GRAIN, (HEIGHT, WIDTH), np.uint8)
    shade = np.linspace(120, 180, WIDTH).astype(np.uint8)[None, :] + grain
    card = Image.fromarray(np.stack([shade - 20, shade, shade + 20], axis=2))
    pen, margin = ImageDraw.Draw(card), WIDTH // 16
    pen.rectangle((margin, margin, WIDTH - margin, HEIGHT - margin), outline="navy", width=3)
    pen.rectangle((margin * 11, margin * 2, margin * 14, margin * 6), fill="slategray")
    pen.text((margin * 2, margin * 2), "SPECIMEN", fill="navy", font_size=HEIGHT // 9)
    for line in range(5):
        below = margin * (4 + line)
        pen.rectangle(
            (margin * 2, below, margin * (9 - line % 2), below + margin // 3), fill="gray"
        )
    return card


def _compressed(card: Image.Image, quality: int) -> bytes:
    file = BytesIO()
    card.save(file, "JPEG", quality=quality)
    return file.getvalue()


def _cut(jpeg: bytes) -> tuple[bytes, bytes]:
    """In two where a comment may stand: behind the APP0 segment that JFIF wants to be the first."""
    length = int.from_bytes(jpeg[len(START) + 2 : len(START) + 4], "big")
    at = len(START) + 2 + length
    return jpeg[:at], jpeg[at:]
