"""What stands on every page of a letter: its head, and its foot with the number of pages."""

from __future__ import annotations

from typing import Any

from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

from include.services.thunderhead.letter import style
from include.services.thunderhead.letter.model import Letter
from include.services.thunderhead.letter.words import words

RIGHT = style.WIDTH - style.MARGIN


def draw_first_head(letter: Letter, canvas: Canvas, _document: Any) -> None:
    """A band over the whole width with what the document is."""
    bottom = style.HEIGHT - style.HEAD_HEIGHT
    canvas.setFillColor(style.ACCENT)
    canvas.rect(0, bottom, style.WIDTH, style.HEAD_HEIGHT, stroke=0, fill=1)
    canvas.setFillColor(style.WHITE)
    _draw_fitted(canvas, letter.title, style.BOLD, 20, bottom + 15 * mm)
    _draw_fitted(canvas, letter.subtitle, style.REGULAR, 10, bottom + 8.5 * mm)
    canvas.setFont(style.REGULAR, 9)
    canvas.drawRightString(RIGHT, bottom + 15 * mm, letter.batch_name)


def draw_later_head(letter: Letter, canvas: Canvas, _document: Any) -> None:
    """One line: which document this page belongs to."""
    canvas.setFillColor(style.GREY)
    _draw_fitted(canvas, f"{letter.title}   {letter.batch_name}", style.REGULAR, 8, style.HEIGHT - 16 * mm)
    _draw_line(canvas, style.HEIGHT - 19 * mm)


class NumberedCanvas(Canvas):  # type: ignore[misc]
    """Keeps the pages until their number is known, then draws the foot of each."""

    def __init__(self, letter: Letter, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._letter = letter
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:
        """A page is full. Called by reportlab."""
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """The document is complete. Called by reportlab."""
        for number, page in enumerate(pages := self._pages, start=1):
            self.__dict__.update(page)
            self._draw_foot(number, len(pages))
            super().showPage()
        super().save()

    def _draw_foot(self, number: int, pages: int) -> None:
        said = words(self._letter.language)
        _draw_line(self, 17 * mm)
        self.setFillColor(style.GREY)
        self.setFont(style.REGULAR, 7.5)
        footer = said["footer"].format(footer=self._letter.footer[:40])
        self.drawString(style.MARGIN, 12.5 * mm, f"{footer}  ·  {self._letter.batch_name}  ·  Thunderhead simulator")
        self.drawRightString(RIGHT, 12.5 * mm, said["page"].format(page=number, pages=pages))


def _draw_fitted(canvas: Canvas, text: str, font: str, size: float, y: float) -> None:
    """A line that grows smaller where it is too long, and is cut where it is much too long."""
    room = style.INNER_WIDTH * 0.7
    text = text[:150]
    size = max(5.0, min(size, size * room / max(stringWidth(text, font, size), 1)))
    canvas.setFont(font, size)
    canvas.drawString(style.MARGIN, y, text)


def _draw_line(canvas: Canvas, y: float) -> None:
    canvas.setStrokeColor(style.LINE)
    canvas.setLineWidth(0.5)
    canvas.line(style.MARGIN, y, RIGHT, y)
