"""The shape of a new request: read at once where it is right, every fault named where it is not.

Two readers of the same schema: ``SentRequest``, typed, in microseconds, for the calls that are fine; the contract's
own JSON Schema for those that are not. A test holds them together.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Annotated, Any, Literal

import msgspec
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from include.oms.base.json_pointer import pointer
from include.oms.intake.contract import contract
from include.oms.intake.refusals import MOST_FAULTS, Fault

MOST_METADATA = 50

Instant = Annotated[datetime, Meta(tz=True)]
_OF_A_RUN = Meta(ge=1, le=2**53 - 1)
RunId = Annotated[int, _OF_A_RUN] | Annotated[float, _OF_A_RUN]
"""JSON Schema calls 7.0 an integer, too."""


class Metadata(Struct, forbid_unknown_fields=True, frozen=True):
    """One pair of a request's metadata."""

    key: str
    value: Annotated[str, Meta(min_length=1, max_length=255)]


class SentRequest(Struct, forbid_unknown_fields=True, frozen=True):
    """A new document request as its client sent it; the content as the very text."""

    document_type: str
    document_name: str
    document_language: str
    source_environment: Literal["DEV", "SIT", "UAT", "PROD"]
    request_correlation_id: Annotated[str, Meta(min_length=1, max_length=100)]
    document_content: msgspec.Raw
    document_metadata: Annotated[list[Metadata], Meta(max_length=MOST_METADATA)] = []
    priority: Literal["HIGH", "NORMAL", "LOW"] = "NORMAL"
    not_before: Instant | UnsetType = UNSET
    run_id: RunId | UnsetType = UNSET


_decoder = msgspec.json.Decoder(SentRequest)


def read_shape(body: bytes | msgspec.Raw, document: Any, most_faults: int = MOST_FAULTS) -> SentRequest | list[Fault]:
    """The request if the schema holds, else its faults. ``document`` is what ``read_json`` made of ``body``."""
    try:
        sent = _decoder.decode(body)
    except msgspec.MsgspecError:
        return shape_faults(document, most_faults) or [Fault("", "cannot be read as a document request")]
    is_fine = bytes(sent.document_content)[:1] == b"{" and (sent.run_id is UNSET or sent.run_id == int(sent.run_id))
    return sent if is_fine else shape_faults(document, most_faults)


def shape_faults(document: Any, most: int = MOST_FAULTS) -> list[Fault]:
    """The faults that the contract's JSON Schema finds, ``most`` of them at most.

    It stops there, and does not read on a list that is too long: jsonschema takes 12 s of a core for 345,000 faults.
    """
    metadata = document.get("document_metadata") if isinstance(document, dict) else None
    if isinstance(metadata, list):
        document = {**document, "document_metadata": metadata[: MOST_METADATA + 1]}
    return plain_faults("NewDocumentRequest", document, most)


def plain_faults(schema: str, document: Any, most: int = MOST_FAULTS) -> list[Fault]:
    """The faults that a schema of the contract finds in a body, ``most`` of them at most."""
    if isinstance(document, dict):  # the numbers that have a schema stand at the top
        document = {name: _number(value) if isinstance(value, Raw) else value for name, value in document.items()}
    errors = _validator(schema).iter_errors(document)
    return list(islice((fault for error in errors for fault in _faults(error)), most))


def _number(text: Raw) -> object:
    """The number, if it is one that a schema can be about; others stay what they are, and are of no type."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # larger than a float
        return text


def is_instant(text: object) -> bool:
    """Whether a text is an RFC 3339 instant with its offset. True for other types: another rule checks them."""
    try:
        return not isinstance(text, str) or bool(msgspec.convert(text, Instant))
    except msgspec.ValidationError:
        return False


@cache
def _validator(schema: str) -> Draft202012Validator:
    formats = FormatChecker(formats=())
    formats.checks("date-time")(is_instant)
    return Draft202012Validator(contract()["components"]["schemas"][schema], format_checker=formats)


def _faults(error: ValidationError) -> Iterator[Fault]:
    """One error in our words, because jsonschema's message repeats the value, however large."""
    path, rule, found = tuple(error.absolute_path), error.validator, error.instance
    match rule:
        case "required":
            for name in error.validator_value:
                if name not in found:
                    yield Fault(pointer(*path, name), "is missing")
        case "additionalProperties":
            for name in found.keys() - error.schema["properties"].keys():
                yield Fault(pointer(*path, name), "is not known here")
        case "type":
            yield Fault(pointer(*path), f"must be of type {error.validator_value}")
        case "enum":
            yield Fault(pointer(*path), f"must be one of {', '.join(error.validator_value)}")
        case "format":
            yield Fault(pointer(*path), "must be an instant with its offset, such as 2030-01-31T09:00:00Z")
        case _:
            yield Fault(pointer(*path), _LIMITS[rule].format(limit=error.validator_value))


_LIMITS = {
    "minLength": "must have {limit} characters at least",
    "maxLength": "must have {limit} characters at most",
    "maxItems": "must have {limit} items at most",
    "minimum": "must be {limit} at least",
    "maximum": "must be {limit} at most",
}
