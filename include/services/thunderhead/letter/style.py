"""How a letter looks: measures, fonts, colours, and the few shapes it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from pymupdf_fonts import fontbuffers
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, Table

from include.services.thunderhead.letter.words import label

PAGE = A4
WIDTH, HEIGHT = A4
MARGIN = 22 * mm
INNER_WIDTH = WIDTH - 2 * MARGIN
HEAD_HEIGHT = 32 * mm
# x, y, width, height, and no padding of reportlab's own
FIRST_FRAME = (MARGIN, 24 * mm, INNER_WIDTH, HEIGHT - HEAD_HEIGHT - 34 * mm, 0, 0, 0, 0)
LATER_FRAME = (MARGIN, 24 * mm, INNER_WIDTH, HEIGHT - 48 * mm, 0, 0, 0, 0)

INK, GREY, PALE, LINE = HexColor(0x1F2933), HexColor(0x66727F), HexColor(0xF3F6F9), HexColor(0xD5DCE3)
ACCENT, WHITE = HexColor(0x14405F), HexColor(0xFFFFFF)

REGULAR, BOLD = "NotoSans", "NotoSans-Bold"
SIZE = 9
LABEL_WIDTH = 52 * mm
SIGNATURES_A_ROW = 3

Looks = list[tuple[Any, ...]]


@cache
def load_fonts() -> None:
    """Once a process, before anything is drawn."""
    registerFont(TTFont(REGULAR, BytesIO(fontbuffers["notos"]())))
    registerFont(TTFont(BOLD, BytesIO(fontbuffers["notosbo"]())))


@cache
def text_style(
    size: float = SIZE, colour: Color = INK, font: str = REGULAR, left: float = 0, before: float = 0, after: float = 0
) -> ParagraphStyle:
    """A paragraph's style; made once."""
    return ParagraphStyle(
        "text",
        fontName=font,
        fontSize=size,
        leading=size * 1.4,
        textColor=colour,
        leftIndent=left,
        spaceBefore=before,
        spaceAfter=after,
        keepWithNext=int(font == BOLD),
    )


def paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    """A text as it is, its line breaks kept, its markup none."""
    return Paragraph(escape(text).replace("\n", "<br/>"), style)


def line(text: str) -> Flowable:
    """A line of an address."""
    return paragraph(text, text_style(10))


def small(text: str) -> Flowable:
    """A word over something."""
    return paragraph(text, text_style(7.5, GREY))


def heading(text: str, level: int) -> Flowable:
    """A part's name; the deeper, the smaller. Stays with what follows."""
    size, before = ((12, 10), (10.5, 7), (9.5, 5))[min(level, 2)]
    return paragraph(text, text_style(size, ACCENT, BOLD, indent(level), before, 3))


def indent(level: int) -> float:
    """How far in a part stands; after four levels no further, else there is no room left."""
    return float(min(level, 4) * 4 * mm)


def cell(text: str, width: float, style: ParagraphStyle) -> str | Paragraph:
    """A text for a table. Only what must be wrapped becomes a paragraph: that costs twenty times as much."""
    if "\n" not in text and stringWidth(text, style.fontName, style.fontSize) < width - 8:
        return text
    return paragraph(text, style)


def rows(pairs: Sequence[tuple[str, str]], level: int) -> Table:
    """Labels on the left, values on the right, a hair line under each. All values begin under each other."""
    widths = (LABEL_WIDTH - indent(level), INNER_WIDTH - LABEL_WIDTH)
    looks = [*_padding(0, 3), ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE)]
    return _labelled(pairs, widths, SIZE, looks)


def references(pairs: Sequence[tuple[str, str]]) -> Table:
    """The pale box on the right of the address."""
    widths = (INNER_WIDTH * 0.17, INNER_WIDTH * 0.25)
    looks = [
        *_padding(6, 2.5),
        ("BACKGROUND", (0, 0), (-1, -1), PALE),
        ("TOPPADDING", (0, 0), (-1, 0), 7),
        ("BOTTOMPADDING", (0, -1), (-1, -1), 7),
    ]
    return _labelled(pairs, widths, 8, looks)


