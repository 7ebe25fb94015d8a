"""Which core plays which machine, where service, database, twins and generator share one computer.

Without pinning no percentile can be predicted: whoever shares a core with the service decides it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass

Cores = tuple[int, ...]


@dataclass(frozen=True)
class Placement:
    """Cores of each part. The first three are the system; twins and generator, the outside."""

    service: Cores
    database: Cores
    worker: Cores
    twins: Cores
    generator: Cores

    def as_json(self) -> dict[str, list[int]]:
        """For /capacity and the manifest: the two sides, and who has what of them."""
        return {
            "system": sorted({*self.service, *self.database, *self.worker}),
            "outside": sorted({*self.twins, *self.generator}),
            "service": list(self.service),
            "database": list(self.database),
            "worker": list(self.worker),
            "twins": list(self.twins),
            "generator": list(self.generator),
        }


def place(available: Sequence[int] | None = None) -> Placement | None:
    """Half of the cores for the system, half for the outside; None on a single core: no choice.

    With two cores each side has one. With more, the service has cores of its own, and PostgreSQL
    and the worker share the others of the system's side; twins need less than a generator.
    """
    cores = tuple(sorted(os.sched_getaffinity(0) if available is None else available))
    if len(cores) < 2:
        return None
    system, outside = cores[: (len(cores) + 1) // 2], cores[(len(cores) + 1) // 2 :]
    service, stores = halves(system)
    generator, twins = halves(outside)
    return Placement(service, stores, stores, twins, generator)


def halves(cores: Cores) -> tuple[Cores, Cores]:
    """The larger half first; one core is both."""
    if len(cores) == 1:
        return cores, cores
    middle = (len(cores) + 1) // 2
    return cores[:middle], cores[middle:]
