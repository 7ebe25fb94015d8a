"""The photo store: photos go straight to it, over each visitor's own line and one line for all.

An upload is one attempt of three requests: leave from the service (a read), the photo to the store,
and word to the service that it is there (a write).
"""

from __future__ import annotations

from simulation import layout as at
from simulation.layout import World, code_of, post
from simulation.lines import count_service, count_wait
from workload.draws import PHOTO, draw, quantile


def photo_leaves(w: World, now: int, job: int) -> None:
    """A photo is sent: through the store's line in turn, and no faster than the visitor's own."""
    who, step, number = w.jobs[job + at.J_WHO], w.jobs[job + at.J_STEP], w.jobs[job + at.J_NUMBER]
    chance = draw(w.cells[at.C_SEED], who, step, number, PHOTO)
    own = quantile(w.tables, w.cells[at.C_PHOTO_TABLE], chance)
    start = max(now, w.cells[at.C_PHOTO_LINE_FREE])
    through = start + w.cells[at.C_PHOTO_LINE]
    w.cells[at.C_PHOTO_LINE_FREE] = through
    count_wait(w, at.PHOTO_STORE)
    count_service(w, at.PHOTO_STORE, now, start - now, w.cells[at.C_PHOTO_LINE])
    w.jobs[job + at.J_STAGE] = at.CONFIRMING
    post(w, max(through, now + own), code_of(at.PHOTO_SENT, who, step, number), job)
