"""What a photo takes, by the photo store's own counters: how long, and how large it is.

size      bytes that arrived / photos that were taken
duration  the store's service (the bytes on their way, and its own latency), and beside it the
          service's question whether the photo is there
"""

from __future__ import annotations

from collections.abc import Sequence

from simulation.evidence import Window, merged_buckets, shape_of
from workload.durations import Duration, constant

STORE = "photos"
TOOK = "surge_twin_service_seconds"
ASKED = "surge_photo_store_seconds"


def fit_photo(held: Sequence[Window]) -> tuple[Duration, float]:
    """(duration of an upload beside its two requests to the service, size in 1000 bytes).

    Nothing of both where no photo was taken, or where the store was not scraped.
    """
    taken = sum(w.total(STORE, "surge_twin_requests_total", status="200") for w in held)
    came = sum(w.count(STORE, TOOK) for w in held)
    if not taken or not came:
        return constant(0.0), 0.0
    kb = sum(w.total(STORE, "surge_photos_bytes_total") for w in held) / taken / 1000
    took_s = sum(w.total(STORE, f"{TOOK}_sum") for w in held) / came
    shape = shape_of(merged_buckets(held, STORE, TOOK), took_s)
    asked = sum(w.count("service", ASKED) for w in held)
    asked_s = sum(w.total("service", f"{ASKED}_sum") for w in held) / asked if asked else 0.0
    return Duration(tuple(knot + asked_s for knot in shape.knots_s)), kb
