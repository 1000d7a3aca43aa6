"""Read JSON strictly: no digit is lost, nothing is guessed, and text that the database cannot hold is refused.

Numbers stay the text they were sent as (``msgspec.Raw``), so no digit is lost. An object that names a member twice,
NaN and Infinity are refused. So are texts that PostgreSQL cannot hold (NUL) or that are no Unicode (lone surrogates).
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NoReturn

import msgspec

from include.oms.base.json_pointer import UNSTORABLE, pointer
from include.oms.intake.refusals import MOST_FAULTS, Fault, Invalid, Malformed

DEEPEST = 64
"""Objects and arrays inside each other. Letters need 10; the XML builder of the jobs is recursive."""

MOST_VALUES = 50_000
"""Values in one request. A document of 1,000 pages needs 20,000; each costs the jobs an XML element."""

MOST_BULK_VALUES = 200_000
"""Values in one bulk call: 500 requests of 400 each. Reading them takes 0.2 s of a core and 100 MB."""

WINDOW_BYTES = 65_536

_AS_ARRAYS = bytes.maketrans(b"{}", b"[]")
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")  # NUL or half a surrogate pair, or an innocent look-alike


def read_json(body: bytes, *, most_values: int = MOST_VALUES) -> Any:
    """The body as Python values, numbers as ``msgspec.Raw``.

    Raises Malformed, or Invalid where it is too deep or holds more than ``most_values``; that is counted before a
    value is made.
    """
    if fault := values_fault(body, most_values):
        raise Invalid([fault])
    if body.startswith(codecs.BOM_UTF8):
        raise Malformed("line 1, column 1: Unexpected UTF-8 BOM")
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Malformed(f"byte {error.start} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise Malformed(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise Invalid([_too_deep("")]) from error


def text_faults(body: bytes, document: Any) -> list[Fault]:
    """Faults of a document's texts and depth that make it impossible to store; ``MOST_FAULTS`` at most."""
    if not _SUSPECT.search(body) and not is_deep(body):
        return []  # the usual case, without a walk
    return list(islice(_walk(document), MOST_FAULTS))


def is_deep(body: bytes) -> bool:
    """Whether a JSON text is nested deeper than ``DEEPEST``: each round takes the innermost brackets away."""
    if body.count(b"{") + body.count(b"[") <= DEEPEST:
        return False
    brackets = b"".join(_without_escapes(body).split(b'"')[::2]).translate(_AS_ARRAYS, _ALL_BUT_BRACKETS)
    for _ in range(DEEPEST):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


def values_fault(body: bytes, most: int) -> Fault | None:
    """The fault of a JSON text with more than ``most`` values; None if there is none."""
    if body.count(b",") + body.count(b"{") + body.count(b"[") < most:
        return None  # the usual case: there cannot be more values than these characters and one
    return Fault("", f"has more than {most} values") if has_more_values(body, most) else None


def has_more_values(body: bytes, most: int) -> bool:
    """Whether a JSON text holds more than ``most`` values: objects, arrays, strings, numbers and literals.

    Each value but the first follows a comma or is the first in its object or array, so they are counted by their
    bytes, outside of strings. It goes window by window and stops at ``most``: a text of millions costs no more.
    """
    text = _without_escapes(body)
    number, is_in_string, opening = 1, False, b""
    for start in range(0, len(text), WINDOW_BYTES):
        parts = text[start : start + WINDOW_BYTES].split(b'"')
        bare = opening + b"0" * is_in_string + b"0".join(parts[is_in_string::2]).translate(None, b" \t\r\n")
        opening = bare[-1:] if bare.endswith((b"[", b"{")) else b""  # the next window tells whether it is empty
        bare = bare.removesuffix(opening)
        empty = bare.count(b"[]") + bare.count(b"{}")
        number += bare.count(b",") + bare.count(b"[") + bare.count(b"{") - empty
        is_in_string ^= len(parts) % 2 == 0
        if number > most:
            return True
    return False


def _without_escapes(body: bytes) -> bytes:
    """The text without escaped quotes: each quote that is left begins or ends a string."""
    return body.replace(b"\\\\", b"").replace(b'\\"', b"")


def _walk(document: Any) -> Iterator[Fault]:
    """The faults of each value. No recursion, because the document may be deep."""
    waiting: list[tuple[Any, tuple[object, ...]]] = [(document, ())]
    while waiting:
        value, path = waiting.pop()
        if isinstance(value, str):
            yield from _unfit(path, "the text", value)
        elif not isinstance(value, dict | list):
            continue
        elif len(path) >= DEEPEST:
            yield _too_deep(pointer(*path))
        else:
            children = value.items() if isinstance(value, dict) else enumerate(value)
            waiting.extend((child, (*path, key)) for key, child in children)
            if isinstance(value, dict):
                for key in value:
                    yield from _unfit((*path, key), "the name", key)


def _unfit(path: tuple[object, ...], what: str, text: str) -> list[Fault]:
    found = UNSTORABLE.search(text)
    if not found:
        return []
    name = "NUL (U+0000)" if found.group() == "\0" else f"half a surrogate pair (U+{ord(found.group()):04X})"
    return [Fault(pointer(*path), f"{what} holds {name}, which cannot be kept")]


def _too_deep(place: str) -> Fault:
    return Fault(place, f"objects and arrays are nested deeper than {DEEPEST} levels")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed(f"an object names the member {pointer(twice)[1:]!r} twice")
    return members


def _not_a_number(literal: str) -> NoReturn:
    raise Malformed(f"{literal} is no JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=msgspec.Raw, parse_float=msgspec.Raw, parse_constant=_not_a_number
)
