"""The draw: random among all who joined, never more than the quota, the same for the same seed.

First the wave is closed and the next one opened, in an instant; then the seats are drawn, which
may take a while and holds nobody up. A draw that was cut short is done by the next call. The
order is that of SHA-256 of seed and registration: no database's random(), so anybody can repeat it.
"""

from __future__ import annotations

from typing import Any

from target_app.database import Connection

_TIMEOUT_S = 600.0

_UNDRAWN = "SELECT wave, closed_at FROM waves WHERE drawn IS NULL ORDER BY wave FOR UPDATE"
_CLOSE = "UPDATE waves SET closed_at = now(), quota = $2, seed = $3 WHERE wave = $1"
_OPEN = "INSERT INTO waves (wave) VALUES ($1)"
_WAVE = "SELECT wave, quota, seed, joined, drawn FROM waves WHERE wave = $1 FOR UPDATE"
_POOL = "SELECT count(*) FROM applications WHERE drawn_wave IS NULL AND wave <= $1"
_DRAW = """
UPDATE applications SET drawn_wave = $1
WHERE registration IN (
    SELECT registration FROM applications WHERE drawn_wave IS NULL AND wave <= $1
    ORDER BY sha256(convert_to($2 || ':' || registration::text, 'UTF8')) LIMIT $3
)
"""
_DRAWN = """
UPDATE waves SET joined = $2, drawn = $3 WHERE wave = $1
RETURNING wave, quota, seed, joined, drawn
"""


async def close_and_draw(
    connection: Connection, quota: int, seed: int, wave: int | None
) -> Any | None:
    """Close a wave and draw its seats: (wave, quota, seed, joined, drawn).

    `wave` None means the one that waits longest to be drawn, else the open one. A wave that has
    been drawn is answered as it was; None: it is not open yet. Raises what asyncpg raises.
    """
    target = await _close(connection, quota, seed, wave)
    return None if target is None else await _draw(connection, target)


async def _close(connection: Connection, quota: int, seed: int, wave: int | None) -> int | None:
    async with connection.transaction():
        undrawn = await connection.fetch(_UNDRAWN)
        target: int = undrawn[0]["wave"] if wave is None else wave
        opened: int = undrawn[-1]["wave"]
        if target > opened:
            return None
        if target == opened:  # joins under way hold the row: they are all in before it closes
            await connection.execute(_CLOSE, opened, quota, str(seed))
            await connection.execute(_OPEN, opened + 1)
        return target


async def _draw(connection: Connection, wave: int) -> Any:
    async with connection.transaction():
        row = await connection.fetchrow(_WAVE, wave)
        if row["drawn"] is not None:
            return row
        await connection.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_nestloop = on")
        joined = await connection.fetchval(_POOL, wave, timeout=_TIMEOUT_S)
        status = await connection.execute(
            _DRAW, wave, row["seed"], row["quota"], timeout=_TIMEOUT_S
        )
        return await connection.fetchrow(_DRAWN, wave, joined, int(status.split()[-1]))
