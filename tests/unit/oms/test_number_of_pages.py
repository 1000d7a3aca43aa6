"""The number of pages of a document, whatever its bytes are."""

from __future__ import annotations

import io

import pytest
from pypdf import PdfWriter
from reportlab.pdfgen.canvas import Canvas

from include.oms.outside.documents import number_of_pages


def a_pdf(pages: int) -> bytes:
    file = io.BytesIO()
    canvas = Canvas(file)
    for _ in range(pages):
        canvas.drawString(100, 100, "a page")
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def encrypted() -> bytes:
    writer, file = PdfWriter(io.BytesIO(a_pdf(2))), io.BytesIO()
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(file)
    return file.getvalue()


@pytest.mark.parametrize("pages", [1, 2, 30])
def test_each_page_counts(pages: int) -> None:
    assert number_of_pages(a_pdf(pages)) == pages


NO_NUMBER: dict[str, bytes] = {
    "empty": b"",
    "no PDF": b"<html>",
    "nothing inside": b"%PDF-1.7\n%%EOF",
    "cut off": a_pdf(3)[:-600],
    "a loop": b"%PDF-1.7\nxref\n0 0\ntrailer <</Root 1 0 R /Prev 9>>\nstartxref\n9\n%%EOF",
    "a negative count": a_pdf(1).replace(b"/Count 1", b"/Count -1"),
    "a huge count": a_pdf(1).replace(b"/Count 1", b"/Count 9999999999"),
    "a text as count": a_pdf(1).replace(b"/Count 1", b"/Count (x)"),
    "long": b"%PDF" + b"0 0 obj " * 200_000 + b"%%EOF",
}


@pytest.mark.parametrize("name", NO_NUMBER)
def test_what_cannot_be_counted_has_no_number(name: str) -> None:
    assert number_of_pages(NO_NUMBER[name]) is None


def test_an_encrypted_document_is_no_error() -> None:
    assert number_of_pages(encrypted()) in (2, None)
