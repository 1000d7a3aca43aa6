"""Read a document's XML into a small tree; DTDs and entities are refused.

Knows what OMS writes (see include/oms/processing/xml_document.py): ``key`` for a name that is no XML name, ``type`` for
what is no string, ``encoding="json"`` for a text that XML cannot hold. Other XML is read in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

MOST_ELEMENTS = 50_000  # a letter of a thousand pages; some 50 MB in memory


class InvalidDocument(ValueError):
    """No document can be made of this XML. The message says why."""


@dataclass(slots=True)
class Element:
    """An element: name, attributes, and either a text or children."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def child(self, name: str) -> Element | None:
        """The first child of this name."""
        return next((child for child in self.children if child.name == name), None)

    def leaves(self) -> Iterator[Element]:
        """Everything below that holds a text, in the order of the document."""
        stack = [self]
        while stack:
            element = stack.pop()
            if element.children:
                stack.extend(reversed(element.children))
            elif element.text:
                yield element


def parse(xml: str) -> Element:
    """The root element. Raises InvalidDocument: not well formed, a DTD in it, or too many elements."""
    reader = _Reader()
    try:
        reader.parser.Parse(xml.encode("utf-8", "surrogatepass"), True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise InvalidDocument(f"not well-formed XML: {reason}, line {error.lineno}, column {error.offset}") from error
    return reader.root


class _Reader:
    """Builds the tree as expat goes. A DTD ends the reading, so there are no entities to expand."""

    def __init__(self) -> None:
        self.root = Element("", {})
        self._open: list[Element] = []
        self._texts: list[str] = []
        self._count = 0
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._texts.append

    def _doctype(self, *_: Any) -> None:
        raise InvalidDocument("a DTD is not accepted")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise InvalidDocument(f"more than {MOST_ELEMENTS} elements")
        element = Element(_name(tag, attributes), attributes)
        if self._open:
            self._take_text_between_children()
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)

    def _end(self, _tag: str) -> None:
        element = self._open[-1]
        if element.children:
            self._take_text_between_children()
        else:
            element.text = _text("".join(self._texts), element.attributes)
            self._texts.clear()
        self._open.pop()

    def _take_text_between_children(self) -> None:
        text = "".join(self._texts).strip()
        self._texts.clear()
        if text:
            self._open[-1].children.append(Element("", {}, text))


def _name(tag: str, attributes: dict[str, str]) -> str:
    if "key-json" in attributes:
        return _from_json(attributes["key-json"])
    return attributes.get("key", tag)


def _text(text: str, attributes: dict[str, str]) -> str:
    return _from_json(text) if attributes.get("encoding") == "json" else text.strip()


def _from_json(text: str) -> str:
    """The string that was written as JSON, its unprintable characters shown as such (``\\x00``)."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    return "".join(c if c.isprintable() or c in "\t\n\r" else ascii(c)[1:-1] for c in str(value))
