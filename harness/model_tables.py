"""A service model for people: what a step costs where, how well it fits, what it has not seen."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.tables import Column, count, say, share, show, span
from harness.trust_tables import basis_text
from simulation.service import ServiceModel
from simulation.trust import NEVER, agreement_of

#: A fit that misses by more is shown in words: its costs are hardly more than guesses.
POOR = 0.25


def model_json(model: ServiceModel) -> dict[str, Any]:
    """`surge/model/1`, exactly as it is written to a file."""
    with tempfile.TemporaryDirectory() as folder:
        text = model.write(Path(folder) / "model.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def show_model(model: ServiceModel, out: Path | None) -> None:
    """Everything that a person can judge a model by."""
    show_steps(model)
    figure = [Column("station", figure=False), Column("cost", figure=False), Column("mean")]
    show("What the stations cost", figure, costs(model))
    show_fits(model)
    runs = model.fitted.get("runs", [])
    levels = ", ".join(f"{level:.3g}/s" for level in model.fitted.get("levels_per_s", []))
    say("", f"learned from {', '.join(runs)} ({levels or 'levels unknown'})")
    say(checked_text(model))
    unseen = model.uncalibrated()
    if unseen:
        say(f"uncalibrated (fewer than 1,000 accepted attempts): {', '.join(unseen)};",
            "  their objectives stay unknown: calibrate on more or longer runs")  # fmt: skip
    if out:
        say(f"written: {out}")


def checked_text(model: ServiceModel) -> str:
    """Against what it was held, or that it was not; RecordError where that is damaged."""
    found = agreement_of(model)
    return f"{NEVER}" if found is None else f"held against {basis_text(found.basis)}"


def show_steps(model: ServiceModel) -> None:
    """Processor time of the event loop, and the query, by step."""
    columns = [Column("step", figure=False), Column("kind", figure=False), Column("loop, before"),
               Column("loop, after"), Column("query"), Column("accepted")]  # fmt: skip
    rows = (
        [name, step.kind, span(step.before.mean_s), span(step.after.mean_s),
         span(step.query.mean_s), count(model.calibrated.get(name, 0))]
        for name, step in model.steps.items()
    )  # fmt: skip
    show("What an attempt costs (means)", columns, rows)


def costs(model: ServiceModel) -> Iterator[list[str]]:
    """(station, what, seconds), as people read them."""
    for station, what, seconds in (
        ("event_loop", "a wake-up", model.wake_s),
        ("write_batcher", "a flush, on the loop", model.flush_base_s),
        ("write_batcher", "a row of it", model.flush_row_s),
        ("database", "a flush", model.write_base_s),
        ("database", "a row of it", model.write_row_s),
        ("database", "the commit's wait for the disk", model.commit.mean_s),
        ("database", "an errand of the worker", model.errand_s),
        ("registry_client", "the registry's answer", model.registry.mean_s),
        ("registry_client", "processor of the worker, a check", model.check_cpu_s),
        ("mail_sender", "an SMTP transaction", model.mail.mean_s),
        ("mail_sender", "processor of the worker, a mail", model.mail_cpu_s),
        ("photo_store", "an upload, beside its requests", model.photo.mean_s),
        ("generator", "a request", model.send_s + model.receive_s),
        ("twins", "a check", model.twin_check_s),
        ("twins", "a mail", model.twin_mail_s),
    ):
        yield [station, what, span(seconds)]


def show_fits(model: ServiceModel) -> None:
    """Root mean square of (fitted / measured - 1), over windows of a few seconds."""
    residuals = model.fitted.get("residuals", {})
    rows = (
        [name, share(residual), "" if residual is None or residual < POOR else "poor"]
        for name, residual in residuals.items()
    )
    columns = [Column("processor time of", figure=False), Column("residual"),
               Column("", figure=False)]  # fmt: skip
    caption = "residual: root mean square of fitted / measured - 1, window by window"
    show("How well the costs explain what was measured", columns, rows, caption)
