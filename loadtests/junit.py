"""Verdicts as CI servers read them: JUnit XML, one case an objective."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from workload.manifest import Manifest
from workload.objective import Answer, Verdict


def is_measurable(verdict: Verdict) -> bool:
    """Whether one run can answer this objective; a probability of collapse it can't."""
    return verdict.objective.kind != "collapse"


def junit(manifest: Manifest, verdicts: tuple[Verdict, ...]) -> bytes:
    """One case an objective, as CI servers read it.

    Missed is a failure. Unknown is an error, because a skipped case looks green and nothing was
    shown; so is every objective of a run that is not valid. What only a projection can answer is
    skipped.
    """
    suite = ET.Element("testsuite", name=f"surge {manifest.scenario}")
    counts = dict.fromkeys(("failure", "error", "skipped"), 0)
    for verdict in verdicts:
        case = ET.SubElement(
            suite, "testcase", classname=manifest.scenario, name=verdict.objective.text
        )
        kind, message = _case(manifest, verdict)
        if kind:
            counts[kind] += 1
            ET.SubElement(case, kind, message=message)
    suite.set("tests", str(len(verdicts)))
    for kind, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(counts[kind]))
    suite.set("time", f"{manifest.lasted_s:.3f}")
    encoded: bytes = ET.tostring(suite, encoding="utf-8", xml_declaration=True)
    return encoded


def _case(manifest: Manifest, verdict: Verdict) -> tuple[str, str]:
    if manifest.status != "complete":
        return "error", f"run {manifest.status}: {'; '.join(manifest.reasons)}"
    if not is_measurable(verdict):
        return "skipped", "one run has no probability: ask surge simulate"
    if verdict.answer is Answer.UNKNOWN:
        return "error", f"unknown: {verdict.why}"
    if verdict.answer is Answer.MISSED:
        return "failure", f"measured {verdict.value:g}, margin {verdict.margin:+.1%}"
    return "", ""
