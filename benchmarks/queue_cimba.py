"""M/M/8 as cimba's manual writes a line: arrivals put into a store, servers who take from it.

`python -m benchmarks.queue_cimba CUSTOMERS WARM_UP_S LEAST_S SEED…` prints one JSON object: CPU
seconds of all seeds, customers in all, and each mean wait. A process of its own, because cimba adds
to numba's compiler what another module's compiling before it would hide.
"""

import json
import sys
from typing import Any

import cimba
from cimba import inputs

from benchmarks.queue_peers import RATE, SERVERS
from benchmarks.stand import core_seconds


class Shop(cimba.Model):
    """Waits are recorded when service begins."""

    gap: cimba.Input[float] = inputs.dist.exponential(mean=1 / RATE)
    need: cimba.Input[float] = inputs.dist.exponential(mean=1.0)
    line: cimba.Store[float]
    waits: cimba.Dataset
    mean_s: cimba.Output[float]
    served: cimba.Output[int]

    @cimba.process
    def come(self) -> None:
        while True:
            cimba.hold(self.gap.next())
            self.line.put(cimba.now())

    @cimba.process(copies=SERVERS)  # type: ignore[untyped-decorator]
    def serve(self) -> None:
        while True:
            came = self.line.get()
            self.waits.record(cimba.now() - came)
            cimba.hold(self.need.next())

    @cimba.on_end  # type: ignore[untyped-decorator]
    def measure(self) -> None:
        self.mean_s = self.waits.sample_mean()
        self.served = self.waits.sample_count()


def simulate(customers: int, warm_up_s: float, seed: int) -> tuple[int, float]:
    """(customers, mean wait in seconds) of one run, as long as so many take to come."""
    shop: Any = Shop()
    window = cimba.Window(warmup=warm_up_s, duration=customers / RATE)
    found: Any = cimba.Experiment(shop, replications=1, window=window, seed=seed).run()[shop]
    warm = round(warm_up_s * RATE)  # they took their time as well
    return int(found.served.values[0, 0]) + warm, float(found.mean_s.values[0, 0])


def main(customers: int, warm_up_s: float, least_s: float, seeds: list[int]) -> None:
    """Compile, measure, tell."""
    simulate(20, warm_up_s, 1)
    took_s, found = core_seconds(
        lambda: [simulate(customers, warm_up_s, seed) for seed in seeds], least_s
    )
    waits = [wait for _, wait in found]
    told = {"took_s": took_s, "customers": sum(count for count, _ in found), "waits": waits}
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), [int(a) for a in sys.argv[4:]])
