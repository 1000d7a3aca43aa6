"""Many requests in one call. Each has its own result; one statement stores all."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from include.oms.intake.accepting import Acceptance, Caller, Taken, accept_all, barrier, replays
from include.oms.intake.checking import Checked, KnownValues, examine
from include.oms.intake.database import Database
from include.oms.intake.json_text import MOST_BULK_VALUES, MOST_VALUES, read_json, values_fault
from include.oms.intake.quotas import Quotas
from include.oms.intake.refusals import MOST_FAULTS, Fault, Invalid, TooMany
from include.oms.words.refusals import Refusal

MOST_REQUESTS = 500

MOST_BULK_FAULTS = 5_000
"""Faults told in one bulk answer. Once they are told, each further request tells its first fault only."""


def accept_bulk(
    database: Database,
    caller: Caller,
    known: KnownValues,
    quotas: Quotas,
    body: bytes,
    now: datetime,
    *,
    most_bytes_each: int,
) -> list[Acceptance | Invalid]:
    """What became of each, in the order sent. As with a single call, what is stored counts.

    Raises Malformed, Invalid and TooMany for the call as a whole; UnknownSourceSystem where it holds a request that is
    not stored; ReferenceDataOutOfReach where such a request cannot be checked; QuotaExceeded where there is no room for
    all of those that are not stored.
    A request larger than the single call's limit is a line like any other that is invalid: the contract has no 413 for
    a line.
    """
    barred = barrier(known, caller)
    try:
        checked = _examine_all(body, known, now, most_bytes_each)
    except Refusal as unreadable:
        raise barred or unreadable from None
    stored = replays(database, caller, [it.request for it in checked if it.request and (barred or it.refusal)])
    instead: list[Acceptance | Invalid | None] = []  # of storing it
    for request, fault in checked:
        refusal = barred or fault
        replay = stored.get(request.correlation_id) if request and refusal else None
        if refusal and not replay and not isinstance(refusal, Invalid):
            raise refusal
        instead.append(replay or (refusal if isinstance(refusal, Invalid) else None))
    fine = [it.request for it, other in zip(checked, instead, strict=True) if it.request and other is None]
    over = quotas.refusal(caller.source_system, fine) if fine else None
    if over and len(replays(database, caller, fine)) < len({request.correlation_id for request in fine}):
        raise over
    outcomes = accept_all(database, caller, fine)
    new = [it for it, outcome in zip(fine, outcomes, strict=True) if isinstance(outcome, Taken) and outcome.is_new]
    quotas.count(caller.source_system, new)
    rest = iter(outcomes)
    return [other or next(rest) for other in instead]


def _examine_all(body: bytes, known: KnownValues, now: datetime, most_bytes_each: int) -> Sequence[Checked]:
    documents = read_json(body, most_values=MOST_BULK_VALUES)
    if not isinstance(documents, list):
        raise Invalid([Fault("", "must be an array of requests")])
    if len(documents) > MOST_REQUESTS:
        raise TooMany(f"{len(documents)} requests in one call; at most {MOST_REQUESTS} are taken")
    checked, left = [], MOST_BULK_FAULTS
    for text, document in zip(msgspec.json.decode(body, type=list[msgspec.Raw]), documents, strict=True):
        checked.append(
            _examine(text, document, known, now, most_bytes_each, most_faults=max(1, min(left, MOST_FAULTS)))
        )
        refusal = checked[-1].refusal
        left -= len(refusal.faults) if isinstance(refusal, Invalid) else 0
    return checked


def _examine(
    text: msgspec.Raw, document: Any, known: KnownValues, now: datetime, most_bytes: int, *, most_faults: int
) -> Checked:
    if memoryview(text).nbytes > most_bytes:
        return Checked(None, Invalid([Fault("", f"is larger than {most_bytes} bytes")]))
    if fault := values_fault(bytes(text), MOST_VALUES):
        return Checked(None, Invalid([fault]))
    return examine(text, document, known, now, most_faults=most_faults)
