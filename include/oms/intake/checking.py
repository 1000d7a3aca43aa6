"""Check a new request: its shape, texts, rules, reference data and content. All faults are reported at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from include.oms.base.json_pointer import pointer
from include.oms.intake.json_text import text_faults
from include.oms.intake.reference_data import ContentRules
from include.oms.intake.refusals import MOST_FAULTS, Fault, Invalid, ReferenceDataOutOfReach
from include.oms.intake.shape import MOST_METADATA, Metadata, SentRequest, read_shape
from include.oms.words.content_schema import Mode
from include.oms.words.names import name_fault

LATEST_START = timedelta(days=366)
"""How far ahead ``not_before`` may lie: "at most 1 year ahead" by the contract, whatever year it is."""

LOGGED_RULES = 5  # of a content that breaks its schema

log = structlog.get_logger()

_ENCODER = msgspec.json.Encoder(order="deterministic")


class KnownValues(Protocol):
    """The part of the reference data that checking needs."""

    def knows(self, ref_data_type: str, value: str) -> bool:
        """Whether the value is in force. Raises ReferenceDataOutOfReach if that is unknown."""

    def content_rules(self, document_name: str) -> ContentRules | None:
        """The schema in force for the document name's content. Raises ReferenceDataOutOfReach if that is unknown."""

    def broken(self, document_name: str, mode: Mode) -> None:
        """Count a content that breaks the schema of its document name."""


class NewRequest(msgspec.Struct, frozen=True):
    """A checked request, ready to be stored."""

    sent: SentRequest
    not_before: datetime | None  # UTC
    content_hash: bytes

    @property
    def correlation_id(self) -> str:
        """The client's own id: one request for each."""
        return self.sent.request_correlation_id

    @property
    def run_id(self) -> int | None:
        """The run that it joins."""
        return None if self.sent.run_id is msgspec.UNSET else int(self.sent.run_id)

    @property
    def metadata(self) -> list[Metadata]:
        """The pairs sorted by key: answers list them in this order."""
        return sorted(self.sent.document_metadata, key=lambda pair: pair.key)


class Checked(NamedTuple):
    """The result of a check. A readable request is present even if it is refused: it may be stored already."""

    request: NewRequest | None
    refusal: Invalid | ReferenceDataOutOfReach | None


def check_request(body: bytes | msgspec.Raw, document: Any, known: KnownValues, now: datetime) -> NewRequest:
    """The request, ready to be stored. ``document`` is what ``read_json`` made of ``body``.

    Raises Invalid with every fault, ReferenceDataOutOfReach where all but the reference data is fine.
    """
    request, refusal = examine(body, document, known, now)
    if refusal or not request:
        raise refusal or Invalid([])
    return request


def examine(
    body: bytes | msgspec.Raw, document: Any, known: KnownValues, now: datetime, *, most_faults: int = MOST_FAULTS
) -> Checked:
    """Check a request. The search ends after ``most_faults`` faults."""
    shape = read_shape(body, document, most_faults)
    unreadable = text_faults(bytes(body), document)
    faults = list(shape) if isinstance(shape, list) else list(_rule_faults(shape, now))
    faults += unreadable
    out_of_reach = None
    try:
        faults += islice(_reference_faults(document, known), most_faults)
        if not unreadable and not any(fault.pointer == "/document_name" for fault in faults):
            faults += _content_faults(document, None if isinstance(shape, list) else shape, known, most_faults)
    except ReferenceDataOutOfReach as error:
        out_of_reach = error
    refusal = Invalid(faults[:most_faults]) if faults else out_of_reach
    if isinstance(shape, list) or unreadable:
        return Checked(None, refusal)
    try:
        not_before = None if shape.not_before is msgspec.UNSET else shape.not_before.astimezone(UTC)
    except OverflowError:  # _rule_faults reports it
        return Checked(None, refusal)
    return Checked(NewRequest(shape, not_before, _content_hash(shape, document, not_before)), refusal)


def _rule_faults(sent: SentRequest, now: datetime) -> Iterator[Fault]:
    """Faults that a JSON Schema cannot find."""
    if fault := name_fault(sent.request_correlation_id):
        yield Fault("/request_correlation_id", fault)
    seen: set[str] = set()
    for index, pair in enumerate(sent.document_metadata):
        if pair.key in seen:
            yield Fault(pointer("document_metadata", index, "key"), "stands more than once")
        seen.add(pair.key)
        if fault := name_fault(pair.value):
            yield Fault(pointer("document_metadata", index, "value"), fault)
    if sent.not_before is not msgspec.UNSET and not is_storable(sent.not_before, now + LATEST_START):
        yield Fault("/not_before", "must lie 1 year ahead at most")


def is_storable(instant: datetime, latest: datetime) -> bool:
    """Whether an instant can be stored, and is not after ``latest``."""
    try:
        return instant.astimezone(UTC) <= latest
    except OverflowError:  # the first hours of the year 1, the last of the year 9999
        return False


def _reference_faults(document: Any, known: KnownValues) -> Iterator[Fault]:
    """Faults of values that are not in force. Parts of the wrong shape are skipped: the schema reports them."""
    for place, ref_data_type, value in _mentions(document):
        if isinstance(value, str) and not known.knows(ref_data_type, value):
            yield Fault(place, f"is not in force in the reference type {ref_data_type}")


def _content_faults(document: Any, shape: SentRequest | None, known: KnownValues, most: int) -> list[Fault]:
    """Faults of the content by the schema of its document name. In the mode ``warn`` they are only counted and logged.

    The log has places in the schema and none in the content, whose names are the client's.
    """
    members = document if isinstance(document, dict) else {}
    document_name, content = members.get("document_name"), members.get("document_content")
    if not isinstance(document_name, str) or not isinstance(content, dict):
        return []
    rules = known.content_rules(document_name)
    if rules is None:
        return []
    text = shape.document_content if shape else msgspec.json.encode(content)
    found = list(islice(rules.schema.faults(text), most))
    if not found:
        return []
    known.broken(document_name, rules.mode)
    if rules.mode is Mode.REFUSE:
        return [Fault(pointer("document_content", *broken.path), broken.detail) for broken in found]
    places = list(dict.fromkeys(pointer(*broken.rule) for broken in found))[:LOGGED_RULES]
    log.info("content_breaks_schema", document_name=document_name, faults=len(found), rules=places)
    return []


def _mentions(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Each place where a request names reference data: place, reference type and value."""
    if not isinstance(document, dict):
        return
    yield "/document_type", "DOCUMENT_TYPE", document.get("document_type")
    yield "/document_name", "DOCUMENT_NAME", document.get("document_name")
    yield "/document_language", "DOCUMENT_LANGUAGE", document.get("document_language")
    metadata = document.get("document_metadata")
    for index, pair in enumerate(metadata[:MOST_METADATA] if isinstance(metadata, list) else []):
        if isinstance(pair, dict):
            yield f"/document_metadata/{index}/key", "METADATA_KEY", pair.get("key")


def _content_hash(sent: SentRequest, document: dict[str, Any], not_before: datetime | None) -> bytes:
    """SHA-256 of the request. The order of members, and defaults that are written out, do not change it."""
    meant = {
        **document,
        "document_metadata": sorted((pair.key, pair.value) for pair in sent.document_metadata),
        "priority": sent.priority,
        "not_before": not_before,
    }
    return hashlib.sha256(_ENCODER.encode(meant)).digest()
