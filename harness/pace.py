"""How processor time grows with the machine's pace: the powers in `simulation/pace.py`.

    python -m harness.pace runs/verify-… runs/demo-…

Of all levels of all records together: the processor time of a process is its counts, each at one
cost, times a power of what a mail cost the mailbox twin. Least squares of the logarithms.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from harness.tables import Column, show
from simulation.costs import transactions
from simulation.evidence import Window, read_run, windows
from simulation.pace import DATABASE, GENERATOR, SERVICE, WORKER, mail_cost_s
from workload.errors import Fault, InputError, RecordError
from workload.manifest import read_manifest

#: Runs in which the system saturates or has not yet warmed up say nothing of a cost.
LEFT_OUT: Final = ("saturation", "warm-up")
#: In pulses worker and database work in other batches, which their counts don't tell.
PULSES: Final = "pulses"
BAD_INPUT: Final = 2
#: Levels that have to be there for a cost and a power to be told apart.
FEWEST: Final = 10


@dataclass(frozen=True)
class Power:
    """How a process's CPU grows with the pace; ``sd``: of it. ``spread``: of the logarithms that
    are left, ``before``: without a power.
    """

    process: str
    used: float
    found: float
    sd: float
    spread: float
    before: float


def powers(held: Sequence[Window]) -> list[Power]:
    """One row for each process, from windows of many levels and paces."""
    pace = np.log([mail_cost_s([window]) for window in held])
    pace -= pace.mean()
    return [
        _power("service", SERVICE, [w.cpu("service", 0.0) for w in held], pace, [
            [w.requests for w in held],
            _counts(held, "service", "surge_loop_wakeups_total"),
            _counts(held, "service", "surge_flushes_total"),
        ]),
        _power("worker", WORKER, [w.cpu("worker", 0.0) for w in held], pace, [
            [w.mails + w.checks for w in held],
            [w.seconds for w in held],
        ]),
        _power("database", DATABASE, _counts(held, "worker", "surge_database_cpu_seconds_total"),
               pace, [[transactions(w) for w in held], [w.seconds for w in held]]),
        _power("generator", GENERATOR,
               _counts(held, "generator", "surge_generator_cpu_seconds_total"), pace, [
            [w.generated for w in held],
            _counts(held, "generator", "surge_generator_wakeups_total"),
        ]),
    ]  # fmt: skip


def _counts(held: Sequence[Window], source: str, name: str) -> list[float]:
    return [window.total(source, name) for window in held]


def _power(
    process: str,
    used: float,
    cpu_s: Sequence[float],
    pace: NDArray[np.float64],
    counts: Sequence[Sequence[float]],
) -> Power:
    matrix = np.column_stack([np.asarray(count, dtype=np.float64) for count in counts])
    matrix /= matrix.max(axis=0)
    target = np.log(cpu_s)

    def left(unknown: NDArray[np.float64]) -> NDArray[np.float64]:
        costs, power = np.exp(unknown[:-1]), unknown[-1]
        return np.asarray(np.log(matrix @ costs) + power * pace - target)

    start = np.append(np.full(matrix.shape[1], target.mean()), 0.0)

    def powerless(costs: NDArray[np.float64]) -> NDArray[np.float64]:
        return left(np.append(costs, 0.0))

    flat = least_squares(powerless, start[:-1])
    best = least_squares(left, np.append(flat.x, 0.5))
    variance = 2 * best.cost / max(1, len(target) - len(start))
    jacobian = np.asarray(best.jac)
    sd = float(np.sqrt((np.linalg.pinv(jacobian.T @ jacobian) * variance)[-1, -1]))
    return Power(process, used, float(best.x[-1]), sd, float(best.fun.std()), float(flat.fun.std()))


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.pace",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("record", type=Path, nargs="+", help="directory of a verify or a demo")
    parser.add_argument("--pulses", action="store_true", help="with the pulses too")
    given = parser.parse_args(arguments)
    try:
        held = [w for record in given.record for w in _levels(record, pulses=given.pulses)]
    except RecordError as error:
        sys.stderr.write(f"{error}\n")
        return BAD_INPUT
    if len(held) < FEWEST:
        fault = Fault("levels", len(held), f"{FEWEST} with mails are needed; give more records")
        sys.stderr.write(f"{InputError('records', [fault])}\n")
        return BAD_INPUT
    columns = [Column("process", figure=False), Column("power used"), Column("found"),
               Column("sd"), Column("spread left"), Column("without")]  # fmt: skip
    show(
        f"How processor time grows with the pace, from {len(held)} levels",
        columns,
        (
            [one.process, f"{one.used:.2f}", f"{one.found:.2f}", f"{one.sd:.2f}",
             f"{one.spread:.1%}", f"{one.before:.1%}"]
            for one in powers(held)
        ),
        "Spread: standard deviation of log(fitted / measured), with the power and without any.",
    )  # fmt: skip
    return 0


def _levels(record: Path, *, pulses: bool) -> list[Window]:
    """Those in which mails were sent: others don't tell a pace."""
    paths = sorted(path.parent for path in record.glob("*/manifest.json"))
    left_out = LEFT_OUT if pulses else (*LEFT_OUT, PULSES)
    kept = [path for path in paths if not path.name.startswith(left_out)]
    runs = [read_run(path) for path in kept if read_manifest(path).status == "complete"]
    return [window for window in windows(runs) if window.mails]


if __name__ == "__main__":
    sys.exit(main())
