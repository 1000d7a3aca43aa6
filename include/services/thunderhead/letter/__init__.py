"""Makes a letter out of a document's XML: a head, an addressee, the content as labelled rows, signatures.

The content may be anything, so only its nesting is used; every text is printed.
Scripts that are written from right to left or need more than Noto Sans has (Latin, Greek, Cyrillic) keep their
characters in the PDF, but are not drawn well.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Spacer

from include.services.thunderhead.document_xml import Element, parse
from include.services.thunderhead.letter import style
from include.services.thunderhead.letter.content import parts
from include.services.thunderhead.letter.model import Letter
from include.services.thunderhead.letter.page import NumberedCanvas, draw_first_head, draw_later_head
from include.services.thunderhead.letter.words import words

__all__ = ["Letter", "write_letter"]

MOST_ADDRESS_LINES = 7
MOST_REFERENCES = 10  # more, or longer ones, are no box but a part of their own
LONGEST_REFERENCE = 80


def write_letter(xml: str, batch_name: str, date: str, file: Path) -> None:
    """Write the PDF, whole or not at all. ``date`` is YYYY-MM-DD. Raises InvalidDocument."""
    letter = Letter(parse(xml), batch_name, date)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    document = BaseDocTemplate(
        str(unfinished),
        pagesize=style.PAGE,
        title=letter.title,
        author="Thunderhead simulator",
        subject=batch_name,
        lang=letter.language,
    )
    first, later = Frame(*style.FIRST_FRAME), Frame(*style.LATER_FRAME)
    head, later_head = partial(draw_first_head, letter), partial(draw_later_head, letter)
    document.addPageTemplates(PageTemplate("first", first, onPage=head, autoNextPageTemplate="later"))
    document.addPageTemplates(PageTemplate("later", later, onPage=later_head))
    document.build(_story(letter), canvasmaker=partial(NumberedCanvas, letter))
    unfinished.replace(file)


def _story(letter: Letter) -> list[Flowable]:
    references = [entry for entry in letter.metadata if entry.name != "FOOTER_ID"]
    boxed = len(references) <= MOST_REFERENCES and all(len(entry.text) <= LONGEST_REFERENCE for entry in references)
    box = style.references([
        (words(letter.language)["date"], letter.date),
        *((entry.name, entry.text) for entry in references if boxed),
    ])  # fmt: skip
    story = [style.two_columns(_address(letter), [box]), Spacer(1, 10), *parts(letter.content)]
    if not boxed:
        story += parts(Element("", {}, children=[Element("metadata", {}, children=references)]))
    if letter.signees:
        story.append(style.signatures(letter.signees))
    return story


def _address(letter: Letter) -> list[Flowable]:
    lines = [leaf.text[:LONGEST_REFERENCE] for leaf in letter.addressee.leaves()][:MOST_ADDRESS_LINES]
    return [style.small(words(letter.language)["to"]), *map(style.line, lines)] if lines else []
