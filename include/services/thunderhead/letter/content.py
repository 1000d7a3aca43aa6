"""The content of a letter: leaves become rows, lists of similar records become tables, the rest becomes parts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from reportlab.platypus import Flowable, Spacer

from include.services.thunderhead.document_xml import Element
from include.services.thunderhead.letter import style
from include.services.thunderhead.letter.words import label

LONG_TEXT = 700  # characters; more may not fit a page, and a table's row cannot be split
LONG_LINES = 12
LONGEST_PARAGRAPH = 4000
ROWS_A_TABLE = 40  # laying a table out costs more than in proportion to its rows
MOST_COLUMNS = 7
LONGEST_CELL = 60


def parts(root: Element) -> Iterator[Flowable]:
    """Everything below ``root``, in its order. Walks with a stack of its own: content may be nested very deep."""
    stack = [(child, 0) for child in reversed(_numbered(root.children))]
    rows = _Rows()
    while stack:
        element, level = stack.pop()
        if not element.children and not _is_long(element.text):
            yield from rows.add(element, level)
            continue
        yield from rows.finish()
        yield style.heading(label(element.name), level)
        if not element.children:
            yield from _long_text(element.text, level)
        elif tables := _tables(element, level):
            yield from tables
        else:
            stack += [(child, level + 1) for child in reversed(_numbered(element.children))]
    yield from rows.finish()


class _Rows:
    """Gathers the leaves that follow each other on one level into one table."""

    def __init__(self) -> None:
        self._pairs: list[tuple[str, str]] = []
        self._level = 0

    def add(self, leaf: Element, level: int) -> Iterator[Flowable]:
        if level != self._level or len(self._pairs) == ROWS_A_TABLE:
            yield from self.finish()
        self._level = level
        self._pairs.append((leaf.name, _shown(leaf)))

    def finish(self) -> Iterator[Flowable]:
        if self._pairs:
            yield style.rows(self._pairs, self._level)
            self._pairs = []


def _is_long(text: str) -> bool:
    return len(text) > LONG_TEXT or text.count("\n") > LONG_LINES


def _shown(leaf: Element) -> str:
    """The text of a row; an empty value is shown as empty."""
    return leaf.text or "–"


def _long_text(text: str, level: int) -> Iterator[Flowable]:
    """A text of its own, cut so that it can go over pages."""
    for line in text.split("\n"):
        for start in range(0, max(len(line), 1), LONGEST_PARAGRAPH):
            piece = line[start : start + LONGEST_PARAGRAPH]
            yield style.paragraph(piece, style.text_style(left=style.indent(level)))
    yield Spacer(1, 4)


def _tables(element: Element, level: int) -> list[Flowable]:
    """A list of alike records as tables; empty where it is no such list, or too wide for the page."""
    records = element.children
    names = [leaf.name for leaf in records[0].children]
    if not _are_alike(records, names):
        return []
    texts = [[_shown(leaf) for leaf in record.children] for record in records]
    if any(len(text) > LONGEST_CELL or "\n" in text for row in texts for text in row):
        return []
    columns = zip(*(record.children for record in records), strict=True)
    numeric = [all(leaf.attributes.get("type") == "number" for leaf in column) for column in columns]
    tables = [
        style.grid(names, texts[start : start + ROWS_A_TABLE], numeric, level)
        for start in range(0, len(texts), ROWS_A_TABLE)
    ]
    return [table for table in tables if table] if all(tables) else []


def _are_alike(records: list[Element], names: list[str]) -> bool:
    """Whether these are two or more elements, each with the same few leaves."""
    return (
        len(records) > 1
        and len({record.name for record in records}) == 1
        and 1 < len(names) <= MOST_COLUMNS
        and len(set(names)) == len(names)
        and all([leaf.name for leaf in record.children] == names for record in records)
        and not any(leaf.children for record in records for leaf in record.children)
    )


def _numbered(children: list[Element]) -> list[Element]:
    """Neighbours that share a name, as the items of a list do, are told apart by a number."""
    told_apart: list[Element] = []
    for name, group in groupby(children, key=lambda child: child.name):
        alike = list(group)
        if len(alike) == 1:
            told_apart += alike
        else:
            told_apart += [
                Element(f"{name} {number}", child.attributes, child.text, child.children)
                for number, child in enumerate(alike, start=1)
            ]
    return told_apart
