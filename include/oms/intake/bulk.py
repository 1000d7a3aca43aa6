"""Many requests in one call, each standing alone, stored by one statement."""

from __future__ import annotations

from datetime import datetime

import msgspec

from include.oms.intake.accepting import Caller, Outcome, accept_all
from include.oms.intake.checking import KnownValues, NewRequest, check_request
from include.oms.intake.database import Database
from include.oms.intake.json_text import read_json
from include.oms.intake.refusals import Fault, Invalid, TooMany

MOST_REQUESTS = 500


def accept_bulk(
    database: Database, caller: Caller, known: KnownValues, body: bytes, now: datetime, *, most_bytes_each: int
) -> list[Outcome | Invalid]:
    """What became of each, in the order sent. Raises Malformed, Invalid and TooMany for the call as a whole.

    A request larger than the single call's limit is a line like any other that is invalid: each stands alone, and the
    contract has no 413 for a line.
    """
    documents = read_json(body)
    if not isinstance(documents, list):
        raise Invalid([Fault("", "must be an array of requests")])
    if len(documents) > MOST_REQUESTS:
        raise TooMany(f"{len(documents)} requests in one call; at most {MOST_REQUESTS} are taken")
    texts = msgspec.json.decode(body, type=list[msgspec.Raw])
    too_large = Invalid([Fault("", f"is larger than {most_bytes_each} bytes")])
    checked = [
        _check(text, document, known, now) if memoryview(text).nbytes <= most_bytes_each else too_large
        for text, document in zip(texts, documents, strict=True)
    ]
    outcomes = iter(accept_all(database, caller, [new for new in checked if isinstance(new, NewRequest)]))
    return [next(outcomes) if isinstance(new, NewRequest) else new for new in checked]


def _check(text: msgspec.Raw, document: object, known: KnownValues, now: datetime) -> NewRequest | Invalid:
    try:
        return check_request(text, document, known, now)
    except Invalid as invalid:
        return invalid
