"""Proofs that need no look-up: a registration's name, signed for one purpose."""

from __future__ import annotations

import hmac
import os
import re
import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from uuid import UUID

_PROOF_BYTES = 16  # 128 bits: half of SHA-256, beyond any guessing, short enough for a link
_NAME = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Signer:
    """Signs registration names for one purpose; a proof for one purpose is void for another."""

    def __init__(self, secret: bytes, purpose: str) -> None:
        if not secret:
            raise ValueError("secret: empty; give SURGE_SECRET at least one byte")
        self._key = hmac.digest(secret, purpose.encode(), sha256)

    def _proof(self, name: str) -> str:
        digest = hmac.digest(self._key, name.encode(), "sha256")
        return urlsafe_b64encode(digest[:_PROOF_BYTES]).rstrip(b"=").decode()

    def sign(self, name: str) -> str:
        """`NAME.PROOF`, safe in a URL and in a header."""
        return f"{name}.{self._proof(name)}"

    def open(self, token: str) -> str | None:
        """The name inside a genuine token, None for any other text."""
        name, _, proof = token.partition(".")
        if not _NAME.fullmatch(name) or not proof.isascii():
            return None
        return name if hmac.compare_digest(proof, self._proof(name)) else None


def new_name() -> str:
    """A fresh registration name: a UUID that sorts by time, so that indexes grow at one end."""
    random_bits = int.from_bytes(os.urandom(10), "big")
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | random_bits
    value = value & ~(0xF000 << 64) | (0x7000 << 64)  # version 7 of RFC 9562
    value = value & ~(0xC000 << 48) | (0x8000 << 48)  # its variant
    return str(UUID(int=value))