def _labelled(pairs: Sequence[tuple[str, str]], widths: tuple[float, float], size: float, looks: Looks) -> Table:
    quiet, plain = text_style(size, GREY), text_style(size)
    table = [[cell(label(name), widths[0], quiet), cell(value, widths[1], plain)] for name, value in pairs]
    fonts: Looks = [("FONT", (0, 0), (-1, -1), REGULAR, size, size * 1.4)]
    fonts += [("TEXTCOLOR", (0, 0), (0, -1), GREY), ("TEXTCOLOR", (1, 0), (1, -1), INK)]
    return Table(
        table, colWidths=widths, style=fonts + looks, hAlign="RIGHT", spaceAfter=6
    )  # the indent is what is left over


def grid(names: Sequence[str], records: Sequence[Sequence[str]], numeric: Sequence[bool], level: int) -> Table | None:
    """Records that are alike, under one head; numbers to the right. None where they are too wide for the page."""
    widths = _grid_widths([[label(name) for name in names], *records], level)
    if widths is None:
        return None
    looks: Looks = [
        ("FONT", (0, 0), (-1, -1), REGULAR, SIZE, SIZE * 1.4),
        ("FONT", (0, 0), (-1, 0), BOLD, SIZE - 0.5),
        ("BACKGROUND", (0, 0), (-1, 0), PALE),
        ("TEXTCOLOR", (0, 0), (-1, -1), INK),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        *_padding(4, 3),
        *(("ALIGN", (column, 0), (column, -1), "RIGHT") for column, is_number in enumerate(numeric) if is_number),
    ]
    table = [[label(name) for name in names], *records]
    return Table(table, colWidths=widths, style=looks, hAlign="RIGHT", spaceAfter=6, repeatRows=1)


def _grid_widths(table: Sequence[Sequence[str]], level: int) -> list[float] | None:
    """Room for each column by its widest text, the rest shared out."""
    widths = [max(stringWidth(text, BOLD, SIZE) for text in column) + 10 for column in zip(*table, strict=True)]
    spare = INNER_WIDTH - indent(level) - sum(widths)
    return [width + spare / len(widths) for width in widths] if spare >= 0 else None


def signatures(signees: Sequence[str]) -> Table:
    """A line to sign on for each, with room above it and a gap beside it."""
    gap = 8 * mm
    width = (INNER_WIDTH + gap) / SIGNATURES_A_ROW - gap
    fields = [
        Table([[paragraph(name[:200], text_style())]], colWidths=[width], style=[
            *_padding(0, 3), ("LINEABOVE", (0, 0), (-1, -1), 0.6, GREY),
        ])
        for name in signees
    ]  # fmt: skip
    fields += [""] * (-len(fields) % SIGNATURES_A_ROW)
    table = [fields[start : start + SIGNATURES_A_ROW] for start in range(0, len(fields), SIGNATURES_A_ROW)]
    looks = [*_padding(0, 0), ("TOPPADDING", (0, 0), (-1, -1), 36)]
    return Table(table, colWidths=[width + gap, width + gap, width], style=looks)


def two_columns(left: list[Flowable], right: list[Flowable]) -> Table:
    """Address and references, side by side."""
    return Table([[left, right]], colWidths=[INNER_WIDTH * 0.58, INNER_WIDTH * 0.42], style=_padding(0, 0))


def _padding(sides: float, ends: float) -> Looks:
    padding = {"LEFTPADDING": sides, "RIGHTPADDING": sides, "TOPPADDING": ends, "BOTTOMPADDING": ends}
    return [("VALIGN", (0, 0), (-1, -1), "TOP"), *((side, (0, 0), (-1, -1), size) for side, size in padding.items())]
