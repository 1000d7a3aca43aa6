"""What the tasks of every job that works slices say of a claim and of a slice: in the log, and in Airflow's colours."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from airflow.sdk.exceptions import AirflowSkipException

from include.jobs.notify import NeedsAPerson
from include.oms.slices.claim import Claim, SliceRef
from include.oms.slices.report import SliceReport

log = logging.getLogger("oms")


def claimed(found: Claim, *, why_none: str = "nothing is due") -> list[SliceRef]:
    """The slices of a claim. Raises AirflowSkipException, with the reason, if there are none."""
    for reference in found.slices:
        log.info("claimed slice %s", reference["label"])
    if not found.slices:
        raise AirflowSkipException(found.why_none or why_none)
    return found.slices


def worked(report: SliceReport) -> None:
    """Log what a worker has done to its slice."""
    log.info("%s", ", ".join(f"{n} {what}" for what, n in report.counts.items()) or "nothing left to do")
    if report.stopped_early:
        log.warning("stopped early: %s. The rest waits for a later run", report.stopped_early)


def need_a_person(a_slice: SliceRef, requests: Sequence[tuple[int, str]], *, what: str) -> None:
    """Log and raise NeedsAPerson with these requests and their reasons, if there are any."""
    if requests:
        about = [f"request {request_id}: {why}" for request_id, why in requests]
        log.error("slice %s: %s", a_slice["label"], "; ".join(about))
        raise NeedsAPerson(f"{len(about)} {what}", about)
