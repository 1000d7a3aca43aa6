"""What a finished document says of itself."""

from __future__ import annotations

import io

import pypdf

MOST_PAGES = 1_000_000  # a larger number is no count


def number_of_pages(content: bytes) -> int | None:
    """The number of pages by the root of a PDF's page tree, which is not walked; None if it cannot be read."""
    try:
        reader = pypdf.PdfReader(io.BytesIO(content), strict=True)  # strict: a broken file is not searched
        number = reader.root_object["/Pages"]["/Count"]  # type: ignore[index]
    except Exception:  # noqa: BLE001  a foreign file: the parser may fail in any way
        return None
    return int(number) if isinstance(number, int) and 0 < number <= MOST_PAGES else None
