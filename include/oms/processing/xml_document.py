"""The XML that Thunderhead gets: what the client sent, its metadata and the configuration.

JSON becomes XML without loss, by five rules:

- an object is an element with a child for each key; an empty one says ``type="object"``
- an array says ``type="array"`` and has an ``<item>`` for each value
- a string is plain text; a number, a boolean and null say their ``type``, a number keeps its digits as sent
- a key that is no plain XML name becomes ``<entry key="...">``
- a text that XML cannot hold (control characters) is written as JSON and says ``encoding="json"``
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import quoteattr

_PLAIN_NAME = re.compile(r"(?!xml)[A-Za-z_][A-Za-z0-9_.-]*", re.IGNORECASE)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2
_SPECIAL = re.compile("[&<>\r]")
_NOT_PLAIN = re.compile("[^\t\n\x20-%'-;=?-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # either of the two
_SPECIAL_IN_ATTRIBUTE = re.compile('[&<>"\r\n\t]')
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}


def fits_in_xml(text: str) -> bool:
    """Whether XML 1.0 can hold the text as it is: no control characters, no surrogates."""
    return not _NOT_XML.search(text)


class Number(str):
    """A JSON number, digit by digit as the client wrote it."""

    __slots__ = ()


_JSON = json.JSONDecoder(parse_int=Number, parse_float=Number)


def document_xml(
    *, attributes: Mapping[str, str], metadata: Mapping[str, str], configuration: Mapping[str, str], content: str
) -> str:
    """The document's XML. ``content`` is the JSON text as stored."""
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n<document']
    parts += [f" {name}={_attribute(value)}" for name, value in attributes.items()]
    parts.append(">")
    parts.append(_section("metadata", metadata.items()))
    parts.append(_configuration(tuple(configuration.items())))
    _write(parts, "content", "", _JSON.decode(content))
    parts.append("</document>")
    return "".join(parts)


@lru_cache(maxsize=1024)
def _configuration(entries: tuple[tuple[str, str], ...]) -> str:
    """Thousands of documents share one: it is written once."""
    return _section("configuration", entries)


def _section(name: str, entries: Iterable[tuple[str, str]]) -> str:
    parts = [f"<{name}>"]
    for key, value in entries:
        _write(parts, "entry", f" key={_attribute(key)}", value)
    parts.append(f"</{name}>")
    return "".join(parts)


def _write(parts: list[str], tag: str, attributes: str, value: Any) -> None:
    """Append one element. Recursive: the intake bounds how deep a content may be."""
    if type(value) is str and not _NOT_PLAIN.search(value):  # most values are: the short way
        parts.append(f"<{tag}{attributes}>{value}</{tag}>")
        return
    if isinstance(value, dict):
        kind = "" if value else ' type="object"'
        parts.append(f"<{tag}{attributes}{kind}>")
        for key, child in value.items():
            _write(parts, *_tag(key), child)
    elif isinstance(value, list):
        parts.append(f'<{tag}{attributes} type="array">')
        for child in value:
            _write(parts, "item", "", child)
    else:
        kind, text = _scalar(value)
        parts.append(f"<{tag}{attributes}{kind}>{text}")
    parts.append(f"</{tag}>")


@lru_cache(maxsize=1024)
def _tag(key: str) -> tuple[str, str]:
    """An object's key as a tag and its attributes. Thousands of documents share their keys."""
    if _PLAIN_NAME.fullmatch(key):
        return key, ""
    if _NOT_XML.search(key):
        return "entry", f" key-json={_attribute(json.dumps(key))}"
    return "entry", f" key={_attribute(key)}"


def _scalar(value: Any) -> tuple[str, str]:
    """The attribute that tells the type, and the text."""
    if isinstance(value, Number):
        return ' type="number"', value
    if value is None:
        return ' type="null"', ""
    if isinstance(value, bool):
        return ' type="boolean"', "true" if value else "false"
    if _NOT_XML.search(value):
        return ' encoding="json"', _escape(json.dumps(value))
    return "", _escape(value)


def _escape(text: str) -> str:
    return _SPECIAL.sub(lambda match: _ESCAPES[match.group()], text)


def _attribute(value: str) -> str:
    if _SPECIAL_IN_ATTRIBUTE.search(value):
        return quoteattr(value, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})
    return f'"{value}"'
