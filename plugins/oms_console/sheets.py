"""CSV for spreadsheets: UTF-8 that Excel reads, and no cell that it takes for a formula."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

BYTE_ORDER_MARK = "\ufeff"  # or Excel would not read it as UTF-8
FORMULA = re.compile(r"(?:^|[,;|\t\r\n])[\s\"'\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]")


def harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection).

    Full-width signs count, too, and so does a sign behind blanks, quotes or a separator: a spreadsheet with another
    separator may begin a cell there.
    """
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return f"'{value}" if isinstance(value, str) and FORMULA.search(value) else value


async def csv_lines(pages: AsyncIterator[Sequence[Mapping[str, Any]]]) -> AsyncIterator[str]:
    """The rows of all pages, page by page, under the names of the first row's columns."""
    yield BYTE_ORDER_MARK
    has_heads = False
    async for page in pages:
        text = io.StringIO()
        writer = csv.writer(text)
        if page and not has_heads:
            writer.writerow(list(page[0]))
            has_heads = True
        for row in page:
            writer.writerow([harmless(value) for value in row.values()])
        yield text.getvalue()
