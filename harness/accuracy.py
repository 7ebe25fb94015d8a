"""The figures of docs/accuracy.md, from the records of `surge verify`.

    python -m harness.accuracy runs/verify-…            print them
    python -m harness.accuracy runs/verify-… --write    put them into docs/accuracy.md

Give all records that there are, the newest last: errors are of the newest, the coverage of the
intervals is over all of them.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness import CHECKOUT
from harness.agreement_tables import signed
from harness.checked import basis_of
from harness.reliability_picture import draw_reliability
from harness.trust_tables import machine_text
from simulation.calibrate import KINDS
from simulation.intervals import coverage, log_error
from workload.agreement import SCHEMA_NAME, Agreement, Level, Row, agreement_from
from workload.errors import Fault, InputError, RecordError
from workload.manifest import read_json, read_manifest

PAGE: Final = CHECKOUT / "docs" / "accuracy.md"
BEGIN: Final = "<!-- figures: python -m harness.accuracy -->"
END: Final = "<!-- end of figures -->"
PICTURE: Final = CHECKOUT / "docs" / "images" / "reliability.svg"
PERCENTILES: Final = ("p50_s", "p95_s", "p99_s")
NOMINAL: Final = (0.5, 0.8, 0.9, 0.95)


def read_checks(paths: Sequence[Path]) -> list[Agreement]:
    """The agreement of each record, or of each agreement.json; RecordError for what is neither."""
    found = []
    for path in paths:
        file = path / "agreement.json" if path.is_dir() else path
        try:
            found.append(_placed(agreement_from(read_json(file, SCHEMA_NAME)), file.parent))
        except (KeyError, TypeError, ValueError) as error:
            fault = Fault("agreement", str(error), "a key is missing or damaged; was it edited?")
            raise RecordError(str(file), [fault]) from error
    return found


def _placed(check: Agreement, record: Path) -> Agreement:
    """With the machine and commit of its runs, where the agreement itself has not noted them."""
    runs = sorted(path.parent for path in record.glob("*/manifest.json"))
    if check.basis.began_unix or not runs:
        return check
    newest = max(map(read_manifest, runs), key=lambda manifest: manifest.began_unix)
    return replace(check, basis=basis_of(newest, record))


def figures(checks: Sequence[Agreement]) -> str:
    """All tables, as Markdown."""
    return "\n".join([
        *_checks(checks), "", *_errors(checks[-1]), "", *_over_all(checks), "", *_coverage(checks)
    ])  # fmt: skip


def _checks(checks: Sequence[Agreement]) -> Iterator[str]:
    yield "| check | machine | commit | saturation predicted | measured | error |"
    yield "|---|---|---|---:|---:|---:|"
    for number, one in enumerate(checks, 1):
        yield (
            f"| {number} | {machine_text(one.basis.machine)} | {one.basis.commit or '–'} | "
            f"{_rate(one.saturation_predicted_per_s)} | {_rate(one.saturation_measured_per_s)} | "
            f"{_exact(one.saturation_error)} |"
        )


def _rate(value: float) -> str:
    return f"{value:,.0f}/s" if math.isfinite(value) else "–"


def _exact(error: float) -> str:
    return f"{error:+.1%}" if math.isfinite(error) else "–"


def _errors(check: Agreement) -> Iterator[str]:
    """Of the newest check, every held-out level: error and, in brackets, noise."""
    yield "Errors of the newest check on held-out load; in brackets the noise of the measurement:"
    yield ""
    yield "| held out | event loop busy | step | p50 | p95 | p99 |"
    yield "|---|---:|---|---:|---:|---:|"
    for level in check.levels:
        if not level.held_out:
            continue
        for step in dict.fromkeys(row.step for row in level.rows):
            cells = " | ".join(_cell(level, step, metric) for metric in PERCENTILES)
            yield f"| {_title(level)} | {_busy(level)} | {step} | {cells} |"


def _title(level: Level) -> str:
    changed = getattr(level, "deployment", "")
    return f"{level.offered_per_s:,.0f} visitors/s" + (f", {changed}" if changed else "")


def _busy(level: Level) -> str:
    share = level.utilisation.get("event_loop")
    return "–" if share is None else f"{share:.0%}"


def _cell(level: Level, step: str, metric: str) -> str:
    row = next((one for one in level.rows if (one.step, one.metric) == (step, metric)), None)
    if row is None:
        return "–"
    noise = f" (±{row.noise:.0%})" if math.isfinite(row.noise) else ""
    return signed(row.error) + noise


def _over_all(checks: Sequence[Agreement]) -> Iterator[str]:
    """By step and percentile over all held-out levels of all checks."""
    yield (
        f"Over the held-out levels of all {len(checks)} checks; a factor of 1.30 is the root mean "
        "square of log(predicted / measured):"
    )
    yield ""
    yield "| step | percentile | levels | median error | from | to | factor |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    rows = [row for check in checks for level in check.levels if level.held_out
            for row in level.rows]  # fmt: skip
    for step in dict.fromkeys(row.step for row in rows):
        for metric in PERCENTILES:
            mine = [row for row in rows if (row.step, row.metric) == (step, metric)]
            if mine:
                yield _row_over_all(step, metric, mine)


def _row_over_all(step: str, metric: str, rows: Sequence[Row]) -> str:
    errors = [row.error for row in rows if not math.isnan(row.error)]
    if not errors:
        return f"| {step} | {metric[:3]} | 0 | – | – | – | – |"
    mean = math.sqrt(statistics.fmean(log_error(error) ** 2 for error in errors))
    return (
        f"| {step} | {metric[:3]} | {len(errors)} | {signed(statistics.median(errors))} | "
        f"{signed(min(errors))} | {signed(max(errors))} | {math.exp(mean):.2f} |"
    )


def _coverage(checks: Sequence[Agreement]) -> Iterator[str]:
    if len(checks) < 2:
        yield "Coverage of the intervals needs two checks at least."
        return
    yield (
        "Coverage: the intervals that the other checks make, and what was measured. An interval "
        "that says 80 % should hold 80 % of the measurements, or more:"
    )
    yield ""
    yield "| says | " + " | ".join(f"{metric[:3]} inside" for metric in PERCENTILES) + " |"
    yield "|---:|" + "---:|" * len(PERCENTILES)
    held = held_by(checks)
    for number, confidence in enumerate(NOMINAL):
        cells = []
        for metric in PERCENTILES:
            inside, total = held[metric][number]
            cells.append(f"{inside / total:.0%} of {total}" if total else "–")
        yield f"| {confidence:.0%} | " + " | ".join(cells) + " |"


def held_by(checks: Sequence[Agreement]) -> dict[str, list[tuple[int, int]]]:
    """Percentile -> (inside, all) at each confidence of NOMINAL."""
    return {
        metric: [coverage(checks, [metric], _kind_of, confidence) for confidence in NOMINAL]
        for metric in PERCENTILES
    }


def draw(checks: Sequence[Agreement], output: Path) -> Path | None:
    """The reliability plot; None where there is nothing to draw from."""
    found = {metric[:3]: counts for metric, counts in held_by(checks).items() if counts[0][1]}
    if not found:
        return None
    shares = {name: [inside / total for inside, total in counts] for name, counts in found.items()}
    looks = max(counts[0][1] for counts in found.values())
    return draw_reliability(NOMINAL, shares, looks, output)


def _kind_of(step: str) -> str:
    return KINDS.get(step, step)


def written(text: str, found: str) -> str:
    """The page with these figures between its two marks; InputError without them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        remedy = f"keep the lines {BEGIN} and {END}"
        raise InputError("docs/accuracy.md", [Fault("marks", "missing", remedy)])
    return f"{before}{BEGIN}\n{found}\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m harness.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("records", nargs="+", type=Path, metavar="RECORD")
    parser.add_argument(
        "--write", action="store_true", help="into docs/accuracy.md, and the picture"
    )
    parsed = parser.parse_args(arguments)
    try:
        found = figures(read_checks(parsed.records))
        if parsed.write:
            text = written(PAGE.read_text(encoding="utf-8"), found)
            PAGE.write_text(text, encoding="utf-8")
            draw(read_checks(parsed.records), PICTURE)
    except InputError as error:
        print(f"python -m harness.accuracy: {error}", file=sys.stderr)
        return 2
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
