"""Query parameters, read strictly: an unknown name is a fault, and all faults are reported at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from flask import request

from include.oms.intake.finding import LARGEST_ID, MOST_PAIRS, Search, before_cursor
from include.oms.intake.refusals import Fault, Invalid
from include.oms.intake.shape import Instant
from include.oms.words.model import Status
from include.oms.words.names import checked_name

LARGEST_PAGE = 500

T = TypeVar("T")
Reader = Callable[[Sequence[str]], Any]


def parameters(**readers: Reader) -> dict[str, Any]:
    """The call's parameters by name. Raises Invalid with every fault."""
    found: dict[str, Any] = {}
    faults = []
    for name, values in request.args.lists():
        try:
            found[name] = readers[name](values)
        except KeyError:
            faults.append(Fault(f"?{name[:100]}", "is not known here"))
        except ValueError as error:
            faults.append(Fault(f"?{name}", str(error)))
    if faults:
        raise Invalid(faults)
    return found


def search() -> Search:
    """The filter of a listing, and its page. Raises Invalid."""
    found = parameters(**_filter(), limit=once(whole_number(1, LARGEST_PAGE)), cursor=once(before_cursor))
    if "cursor" in found:
        found["before"] = found.pop("cursor")
    return Search(**found)


def search_to_act_on(**options: bool) -> tuple[Search, dict[str, bool]]:
    """The filter of an action on all that match, and the action's options with these defaults. Raises Invalid."""
    found = parameters(**_filter(), **{option: once(boolean) for option in options})
    return Search(**{it: found[it] for it in found.keys() - options.keys()}), {
        option: found.get(option, default) for option, default in options.items()
    }


def _filter() -> dict[str, Reader]:
    """The readers of a filter's parameters."""
    return {
        "status": each(one_of(*Status)),
        "document_type": once(name),
        "document_name": once(name),
        "request_correlation_id": once(name),
        "run_id": once(whole_number(1, LARGEST_ID)),
        "metadata": pairs,
        "created_from": once(instant),
        "created_to": once(instant),
    }


def once(read: Callable[[str], T]) -> Callable[[Sequence[str]], T]:
    """A parameter that may be given once."""

    def reader(values: Sequence[str]) -> T:
        if len(values) > 1:
            raise ValueError("may be given once only")
        return read(values[0])

    return reader


def each(read: Callable[[str], T]) -> Callable[[Sequence[str]], list[T]]:
    """A parameter that may be repeated."""
    return lambda values: [read(value) for value in values]


def one_of(*names: str) -> Callable[[str], str]:
    """A parameter with a few possible values."""

    def reader(value: str) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return str(value)

    return reader


def boolean(value: str) -> bool:
    """true or false."""
    return one_of("true", "false")(value) == "true"


def name(value: str) -> str:
    """A name or an id, by the rule that the requests themselves keep to. Raises ValueError."""
    if not value:
        raise ValueError("is empty")
    return checked_name(value)


def pair(value: str) -> tuple[str, str]:
    """KEY:VALUE; the value may hold further colons."""
    key, colon, rest = value.partition(":")
    if not colon or not key or not rest:
        raise ValueError("must have the form KEY:VALUE")
    return checked_name(key), checked_name(rest)


def pairs(values: Sequence[str]) -> list[tuple[str, str]]:
    """A few KEY:VALUE, each key once as in a request. Raises ValueError."""
    if len(values) > MOST_PAIRS:
        raise ValueError(f"may be given {MOST_PAIRS} times at most")
    found = [pair(value) for value in values]
    if len({key for key, _ in found}) < len(found):
        raise ValueError("names a key twice, and a request has each key once")
    return found


def instant(value: str) -> datetime:
    """An RFC 3339 instant. A ``+`` that was not escaped arrives as a space and is read as ``+``."""
    try:
        return msgspec.convert(value.replace(" ", "+"), Instant)
    except msgspec.ValidationError:
        raise ValueError("must be an instant with its offset, such as 2030-01-31T09:00:00Z") from None


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A whole number from ``least`` to ``most``."""

    def reader(value: str) -> int:
        if not re.fullmatch("[0-9]{1,19}", value) or not least <= int(value) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return reader
