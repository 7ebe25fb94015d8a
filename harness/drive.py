"""Drives a campaign for a verb: against a system of our own or a given one, with its progress."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.errors import RunInvalid
from harness.interruption import end_on_any_wish
from harness.progress import progress
from harness.run_directory import with_reason
from harness.several_machines import invite
from harness.stack import Stack
from harness.stack_settings import StackSettings
from harness.tables import say
from loadtests.campaign import CampaignPlan, run_campaign
from loadtests.rundir import CampaignResult
from workload.errors import InvalidRunError


def drive_until_told(plan: CampaignPlan, settings: StackSettings) -> CampaignResult:
    """Drive the plan's target, or without one a system of our own, until done or interrupted.

    An interrupted run is a result too, unless the wish came before its first visitor: then there
    is nothing to mark, and it raises KeyboardInterrupt.
    """
    wish = end_on_any_wish()
    try:
        return drive(plan) if plan.target else drive_own(plan, settings)
    except InvalidRunError as error:
        if wish.heard:
            raise KeyboardInterrupt from error
        raise


def drive(plan: CampaignPlan) -> CampaignResult:
    """Run a plan, showing how far it is; where others join it, first who is awaited."""
    if plan.joining:
        invite(plan)
    with progress(f"driving {plan.scenario.name}") as report:

        def show(now: Mapping[str, Any]) -> None:
            done = min(max(now["at_s"], 0.0) / now["window_s"], 1.0)
            words = (
                f"{now['arrived']:,} of {now['expected']:,} arrived, {now['open']:,} inside, "
                f"{now['failures']:,} of {now['attempts']:,} attempts failed"
            )
            report(done, words)

        return run_campaign(plan, show)


def drive_own(plan: CampaignPlan, settings: StackSettings) -> CampaignResult:
    """Start the reference system, run a plan against it, stop it; its logs stay with the run.

    A part of the system that died makes the run invalid: what was measured is another system.
    """
    say("starting the reference system")
    with Stack(settings, logs=plan.run_dir / "logs") as stack:
        cores = stack.placement.generator if stack.placement else ()
        own = replace(plan, target=stack.service, cores=cores, admin_token=stack.admin_token)
        result = drive(own)
        try:
            stack.check()
        except RunInvalid as death:
            return with_reason(result, str(death))
    return result
